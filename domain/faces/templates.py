"""What is kept of a face: sealed vectors, never a picture; one document for each person.

::

    none ──▶ active ──▶ deleted (withdrawn, by the person, expired, the account over)
      └───▶ held ──▶ active | deleted        somebody else's face is too near: a person decides

Whatever ends a template leaves a tombstone, so that no backup brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from domain.events import Event


class TemplateState(StrEnum):
    """States of a template; ``none`` is the absence of one."""

    NONE = "none"
    ACTIVE = "active"
    HELD = "held"


class Template(BaseModel):
    """What is kept of somebody's face.

    Attributes:
        model: The engine's; vectors of another cannot be compared, and expire with it.
        samples: Vectors, each sealed for this person, model and place.
        reference: The face alone as a picture, sealed; only for who has agreed to a vendor.
        consent: Version of the text that was agreed to.
        twins: Whose faces are too near, while it is held.
        v: Version; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    person_id: str
    state: TemplateState
    model: str
    samples: tuple[bytes, ...] = Field(repr=False)
    reference: bytes = Field(default=b"", repr=False)
    consent: str
    twins: tuple[str, ...] = ()
    made_at: datetime
    until: datetime
    v: int = 0

    @property
    def sample_contexts(self) -> list[str]:
        """What each sample is sealed for: this person, this model, its place."""
        whose = f"face.sample:{self.person_id}|{self.model}"
        return [f"{whose}|{place}" for place in range(len(self.samples))]

    @property
    def reference_context(self) -> str:
        """What the reference is sealed for."""
        return f"face.reference:{self.person_id}"


class End(StrEnum):
    """Why a template was deleted."""

    WITHDRAWN = "withdrawn"
    """The consent was withdrawn."""
    DELETED = "deleted"
    """The person deleted it, and the consent stands."""
    REFUSED = "refused"
    """It was held, and a person found that it is not theirs."""
    EXPIRED = "expired"
    ENDED = "ended"
    """The account is over."""


class Tombstone(NamedTuple):
    """That a template was deleted; it outlives the template and every backup of it."""

    person_id: str
    at: datetime
    reason: End


class FaceStore(Protocol):
    """Keeps templates, one for each person."""

    async def get(self, person_id: str) -> Template | None:
        """Answer somebody's template, or ``None``."""

    async def many(self, person_ids: Sequence[str]) -> Sequence[Template]:
        """Answer the templates of people, of those who have one."""

    async def versions(self) -> Mapping[str, int]:
        """Answer who has a template that is active, with its version."""

    async def put(self, template: Template) -> bool:
        """Keep a template if ``template.v`` is the version that is kept; tell whether it was."""

    async def delete(self, stone: Tombstone) -> bool:
        """Set a tombstone, then delete the template; tell whether there was one."""

    async def mark(self) -> int:
        """Answer a number that grows with every change."""

    async def over(self, now: datetime, model: str) -> Sequence[tuple[str, End]]:
        """Answer whose template is to go: expired, of a former model, or the account is over."""

    async def held(self) -> Sequence[Template]:
        """Answer those that wait for a person's decision, the oldest first."""


class FaceEnrolled(Event):
    """The receiver can be recognised from now on; ``state`` is ``held`` until somebody decides."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["face.enrolled"] = "face.enrolled"
    state: TemplateState


class FaceDeleted(Event):
    """Nothing is kept of the receiver's face any more."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["face.deleted"] = "face.deleted"
    reason: End
