"""Puts faces together: the engine that looks, and everything that decides."""

from __future__ import annotations

from typing import NamedTuple

from domain.checkins.services import CheckIns
from domain.consents import PURPOSES
from domain.faces.assessments import AssessmentDesk
from domain.faces.challenges import Challenges
from domain.faces.enrolment import Enrolment, EnrolmentPorts
from domain.faces.galleries import Galleries
from domain.faces.gate import FaceGate, GatePorts
from domain.faces.limits import FaceRules
from domain.faces.module import PURPOSE, VENDOR_PURPOSE, FaceModule
from domain.faces.recogniser import Recogniser, RecogniserPorts
from domain.faces.services import Faces
from domain.faces.verification import Verification, VerificationPorts
from domain.flags import FlagService
from domain.house import House
from domain.identity.lockout import Lockout
from domain.identity.password_login import login_name
from domain.identity.services import Identity
from domain.identity.surroundings import Surroundings
from domain.passes.services import Passes
from domain.rules import RuleBook
from server.config import Settings
from server.ground import Ground
from server.neighbours import Neighbours
from storage.checkins.doors import DoorStore
from storage.faces.assessments import AssessmentStore
from storage.faces.attempts import FaceAttemptLog
from storage.faces.templates import FaceStore
from storage.hall import MeetingFacts
from storage.identity import AccountStore, AttemptStore, TryStore
from storage.passes.badges import BadgeStore
from storage.tombstones import NAME, Ledger
from storage.vault import KeyVault, key_from_file, parse_key


def face_vault(settings: Settings) -> KeyVault:
    """Answer what seals templates: under a key of its own, which opens nothing else."""
    said = settings.face.key.get_secret_value()
    key = parse_key(said) if said else key_from_file(settings.data_dir / "face.key")
    return KeyVault([key])


def face_store(ground: Ground) -> FaceStore:
    """Answer where templates are kept."""
    ledger = Ledger(ground.settings.data_dir / NAME)
    return FaceStore(ground.db, ledger, new_id=ground.new_id)


def assessment_desk(ground: Ground) -> AssessmentDesk:
    """Answer who takes impact assessments in."""
    return AssessmentDesk(
        AssessmentStore(ground.db), audit=ground.audit, clock=ground.clock, new_id=ground.new_id
    )


class Beside(NamedTuple):
    """What faces stand beside."""

    identity: Identity
    house: House
    flags: FlagService
    passes: Passes
    checkins: CheckIns
    rules: RuleBook


def build_faces(
    ground: Ground, neighbours: Neighbours, desk: AssessmentDesk, store: FaceStore, beside: Beside
) -> Faces:
    """Construct what recognises people, and have withdrawn consents delete what it keeps."""
    db, clock, new_id = ground.db, ground.clock, ground.new_id
    identity, house = beside.identity, beside.house
    engine, comparer = neighbours.face, neighbours.comparer
    attempts = AttemptStore(db)
    around = Surroundings(
        bus=ground.bus, audit=ground.audit, clock=clock, new_id=new_id, policy=identity.policy
    )
    module = FaceModule(beside.flags, desk, house.consents, installed=engine.installed)
    rules = FaceRules(beside.rules, clock=clock)
    galleries = Galleries(
        store, face_vault(ground.settings), model=lambda: engine.model, clock=clock
    )
    recogniser = Recogniser(
        RecogniserPorts(engine, comparer, store, galleries, module, FaceAttemptLog(db)),
        clock=clock,
        new_id=new_id,
    )
    enrolment = Enrolment(
        EnrolmentPorts(engine, comparer, store, galleries, module, rules),
        consent_version=next(it.version for it in PURPOSES if it.key == PURPOSE),
        bus=ground.bus,
        audit=ground.audit,
        clock=clock,
        new_id=new_id,
    )
    house.consents.on_withdraw(PURPOSE, enrolment.withdrawn)
    house.consents.on_withdraw(VENDOR_PURPOSE, enrolment.vendor_withdrawn)
    verification = VerificationPorts(
        recogniser=recogniser,
        store=store,
        module=module,
        rules=rules,
        challenges=Challenges(attempts, around),
        accounts=AccountStore(db),
        admission=identity.admission,
        sessions=identity.sessions,
        lockout=Lockout(TryStore(db), around),
        keys=beside.passes.keys,
        badges=BadgeStore(db),
    )
    gate = GatePorts(
        engine=engine,
        recogniser=recogniser,
        store=store,
        galleries=galleries,
        module=module,
        rules=rules,
        doors=beside.checkins.doors,
        meetings=MeetingFacts(db),
        people=DoorStore(db),
        attempts=attempts,
    )
    return Faces(
        assessments=desk,
        enrolment=enrolment,
        gate=FaceGate(gate, clock=clock, new_id=new_id),
        module=module,
        verification=Verification(verification, login_name=login_name, clock=clock),
    )
