"""Faces: one's own template, and being recognised; ``/api/v1/me/face``, ``/api/v1/face``.

Pictures are JPEG, PNG or WebP in base64, as ``canvas`` and WeChat's JS-SDK give them; nothing of
them is kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from domain.faces.challenges import Challenge, Purpose
from domain.faces.enrolment import Status
from domain.faces.liveness import MOST_FRAMES, Step
from domain.faces.module import PURPOSE, VENDOR_PURPOSE
from domain.faces.templates import TemplateState
from handlers.base import ApiHandler
from handlers.entry import EntryHandler, EntryView
from handlers.operation import PUBLIC, SELF_SERVICE_WHEN_SUSPENDED, operation
from handlers.routing import route
from handlers.text import Draft, Line, Token

_ENROLMENT = 16 * 1024 * 1024
"""Bytes of a request with photographs, as phones take them."""

BURST = 6 * 1024 * 1024
"""Bytes of a request with frames of a camera, which are small."""

Picture = Annotated[str, StringConstraints(min_length=1, max_length=14_100_000)]
"""A picture in base64, with or without ``data:image/…;base64,`` before it; 10 MB at most."""


class FaceConsentView(BaseModel):
    """What has to be agreed to first; the decision is made at ``/me/consents/{purpose}``."""

    purpose: str
    title: str
    text: str
    version: str
    given: bool


class FaceView(BaseModel):
    """How one stands with face recognition.

    Attributes:
        available: It can be used now; else ``reason`` says why not: ``feature_off``,
            ``assessment_required`` or ``not_configured``.
        state: ``held`` waits for a person, because somebody else looks much the same.
        outdated: The engine has changed since: enrol anew.
        vendor: The separate consent to a comparison at a vendor's, where there is one.
    """

    available: bool
    reason: str
    state: TemplateState
    outdated: bool
    consent: FaceConsentView
    vendor: FaceConsentView | None
    enrolled_at: datetime | None
    expires_at: datetime | None
    samples: int
    samples_min: int
    samples_max: int


class PicturesDraft(Draft):
    """Pictures of one's own face, each of another moment."""

    pictures: Annotated[tuple[Picture, ...], Field(min_length=1, max_length=10)]


class ChallengeView(BaseModel):
    """What to do in front of the camera, in this order, until when; ``id`` is told once.

    Left and right are the person's own. The frames go to ``/face/verify`` in the order in which
    they were taken.
    """

    id: str
    purpose: Purpose
    steps: list[Step]
    until: datetime
    frames_min: int
    frames_max: int

    @classmethod
    def of(cls, challenge: Challenge, *, frames: int) -> Self:
        """Show a challenge."""
        return cls(
            id=challenge.secret,
            purpose=challenge.purpose,
            steps=list(challenge.steps),
            until=challenge.until,
            frames_min=frames,
            frames_max=MOST_FRAMES,
        )


class StepUpDraft(Draft):
    """What the challenge is for; a login begins at ``/session/face``."""

    purpose: Purpose = Purpose.STEP_UP

    @model_validator(mode="after")
    def _logged_in(self) -> Self:
        if self.purpose is not Purpose.STEP_UP:
            raise ValueError("登录请从 /api/v1/session/face 开始")
        return self


class ClaimDraft(Draft):
    """Who one says one is: a login name, or the code of one's phone or badge."""

    username: Line = ""
    code: Annotated[str, StringConstraints(max_length=512)] = ""


class FramesDraft(Draft):
    """The answer to a challenge."""

    challenge: Token
    frames: Annotated[tuple[Picture, ...], Field(min_length=1, max_length=MOST_FRAMES)]


class VerifiedView(BaseModel):
    """One was recognised: ``until`` when the step-up counts, or the login as it goes on."""

    passed: bool = True
    purpose: Purpose
    until: datetime | None = None
    entry: EntryView | None = None


class MyFaceHandler(ApiHandler):
    """``/api/v1/me/face``."""

    max_body = _ENROLMENT

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> FaceView:
        """Show how one stands with face recognition."""
        return await self._view()

    @operation(SELF_SERVICE_WHEN_SUSPENDED, step_up=True, rate="face")
    async def put(self, body: PicturesDraft) -> FaceView:
        """Enrol, in place of what there was: pictures become a sealed template."""
        await self.services.faces.enrolment.enrol(body.pictures, by=self.user)
        return await self._view()

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self) -> None:
        """Delete one's template everywhere; there may be none."""
        await self.services.faces.enrolment.delete(by=self.user)

    async def _view(self) -> FaceView:
        status = await self.services.faces.enrolment.status(by=self.user)
        consents = await self._consents()
        return _shown(status, consents)

    async def _consents(self) -> dict[str, FaceConsentView]:
        overview = await self.services.house.consents.overview(by=self.user)
        return {
            purpose.key: FaceConsentView(
                purpose=purpose.key,
                title=purpose.title,
                text=purpose.text,
                version=purpose.version,
                given=consent is not None and consent.decision.value == "given",
            )
            for purpose, consent in overview
            if purpose.key in {PURPOSE, VENDOR_PURPOSE}
        }


class ChallengesHandler(ApiHandler):
    """``/api/v1/face/challenges``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, status=201, idempotent=False, rate="face")
    async def post(self, body: StepUpDraft) -> ChallengeView:
        """Begin to prove by one's face who one is; ``POST /face/verify`` ends it."""
        verification = self.services.faces.verification
        challenge = await verification.challenge(by=self.user)
        return ChallengeView.of(challenge, frames=await verification.frames())


class SessionFaceHandler(ApiHandler):
    """``/api/v1/session/face``."""

    @operation(PUBLIC, status=201, rate="face")
    async def post(self, body: ClaimDraft) -> ChallengeView:
        """Begin a login by face, having said who one is; nobody is told who has enrolled."""
        verification = self.services.faces.verification
        challenge = await verification.begin(name=body.username, code=body.code)
        return ChallengeView.of(challenge, frames=await verification.frames())


class VerifyHandler(EntryHandler):
    """``/api/v1/face/verify``."""

    max_body = BURST

    @operation(PUBLIC, rate="face")
    async def post(self, body: FramesDraft) -> VerifiedView:
        """Answer a challenge with what the camera saw.

        Refusals name the tries that are left and the other ways; the third in a row is
        ``face_locked``.
        """
        done = await self.services.faces.verification.verify(
            body.challenge, body.frames, device=self.device()
        )
        entry = await self.welcome(done.entry) if done.entry is not None else None
        return VerifiedView(purpose=done.purpose, until=done.until, entry=entry)


def _shown(status: Status, consents: dict[str, FaceConsentView]) -> FaceView:
    template, limits = status.template, status.limits
    return FaceView(
        available=status.standing.on,
        reason=status.standing.reason,
        state=template.state if template else TemplateState.NONE,
        outdated=status.outdated,
        consent=consents[PURPOSE],
        vendor=consents.get(VENDOR_PURPOSE) if status.vendor else None,
        enrolled_at=template.made_at if template else None,
        expires_at=template.until if template else None,
        samples=len(template.samples) if template else 0,
        samples_min=limits.samples_min,
        samples_max=limits.samples_max,
    )


ROUTES = [
    route(r"/api/v1/face/challenges", ChallengesHandler),
    route(r"/api/v1/face/verify", VerifyHandler),
    route(r"/api/v1/me/face", MyFaceHandler),
    route(r"/api/v1/session/face", SessionFaceHandler),
]
