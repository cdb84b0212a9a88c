"""The command line: ``python main.py <command>``; without a command it serves.

Everything an operator decides comes from ``HUB_*`` variables (``server.config``); options say the
same for one run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from server import logs
from server.config import Settings

app = typer.Typer(
    add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, help=__doc__
)

admin_app = typer.Typer(no_args_is_help=True, help="Administrators, made from outside.")
app.add_typer(admin_app, name="admin")

audit_app = typer.Typer(no_args_is_help=True, help="The record of who did what.")
app.add_typer(audit_app, name="audit")

realtime_app = typer.Typer(no_args_is_help=True, help="Who is connected to the running hub.")
app.add_typer(realtime_app, name="realtime")

outbox_app = typer.Typer(no_args_is_help=True, help="Announcements that nobody could send.")
app.add_typer(outbox_app, name="outbox")

Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Processes = Annotated[int | None, typer.Option(help="Worker processes; more than one needs Redis.")]
Profile = Annotated[
    str | None, typer.Option(help="Serve what an SDK's own suite expects: js, python or pycent.")
]
Worker = Annotated[bool, typer.Option(hidden=True)]
HubUrl = Annotated[str, typer.Option("--url", help="Where the hub is; else as HUB_HOST, HUB_PORT.")]
Out = Annotated[Path | None, typer.Option(help="File to write to.")]

T = TypeVar("T")


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """代表服务实时互动平台."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve(
    port: Port = None,
    processes: Processes = None,
    conformance: Profile = None,
    worker: Worker = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    if conformance is not None:
        serve_profile(conformance, port or 8000)
        return
    settings = settings_or_exit(port=port, processes=processes)
    logs.configure(level=settings.log.level, style=settings.log.format)
    run_or_exit(settings, worker=worker)


def serve_profile(profile: str, port: int) -> None:
    """Serve a conformance profile; there is none that production would start."""
    from server.conformance import PROFILES, run_conformance

    if profile not in PROFILES:
        leave(f"there is no conformance profile {profile}; there are {', '.join(sorted(PROFILES))}")
    settings = settings_or_exit(env="conformance", port=port)
    logs.configure(level=settings.log.level, style=settings.log.format)
    run_conformance(profile, settings.port)


@app.command()
def check() -> None:
    """Print the effective settings, secrets hidden, and ask every dependency."""
    from server import commands

    settings = settings_or_exit()
    for name, value in commands.effective(settings):
        print(f"{name} = {value}")
    probes = asyncio.run(commands.check(settings))
    for probe in probes:
        print(f"{'ok  ' if probe.good else 'FAIL'} {probe.name}: {probe.says}")
    raise typer.Exit(0 if all(probe.good for probe in probes) else 1)


@app.command()
def openapi(out: Out = None) -> None:
    """Print the OpenAPI document, or write it to a file."""
    from server import commands

    text = commands.openapi()
    if out is None:
        sys.stdout.buffer.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(text)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("data/demo"),
    size: Annotated[str, typer.Option(help="mini: 73 accounts; full: 1,000.")] = "mini",
) -> None:
    """Serve an invented congress, with stand-ins for WeChat and for people's phones."""
    from server.demo import run_demo

    if size not in {"mini", "full"}:
        leave(f"there is no size {size}; there are mini and full")
    logs.configure(level="warning", style="text")
    do(run_demo(port=port, data_dir=data, full=size == "full"))


@app.command()
def backup(dest: Path) -> None:
    """Write a backup in mongodump's layout to a directory that does not exist yet."""
    from server import commands

    print(do(commands.back_up(settings_or_exit(), dest)))


@app.command()
def restore(
    src: Path,
    verify: Annotated[bool, typer.Option(help="Check every file and document.")] = True,  # noqa: FBT002
    tombstones: Annotated[
        list[Path] | None,
        typer.Option(help="tombstones.jsonl of another host, or of the data that was lost."),
    ] = None,
) -> None:
    """Bring a backup into an empty database; what was deleted since stays deleted."""
    from server import commands

    back = do(
        commands.bring_back(
            settings_or_exit(), src, verify=verify, tombstones=tuple(tombstones or ())
        )
    )
    print(
        f"{back.documents} documents in {back.collections} collections and {back.blobs} files "
        f"are back; the audit chain is whole up to entry {back.audit.seq}"
    )
    print(f"{back.deleted} templates that had been deleted since are deleted again")


@app.command("import")
def import_(
    path: Annotated[
        Path, typer.Argument(help="Roster, .csv or .xlsx; the first row names columns.")
    ],
    apply: Annotated[bool, typer.Option(help="Write; without it only say what would be.")] = False,  # noqa: FBT002
    end: Annotated[
        list[str] | None, typer.Option(help="Number of a deputy whose leaving is confirmed.")
    ] = None,
    document: Annotated[str, typer.Option(help="Document that orders the leaving.")] = "",
) -> None:
    """Import a roster of deputies and staff; twice is once, and nobody leaves by omission."""
    from server.roster import import_roster, told

    report = do(
        import_roster(
            settings_or_exit(),
            path,
            dry_run=not apply,
            confirmed=frozenset(end or ()),
            document=document,
        )
    )
    for line in told(report):
        print(line)


