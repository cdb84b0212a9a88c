"""Puts the login together: the one place that knows which parts it is made of."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from argon2 import PasswordHasher

from domain.grants import GrantService
from domain.identity.accounts import AccountService
from domain.identity.admission import Admission
from domain.identity.bind_codes import BindCodes
from domain.identity.binding import Binding
from domain.identity.courier import Courier
from domain.identity.credentials import Credentials
from domain.identity.devices import Devices
from domain.identity.first_admin import FirstAdmin
from domain.identity.identities import Glasses, Identities
from domain.identity.jssdk import JsSdk
from domain.identity.lockout import Lockout
from domain.identity.password_login import PasswordLogin
from domain.identity.passwords import Hasher
from domain.identity.policy import LoginPolicy
from domain.identity.proofs import Proofs
from domain.identity.qr_login import QrLogin
from domain.identity.services import Identity
from domain.identity.sessions import SessionService
from domain.identity.sms_codes import SmsCodes
from domain.identity.step_up import StepUp
from domain.identity.surroundings import Surroundings
from domain.identity.tickets import Tickets
from domain.identity.totp import Totp
from domain.identity.wechat_login import OfficialAccount, WeChatLogin
from domain.identity.wechat_messages import WeChatMessages
from domain.passes.services import Passes
from domain.rules import RuleBook
from server.config import Env, Settings
from server.ground import Ground
from server.neighbours import Neighbours
from storage.grants import GrantStore
from storage.identity import (
    AccountStore,
    AttemptStore,
    DeviceStore,
    LoginSweep,
    SessionStore,
    TryStore,
)
from storage.people import PeopleStore


class _Stores(NamedTuple):
    accounts: AccountStore
    attempts: AttemptStore
    grants: GrantStore
    roster: PeopleStore


def build_identity(
    ground: Ground,
    neighbours: Neighbours,
    rules: RuleBook,
    passes: Passes,
    *,
    granting: GrantService,
    glasses: Glasses,
) -> Identity:
    """Construct the login.

    Args:
        ground: What services stand on.
        neighbours: WeChat and the text message provider.
        rules: Say how long a code on paper holds.
        passes: Signs codes.
        granting: Keeps the hub administered.
        glasses: Knows open break-glass windows.
    """
    db, vault, origin = ground.db, ground.vault, ground.settings.origin
    stores = _Stores(AccountStore(db), AttemptStore(db), GrantStore(db), PeopleStore(db))
    accounts, attempts, grants, roster = stores
    around = Surroundings(
        bus=ground.bus,
        audit=ground.audit,
        clock=ground.clock,
        new_id=ground.new_id,
        policy=login_policy(ground.settings),
    )
    devices = Devices(DeviceStore(db), around)
    identities = Identities(accounts, roster, grants, glasses, around.policy)
    sessions = SessionService(SessionStore(db), devices, identities, around)
    courier = Courier(neighbours.sms)
    proofs = _proofs(ground, stores, courier, around)
    states = AccountService(accounts, sessions, granting, proofs.lockout, around)
    admission = Admission(accounts, grants, sessions, proofs, around)
    qr = QrLogin(attempts, accounts, admission, around, keys=passes.keys, links=passes.links)
    official = official_account(ground)
    binding = Binding(
        roster,
        accounts,
        states,
        sessions,
        admission=admission,
        proofs=proofs,
        vault=vault,
        around=around,
    )
    credentials = Credentials(
        states, roster, admission, sessions, grants, courier=courier, vault=vault, around=around
    )
    return Identity(
        accounts=states,
        admission=admission,
        bind_codes=BindCodes(credentials, passes.keys, rules, around),
        binding=binding,
        courier=courier,
        credentials=credentials,
        devices=devices,
        first_admin=FirstAdmin(
            roster,
            accounts,
            granting,
            grants,
            hasher=proofs.hasher,
            totp=proofs.totp,
            around=around,
        ),
        hasher=proofs.hasher,
        jssdk=JsSdk(neighbours.wechat, official, clock=ground.clock),
        messages=WeChatMessages(accounts, qr, vault, around, origin=origin),
        official=official,
        password_login=PasswordLogin(accounts, admission, proofs, states, around),
        policy=around.policy,
        qr=qr,
        sessions=sessions,
        step_up=StepUp(states, sessions, admission, proofs, vault, around),
        sweep=LoginSweep(db, ground.clock),
        wechat_login=WeChatLogin(
            attempts,
            accounts,
            admission,
            proofs.tickets,
            wechat=neighbours.wechat,
            official=official,
            vault=vault,
            around=around,
        ),
    )


def login_policy(settings: Settings) -> LoginPolicy:
    """Answer the limits of this installation."""
    return LoginPolicy(
        idle=timedelta(seconds=settings.session.idle),
        absolute=timedelta(seconds=settings.session.absolute),
        per_account=settings.session.per_account,
    )


def make_hasher(settings: Settings) -> Hasher:
    """Answer what hashes passwords: as argon2's authors advise, or light where tests log in."""
    if settings.env is Env.TEST:
        return Hasher(hasher=PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    return Hasher()


def official_account(ground: Ground) -> OfficialAccount:
    """Answer what the hub is to WeChat."""
    settings, keys = ground.settings, ground.keys
    return OfficialAccount(
        app_id=settings.wechat.app_id,
        open_url=settings.wechat.open_url.rstrip("/"),
        origin=settings.origin,
        messages=lambda: keys.accepted("wechat_messages"),
    )


def _proofs(ground: Ground, stores: _Stores, courier: Courier, around: Surroundings) -> Proofs:
    lockout = Lockout(TryStore(ground.db), around)
    return Proofs(
        codes=SmsCodes(stores.attempts, ground.vault, lockout, ground.limiter, courier, around),
        hasher=make_hasher(ground.settings),
        lockout=lockout,
        tickets=Tickets(stores.attempts, around),
        totp=Totp(stores.accounts, ground.vault, clock=ground.clock),
    )
