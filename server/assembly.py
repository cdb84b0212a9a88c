"""Settings → hub: every service is constructed here, in order, in plain code."""

from __future__ import annotations

import functools
from contextlib import AsyncExitStack
from dataclasses import dataclass

import orjson

from domain.breakglass import BreakGlassService
from domain.clock import Clock, NewId, new_ulid, system_clock
from domain.device_tokens import Admittance
from domain.dictionaries import DictionaryService
from domain.faces.module import FLAG as FACE
from domain.grants import GrantService
from domain.privacy import PersonalData
from domain.rules import RuleBook
from domain.rules_defaults import shipped_rules
from domain.services import Services
from domain.todo import TodoService
from domain.uploads import FileService
from handlers.base import Web
from handlers.csrf import Csrf
from handlers.limits import Limits, Rate
from handlers.paging import Cursors
from handlers.routing import Routes
from server import asyncapi, front, jobs, pages, upkeep
from server import health as health_routes
from server.access import watch
from server.administration import Books, build_administration
from server.application import ROUTES, audit
from server.checkins import build_checkins, build_passes
from server.codes import build_codes
from server.config import Env, Settings
from server.duty import build_duty
from server.faces import Beside, assessment_desk, build_faces, face_store
from server.ground import Ground, lay
from server.hall import (
    build_attendance,
    build_device_tokens,
    build_hall,
    build_leave,
    build_seats,
    build_speech,
    hall_data,
)
from server.health import Health
from server.house import build_house
from server.identity import build_identity
from server.ladder import build_ladder
from server.logs import AccessLog
from server.meetings import build_meetings
from server.neighbours import Neighbours, reach
from server.notices import build_notices, start_notices
from server.openapi import document
from server.realtime import Realtime, build_realtime, probe, realtime_service
from server.supervise import Supervisor
from server.throttle import Throttle
from server.travel import TravelClock
from server.upkeep import blob_store
from server.web import HubApplication, RequestIds, reply_headers
from storage.breakglass import GlassStore
from storage.client import Database
from storage.dictionaries import DictionaryStore
from storage.files import FileStore
from storage.grants import GrantStore, ScopeStore
from storage.idempotency import IdempotencyRows
from storage.inspection import FileInspector
from storage.ladder.consents import ConsentStock
from storage.meetings.personal import ParticipantData
from storage.notices.personal import ReceiptData
from storage.personal_checkins import DoorData
from storage.personal_duty import DutyData
from storage.personal_faces import FaceData
from storage.personal_office import FileData, GlassData, GrantData
from storage.rules import RuleStore


@dataclass(frozen=True, kw_only=True)
class Hub:
    """One process, put together and not yet listening."""

    settings: Settings
    application: HubApplication
    services: Services
    web: Web
    health: Health
    ground: Ground
    realtime: Realtime

    @property
    def db(self) -> Database:
        """The database."""
        return self.ground.db

    @property
    def supervisor(self) -> Supervisor:
        """Runs the background tasks."""
        return self.ground.supervisor


async def assemble(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    clock: Clock = system_clock,
    new_id: NewId = new_ulid,
) -> Hub:
    """Put a hub together; leaving ``stack`` takes it apart in reverse order.

    Raises:
        EmbeddedInUse: Another hub uses the data directory.
        Undeclared: An endpoint says nothing about who may call it.
    """
    travel = TravelClock(clock) if settings.env is Env.TEST else None
    ground = await lay(settings, stack, clock=travel or clock, new_id=new_id)
    inspector = FileInspector()
    stack.callback(inspector.close)
    services = build(ground, reach(ground, stack), inspector)
    await services.administration.integrations.refresh()
    ground.supervisor.supervise("courier", services.identity.courier.run)
    stack.callback(services.identity.hasher.close)
    health = Health(ground.supervisor)
    health.probes["mongodb"] = ground.db.ping
    web = make_web(ground, travel)
    log = AccessLog() if settings.log.access else None
    realtime = await build_realtime(ground, services, stack)
    health.probes["broker"] = functools.partial(probe, realtime.hub)
    health.warnings["outbox"] = realtime.warning
    routes = make_routes(ground, health, realtime)
    application = HubApplication(routes, services, web, watch(ground.metrics, log))
    ground.supervisor.supervise("bus", ground.bus.deliver)
    start_notices(ground, services.notices)
    ground.supervisor.supervise("loop lag", ground.metrics.watch_loop)
    jobs.Jobs(ground.leases, ground.metrics).start(
        ground.supervisor, (*jobs.rows(services), *upkeep.rows(ground))
    )
    return Hub(
        settings=settings,
        application=application,
        services=services,
        web=web,
        health=health,
        ground=ground,
        realtime=realtime,
    )