@admin_app.command("create")
def admin_create(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    login: Annotated[str, typer.Argument(help="What is typed beside the password.")],
    force: Annotated[bool, typer.Option(help="Even though there is one already.")] = False,  # noqa: FBT002
) -> None:
    """Make the first administrator; the password and the authenticator are shown once."""
    from server.first_admin import create_admin, told

    created = do(create_admin(settings_or_exit(), name, login, force=force))
    for line in told(created):
        print(line)


@audit_app.command("verify")
def audit_verify(
    head: Annotated[str, typer.Option(help="A signed head that was kept elsewhere.")] = "",
) -> None:
    """Read the whole audit chain and say whether anything was altered."""
    from server import commands

    verdict = do(commands.verify_audit(settings_or_exit(), head))
    for name, value in verdict.items():
        print(f"{name} = {value}")
    raise typer.Exit(0 if verdict["sound"] else 1)


@outbox_app.command("list")
def outbox_list(
    limit: Annotated[int, typer.Option(help="So many at most, the oldest first.")] = 100,
) -> None:
    """List the messages that were tried and buried, each with its error."""
    from server import graves, inspect

    inspect.show(do(graves.table(settings_or_exit(), limit)))


@outbox_app.command("revive")
def outbox_revive(
    keys: Annotated[list[str] | None, typer.Argument(help="As `outbox list` names them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every buried message.")] = False,  # noqa: FBT002
) -> None:
    """Let buried messages go out after all; the hub sends them within a second."""
    from server import graves

    if bool(keys) == everything:
        leave("name the messages to revive, or say --all")
    revived, unknown = do(graves.revive(settings_or_exit(), keys or ()))
    print(f"{revived} messages are due again")
    if unknown:
        leave(f"not buried: {', '.join(unknown)}")


@realtime_app.command("info")
def realtime_info(url: HubUrl = "") -> None:
    """List the processes of the hub and what each carries."""
    from server import inspect

    inspect.run(settings_or_exit(), url, lambda hub: inspect.show(hub.processes()), leave)


@realtime_app.command("channels")
def realtime_channels(
    pattern: Annotated[str, typer.Argument(help="Which, with * and ?.")] = "*",
    url: HubUrl = "",
    who: Annotated[bool, typer.Option(help="Who listens; the pattern is one channel.")] = False,  # noqa: FBT002
) -> None:
    """List the channels somebody listens on, over all processes, or who listens on one."""
    from server import inspect

    def work(hub: inspect.Inspector) -> None:
        inspect.show(hub.listeners(pattern) if who else hub.channels(pattern))

    inspect.run(settings_or_exit(), url, work, leave)


@realtime_app.command("kick")
def realtime_kick(
    user: Annotated[str, typer.Option(help="Id of the person.")],
    code: Annotated[int, typer.Option(help="3000-3499, 4000-4499: comes back.")] = 4504,
    reason: Annotated[str, typer.Option(help="What the client is told.")] = "session revoked",
    url: HubUrl = "",
) -> None:
    """Close every connection of a person, on every process."""
    from server import inspect

    def work(hub: inspect.Inspector) -> None:
        hub.kick(user, code=code, reason=reason)
        print(f"the connections of {user} are closed with {code}")

    inspect.run(settings_or_exit(), url, work, leave)


def do(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; a refusal is one sentence, not a stack."""
    from domain.errors import DomainError
    from server.lifecycle import CannotListen
    from storage.backup import BackupDamaged, RestoreRefused
    from storage.embedded.process import EmbeddedFailed
    from storage.indexes import IndexRefused
    from storage.migrations import MigrationRefused
    from storage.vault import KeyRefused

    settings = settings_or_exit()
    logs.configure(level="warning", style=settings.log.format)
    try:
        return asyncio.run(work)
    except (
        BackupDamaged, CannotListen, DomainError, EmbeddedFailed, IndexRefused, KeyRefused,
        MigrationRefused, OSError, RestoreRefused,
    ) as refusal:  # fmt: skip
        leave(str(refusal))


def settings_or_exit(**said: Any) -> Settings:
    """Answer the settings, or say in one sentence each what is wrong and leave."""
    try:
        return Settings(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        for complaint in error.errors(include_url=False, include_input=False):
            where = "__".join(str(step) for step in complaint["loc"]).upper()
            what = complaint["msg"].removeprefix("Value error, ")
            print(f"HUB_{where}: {what}" if where else what, file=sys.stderr)
        raise typer.Exit(2) from None


def run_or_exit(settings: Settings, *, worker: bool = False) -> None:
    """Run the hub, in one process or several; a refusal to start is a sentence, not a stack."""
    from domain.errors import UpstreamDown
    from realtime.broker import BrokerDown
    from server.application import Undeclared
    from server.lifecycle import CannotListen, run
    from server.workers import run_workers
    from storage.embedded.process import EmbeddedFailed
    from storage.indexes import IndexRefused
    from storage.migrations import MigrationRefused
    from storage.vault import KeyRefused

    try:
        if settings.processes > 1 and not worker:
            asyncio.run(run_workers(settings))
        else:
            asyncio.run(run(settings, tied=worker))
    except (
        BrokerDown, CannotListen, EmbeddedFailed, IndexRefused, KeyRefused, MigrationRefused,
        Undeclared, UpstreamDown,
    ) as refusal:  # fmt: skip
        leave(str(refusal))


def leave(sentence: str) -> NoReturn:
    """Say why, and leave with a failure."""
    print(sentence, file=sys.stderr)
    raise typer.Exit(1)
