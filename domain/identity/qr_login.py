"""Logging in at a PC by scanning: the phone vouches for the screen.

``created → scanned → confirmed → handed``, or ``refused``; over after two minutes. The address in
the code is worth nothing to who films the screen: the session goes only to the browser that holds
the secret of the poll, once, and only the person who scanned may confirm.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from domain.errors import BadState, Conflict, Forbidden, NotFound
from domain.identity.account import AccountStore
from domain.identity.admission import Admission, NextStep
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.devices import DeviceSeen, device_name
from domain.identity.sessions import Opened
from domain.identity.surroundings import Surroundings
from domain.identity.tokens import fingerprint
from domain.passes.code import Login
from domain.passes.keys import KeyBook
from domain.passes.links import Links
from domain.people import AccountState, Person

KIND = "qr"


class QrCode(NamedTuple):
    """A fresh code: ``url`` is what it shows, our address with the signed code in it.

    ``secret`` is for the browser that polls.
    """

    attempt: Attempt
    url: str
    secret: str


class Polled(NamedTuple):
    """What the PC sees: the state, and the way in when it has just been handed over."""

    state: str
    outcome: Opened | NextStep | None = None


class QrLogin:
    """Lets a phone vouch for a PC."""

    def __init__(
        self,
        store: AttemptStore,
        accounts: AccountStore,
        admission: Admission,
        around: Surroundings,
        *,
        keys: KeyBook,
        links: Links,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._admission = admission
        self._around = around
        self._keys = keys
        self._links = links

    async def create(self, *, device: DeviceSeen) -> QrCode:
        """Answer a fresh code for a browser."""
        at, secret = self._around.clock(), self._around.make_token()
        attempt = Attempt(
            id=self._around.new_id(),
            kind=KIND,
            state="created",
            data={"secret_h": fingerprint(secret), "device": device_name(device.user_agent)},
            created_at=at,
            until=at + self._around.policy.qr,
        )
        await self._store.add(attempt)
        code = await self._keys.sign(Login(attempt.id, attempt.until))
        return QrCode(attempt, self._links.to(code), secret)

    async def look(self, attempt_id: str) -> Attempt | None:
        """Answer a code that is not over, and change nothing; ``None`` if it is."""
        return await self._store.get(KIND, attempt_id, at=self._around.clock())

    async def poll(self, attempt_id: str, secret: str, *, device: DeviceSeen) -> Polled:
        """Answer how things stand; the first poll after the confirmation is let in.

        Raises:
            NotFound: There is no such code, or the secret is another's.
        """
        at = self._around.clock()
        found = await self._store.get(KIND, attempt_id, at=at)
        if found is None:
            return Polled("expired")
        if not hmac.compare_digest(found.data["secret_h"], fingerprint(secret)):
            raise NotFound
        if found.state != "confirmed":
            return Polled(found.state)
        if await self._store.move(KIND, found.id, at=at, was="confirmed", to="handed") is None:
            return Polled("handed")
        account = await self._accounts.get(found.person_id)
        if account is None:
            raise NotFound
        outcome = await self._admission.enter(account, method="qr", device=device)
        return Polled("handed", outcome)

    async def scan(self, attempt_id: str, *, by: Person) -> Attempt:
        """Note who scanned; ``data.device`` says which kind of PC asks. Twice is harmless.

        Raises:
            NotFound: The code is over, or never was.
            Conflict: Somebody else scanned it first.
        """
        return await self.scan_as(attempt_id, by.id)

    async def scan_as(self, attempt_id: str, person_id: str) -> Attempt:
        """Note who scanned, where WeChat's server tells us and nobody is signed in."""
        at = self._around.clock()
        moved = await self._store.move(
            KIND, attempt_id, at=at, was="created", to="scanned", person_id=person_id
        )
        return moved or await self._scanned_by(attempt_id, person_id)

    async def confirm(self, attempt_id: str, *, by: Person) -> Attempt:
        """Let the PC in.

        Raises:
            NotFound: The code is over, or never was.
            Conflict: Another account scanned it.
            BadState: It was not scanned, or is decided already.
        """
        if by.state is not AccountState.ACTIVE:
            raise Forbidden(detail={"state": by.state.value})
        return await self._decide(attempt_id, "confirmed", by=by)

    async def refuse(self, attempt_id: str, *, by: Person) -> Attempt:
        """Keep the PC out.

        Raises:
            NotFound: The code is over, or never was.
            Conflict: Another account scanned it.
            BadState: It was not scanned, or is decided already.
        """
        return await self._decide(attempt_id, "refused", by=by)

    async def _decide(self, attempt_id: str, to: str, *, by: Person) -> Attempt:
        at = self._around.clock()
        found = await self._scanned_by(attempt_id, by.id)
        if found.state == to:
            return found
        moved = await self._store.move(KIND, attempt_id, at=at, was="scanned", to=to)
        if moved is None:
            raise BadState("该登录请求已处理", allowed=_AFTER.get(found.state, ()))
        await self._around.audit.record(
            f"qr_login.{to}",
            by=by.id,
            obj=f"person:{by.id}",
            detail={"device": found.data["device"]},
        )
        return moved

    async def _scanned_by(self, attempt_id: str, person_id: str) -> Attempt:
        found = await self._store.get(KIND, attempt_id, at=self._around.clock())
        if found is None:
            raise NotFound("二维码已失效，请刷新后重新扫描")
        if found.person_id and found.person_id != person_id:
            raise Conflict("该二维码已由其他人员扫描")
        return found


_AFTER = {"created": ("scanned",), "scanned": ("confirmed", "refused")}
