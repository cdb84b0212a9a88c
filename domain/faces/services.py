"""The use cases of faces in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.faces.assessments import AssessmentDesk
from domain.faces.enrolment import Enrolment
from domain.faces.gate import FaceGate
from domain.faces.module import FaceModule
from domain.faces.verification import Verification


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Everything a handler may ask about faces."""

    assessments: AssessmentDesk
    enrolment: Enrolment
    gate: FaceGate
    module: FaceModule
    verification: Verification