def make_routes(ground: Ground, health: Health, realtime: Realtime) -> Routes:
    """Answer every address of the hub.

    Raises:
        Undeclared: An endpoint says nothing about who may call it.
        ValueError: Two routes claim the same address.
    """
    settings = ground.settings
    api = (*health_routes.routes(health, ground.metrics, settings.metrics_key), *ROUTES)
    apps = front.Front.read(settings)
    # Made when somebody asks: it takes longer than all the rest of the start.
    made = pages.make_pages(
        settings,
        apps=apps.built,
        openapi=functools.cache(lambda: orjson.dumps(document(api))),
        asyncapi=functools.cache(lambda: orjson.dumps(asyncapi.document())),
    )
    declared = (*api, *pages.routes(made), *front.routes(apps))
    audit(declared)
    return Routes((*declared, *realtime.routes))


def build(
    ground: Ground, neighbours: Neighbours, inspector: FileInspector | None = None
) -> Services:
    """Construct every service: one call for each, dependencies first.

    Whoever lets files in gives the ``inspector`` and closes it.
    """
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    grant_rows = GrantStore(db)
    grants = GrantService(
        grant_rows, ScopeStore(db), bus=bus, audit=audit, clock=clock, new_id=new_id
    )
    break_glass = BreakGlassService(
        GlassStore(db), grant_rows, bus=bus, audit=audit, clock=clock, new_id=new_id
    )
    rules = RuleBook(RuleStore(db), clock=clock, shipped=shipped_rules())
    passes = build_passes(ground, rules)
    identity = build_identity(
        ground, neighbours, rules, passes, granting=grants, glasses=break_glass
    )
    faces, assessments = face_store(ground), assessment_desk(ground)
    keepers: tuple[PersonalData, ...] = (
        GrantData(db, grants),
        GlassData(db),
        FileData(db),
        ReceiptData(db),
        ParticipantData(db),
        DoorData(db),
        DutyData(db),
        FaceData(db, faces, clock=clock),
        *hall_data(ground),
        ConsentStock(db),
    )
    lists = DictionaryService(DictionaryStore(db), rules, audit=audit, clock=clock)
    house = build_house(
        ground, identity.accounts, rules, lists, archive=identity.policy.archive, keepers=keepers
    )
    blobs = blob_store(ground.settings, db, clock=clock)
    records = FileStore(db, blobs, clock)
    notices = build_notices(ground, rules, records)
    administration = build_administration(
        ground,
        identity,
        grants,
        break_glass,
        Books(rules, lists),
        guards={FACE: assessments.require},
    )
    hall = build_hall(ground, rules)
    meetings = build_meetings(
        ground, administration.rules, administration.deadlines, records, blobs, hall
    )
    ladder = build_ladder(ground, neighbours, rules, notices.board)
    files = FileService(
        records,
        blobs,
        inspector or FileInspector(),
        clock=clock,
        new_id=new_id,
        keepers={"notice": notices.reading, "paper": meetings.papers, "archive": meetings.archive},
    )
    device_tokens = build_device_tokens(ground)
    leave = build_leave(ground)
    duty = build_duty(ground, lists)
    todo = TodoService(
        (
            house.profile,
            house.consents,
            house.erasure,
            notices.reading,
            leave,
            meetings.opinions,
            duty.desk,
        )
    )
    attendance = build_attendance(ground, rules, hall)
    seats = build_seats(ground)
    checkins = build_checkins(ground, rules, passes, attendance)
    beside = Beside(identity, house, administration.flags, passes, checkins, rules)
    return Services(
        administration=administration,
        attendance=attendance,
        checkins=checkins,
        codes=build_codes(ground, passes, identity, meetings, seats),
        device_tokens=device_tokens,
        duty=duty,
        faces=build_faces(ground, neighbours, assessments, faces, beside),
        files=files,
        hall=hall,
        house=house,
        identity=identity,
        leave=leave,
        meetings=meetings,
        ladder=ladder,
        notices=notices,
        passes=passes,
        realtime=realtime_service(ground),
        seats=seats,
        sessions=Admittance(identity.sessions, device_tokens),
        speech=build_speech(ground, rules, hall),
        todo=todo,
    )


def make_web(ground: Ground, travel: TravelClock | None) -> Web:
    """Answer what endpoints need beside the use cases."""
    settings = ground.settings
    rates = {kind: Rate(limit, 60.0) for kind, limit in settings.limit.model_dump().items()}
    return Web(
        clock=ground.clock,
        new_id=ground.new_id,
        cursors=Cursors(ground.key),
        csrf=Csrf(ground.key, public_url=settings.origin),
        idempotency=IdempotencyRows(ground.db, ground.clock),
        limits=Limits(Throttle(), rates),
        headers=reply_headers(secure=settings.secure),
        request_id=RequestIds(),
        secure=settings.secure,
        travel=travel.travel if travel else None,
    )
