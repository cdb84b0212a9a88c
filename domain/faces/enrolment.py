"""Enrolment: three to five pictures become a sealed template, and are forgotten.

Whoever enrols has agreed, and has just proved by another way who they are (the endpoint demands
it). Pictures that do not agree with each other are refused; a face that is too near to somebody
else's is held until a person has looked at both in the flesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.approvals import require_decider
from domain.clock import Clock, NewId
from domain.errors import Conflict, Forbidden, Invalid, NotFound
from domain.faces.engine import Comparer, FaceEngine, Look, Want
from domain.faces.galleries import Galleries
from domain.faces.limits import FaceRules, Limits
from domain.faces.matching import Vector, spread, vector
from domain.faces.module import FaceModule, Standing
from domain.faces.refusals import flawed
from domain.faces.templates import (
    End,
    FaceDeleted,
    FaceEnrolled,
    FaceStore,
    Template,
    TemplateState,
    Tombstone,
)
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus


class Status(NamedTuple):
    """How somebody stands with the module.

    Attributes:
        template: Theirs, or ``None``.
        outdated: Another engine has come since; they have to enrol anew.
        vendor: There is a vendor who could compare.
    """

    standing: Standing
    template: Template | None
    outdated: bool
    vendor: bool
    limits: Limits


class EnrolmentPorts(NamedTuple):
    """What enrolment needs."""

    engine: FaceEngine
    comparer: Comparer | None
    store: FaceStore
    galleries: Galleries
    module: FaceModule
    rules: FaceRules


class Enrolment:
    """Makes templates, and deletes them."""

    def __init__(
        self,
        ports: EnrolmentPorts,
        *,
        consent_version: str,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._ports = ports
        self._store, self._module = ports.store, ports.module
        self._consent_version = consent_version
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def status(self, *, by: Person) -> Status:
        """Answer how somebody stands."""
        template = await self._store.get(by.id)
        outdated = template is not None and template.model != self._ports.engine.model
        return Status(
            await self._module.standing(),
            template,
            outdated,
            self._ports.comparer is not None,
            await self._ports.rules.now(),
        )

    async def enrol(self, pictures: Sequence[str], *, by: Person) -> Template:
        """Make a template of pictures (base64), in place of an earlier one.

        Raises:
            Forbidden: The module is off, or the person has not agreed (``consent_required``).
            Invalid: There are too few or too many, one is not fit (``field`` says which), or they
                show different faces (``faces_differ``).
            TypeRefused: One is no picture; ``Malformed``, ``TooLarge`` alike.
            Conflict: Somebody else enrolled the same person at this moment.
            UpstreamDown: The engine is busy.
        """
        await self._module.require_for(by.id)
        limits = await self._ports.rules.now()
        if not limits.samples_min <= len(pictures) <= limits.samples_max:
            raise Invalid(
                f"请提供 {limits.samples_min} 至 {limits.samples_max} 张照片", field="pictures"
            )
        vendor = self._ports.comparer is not None and await self._module.vendor_for(by.id)
        looks = await self._ports.engine.look(
            pictures, want=Want.ALL, gates=limits.gates, chips=vendor
        )
        for at, look in enumerate(looks):
            if look.flaw is not None:
                raise flawed(look.flaw, f"pictures.{at}")
        vectors = [vector(look.vector) for look in looks]
        if spread(vectors) > limits.spread:
            raise Invalid("几张照片差别过大，请本人在相近光线下重新拍摄", code="faces_differ",
                          field="pictures")  # fmt: skip
        template = await self._keep(by.id, looks, vectors, limits, vendor=vendor)
        if not await self._may_keep(by.id):
            # Not as withdrawn: perhaps the module was switched off, and the consent stands.
            await self._end(by.id, End.DELETED)
            await self._module.require_for(by.id)
        if vendor and not await self._module.vendor_for(by.id):
            await self.vendor_withdrawn(by.id)
        await self._tell(template)
        return template

    async def delete(self, *, by: Person) -> None:
        """Delete one's own template; the consent stands until it is withdrawn."""
        await self._end(by.id, End.DELETED)

    async def withdrawn(self, person_id: str) -> None:
        """Delete the template of somebody who has withdrawn the consent."""
        await self._end(person_id, End.WITHDRAWN)

    async def vendor_withdrawn(self, person_id: str) -> None:
        """Forget the picture that a vendor would compare with."""
        template = await self._store.get(person_id)
        if template is None or not template.reference:
            return
        if not await self._store.put(template.model_copy(update={"reference": b""})):
            raise Conflict("人脸模板刚被变更，请重试")

    async def held(self, *, by: Person) -> Sequence[Template]:
        """Answer the templates that wait for somebody to look at the people themselves.

        Raises:
            Forbidden: The person may not.
        """
        by.require(Permission.PRIVACY_HANDLE)
        return await self._store.held()

    async def decide(self, person_id: str, *, theirs: bool, reason: str, by: Person) -> None:
        """Say that a held template is the person's own, or delete it.

        Raises:
            Forbidden: The person may only look, or it is their own.
            NotFound: Nothing is held of that person.
            Conflict: Somebody else was faster.
        """
        require_decider(by, Permission.PRIVACY_HANDLE)
        if person_id == by.id:
            raise Forbidden("不能处理本人的登记", detail={"reason": "own_case"})
        template = await self._store.get(person_id)
        if template is None or template.state is not TemplateState.HELD:
            raise NotFound
        if not theirs:
            await self._end(person_id, End.REFUSED)
        else:
            active = template.model_copy(update={"state": TemplateState.ACTIVE, "twins": ()})
            if not await self._store.put(active):
                raise Conflict("刚被他人处理，请刷新")
            await self._tell(active)
        detail = {"person": person_id, "theirs": theirs, "reason": reason}
        await self._audit.record("face.decide", by=by.id, obj=f"person:{person_id}", detail=detail)

    async def sweep(self) -> int:
        """Delete what is over: expired, of a former engine, of accounts that ended. A job."""
        if not self._module.installed:
            # Nobody can tell which engine is the former one.
            return 0
        gone = await self._store.over(self._clock(), self._ports.engine.model)
        for person_id, reason in gone:
            await self._end(person_id, reason)
        return len(gone)

    async def refresh(self) -> None:
        """Bring what this process holds open in step with the store. A job, in each process."""
        if (await self._module.standing()).on:
            await self._ports.galleries.refresh()
        else:
            self._ports.galleries.forget()

    async def _keep(
        self,
        person_id: str,
        looks: Sequence[Look],
        vectors: Sequence[Vector],
        limits: Limits,
        *,
        vendor: bool,
    ) -> Template:
        gallery = await self._ports.galleries.current()
        twins = gallery.twins(
            person_id,
            vectors,
            distance=limits.twin_distance,
            norm=limits.twin_norm,
            cohort=limits.cohort,
        )
        now: datetime = self._clock()
        was = await self._store.get(person_id)
        bare = Template(
            person_id=person_id,
            state=TemplateState.HELD if twins else TemplateState.ACTIVE,
            model=self._ports.engine.model,
            samples=(),
            consent=self._consent_version,
            twins=tuple(twins),
            made_at=now,
            until=limits.until(now),
            v=was.v if was else 0,
        )
        sharpest = max(looks, key=lambda look: look.sharpness)
        sealed = self._ports.galleries.seal(
            bare, [look.vector for look in looks], sharpest.chip if vendor else b""
        )
        if not await self._store.put(sealed):
            raise Conflict("刚刚已在另一处登记，请刷新后重试")
        await self._audit.record(
            "face.enrol",
            by=person_id,
            obj=f"person:{person_id}",
            detail={
                "state": sealed.state.value, "samples": len(looks), "model": sealed.model,
                "consent": sealed.consent, "replaced": was is not None,
            },
        )  # fmt: skip
        return sealed

    async def _may_keep(self, person_id: str) -> bool:
        """Tell whether the consent still stands: it may have been withdrawn in the meantime."""
        try:
            await self._module.require_for(person_id)
        except Forbidden:
            return False
        return True

    async def _tell(self, template: Template) -> None:
        event = FaceEnrolled(
            id=self._new_id(), v=template.v + 1, at=self._clock(), state=template.state
        )
        await self._bus.publish(f"user:#{template.person_id}", event)
        await self._ports.galleries.refresh()

    async def _end(self, person_id: str, reason: End) -> None:
        stone = Tombstone(person_id, self._clock(), reason)
        if not await self._store.delete(stone):
            return
        await self._ports.galleries.refresh()
        await self._audit.record(
            "face.delete",
            by=person_id if reason in {End.DELETED, End.WITHDRAWN} else "system",
            obj=f"person:{person_id}",
            detail={"reason": reason.value},
        )
        event = FaceDeleted(id=self._new_id(), at=self._clock(), reason=reason)
        await self._bus.publish(f"user:#{person_id}", event)
