"""Whether faces may be used at all: the switch, the assessment, and the person's own consent."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from domain.errors import Forbidden
from domain.faces.assessments import AssessmentDesk
from domain.faces.refusals import consent_required

FLAG = "face"
PURPOSE, VENDOR_PURPOSE = "face", "face_vendor"


class Flags(Protocol):
    """Knows how the switches stand."""

    async def on(self, key: str) -> bool:
        """Tell whether a feature is on."""

    async def require(self, key: str) -> None:
        """Do nothing if a feature is on."""


class Consents(Protocol):
    """Knows what people have agreed to."""

    async def holds(self, person_id: str, purpose: str) -> bool:
        """Tell whether somebody's data may be used for a purpose now."""


class Standing(NamedTuple):
    """Whether faces may be used, and if not, why not: the code of the refusal."""

    on: bool
    reason: str = ""


class FaceModule:
    """Stands before everything that has to do with faces.

    Args:
        flags: The switches.
        desk: The impact assessments.
        consents: What people have agreed to.
        installed: This installation has an engine.
    """

    def __init__(
        self, flags: Flags, desk: AssessmentDesk, consents: Consents, *, installed: bool
    ) -> None:
        self._flags = flags
        self._desk = desk
        self._consents = consents
        self.installed = installed

    async def standing(self) -> Standing:
        """Answer whether faces may be used now."""
        if not self.installed:
            return Standing(on=False, reason="not_configured")
        try:
            await self.require()
        except Forbidden as refusal:
            return Standing(on=False, reason=refusal.code)
        return Standing(on=True)

    async def require(self) -> None:
        """Do nothing if faces may be used now; who has no engine is told when it is asked.

        Raises:
            Forbidden: They are switched off (``feature_off``), or the last assessment is over
                (``assessment_required``).
        """
        await self._flags.require(FLAG)
        await self._desk.require()

    async def require_for(self, person_id: str) -> None:
        """Do nothing if this person's face may be used now.

        Raises:
            Forbidden: As ``require``; or they have not agreed (``consent_required``).
        """
        await self.require()
        if not await self._consents.holds(person_id, PURPOSE):
            raise consent_required()

    async def vendor_for(self, person_id: str) -> bool:
        """Tell whether somebody has agreed that a vendor compares their face."""
        return await self._consents.holds(person_id, VENDOR_PURPOSE)
