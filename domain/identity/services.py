"""The use cases of logging in, in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.identity.accounts import AccountService
from domain.identity.admission import Admission
from domain.identity.bind_codes import BindCodes
from domain.identity.binding import Binding
from domain.identity.courier import Courier
from domain.identity.credentials import Credentials
from domain.identity.devices import Devices
from domain.identity.first_admin import FirstAdmin
from domain.identity.jssdk import JsSdk
from domain.identity.password_login import PasswordLogin
from domain.identity.passwords import Hasher
from domain.identity.policy import LoginPolicy
from domain.identity.qr_login import QrLogin
from domain.identity.sessions import SessionService
from domain.identity.step_up import StepUp
from domain.identity.wechat_login import OfficialAccount, WeChatLogin
from domain.identity.wechat_messages import WeChatMessages


class Sweep(Protocol):
    """Removes what is over."""

    async def run(self) -> int:
        """Remove attempts, tries and sessions that are over; answer how many."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything a login handler may ask for."""

    accounts: AccountService
    admission: Admission
    bind_codes: BindCodes
    binding: Binding
    courier: Courier
    credentials: Credentials
    devices: Devices
    first_admin: FirstAdmin
    hasher: Hasher
    jssdk: JsSdk
    messages: WeChatMessages
    official: OfficialAccount
    password_login: PasswordLogin
    policy: LoginPolicy
    qr: QrLogin
    sessions: SessionService
    step_up: StepUp
    sweep: Sweep
    wechat_login: WeChatLogin
