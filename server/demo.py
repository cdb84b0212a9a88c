"""``python main.py demo``: a hub with an invented congress in it and stand-ins around it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from demo.load import PASSWORD, TOTP_SECRET, Loader, Visitor
from domain.clock import system_clock
from domain.identity.credentials import TEMPLATE as INVITATION
from domain.identity.sms_codes import TEMPLATE as LOGIN_CODE
from domain.ladder.carriers import SMS_TEMPLATE as NOTICE
from domain.ladder.consents import Source
from gateways.face import FaceWorkers, missing
from gateways.sms import SmsAccount
from gateways.standin.iflytek import by_engine
from gateways.standin.neighbourhood import IFLYTEK, Neighbourhood
from gateways.standin.wechat_messages import AccountTemplate, Callback
from server.assembly import Hub
from server.config import Iflytek, Mongo, Redis, Settings, Sms, WeChat
from server.lifecycle import run
from server.upkeep import blob_store
from storage.ladder.consents import ConsentStock

_APP_ID, _APP_SECRET = "wx-demo", "demo-app-secret-of-the-stand-in"
_CALLBACK = "demo-callback-token"
_TEMPLATE = "demo-notice-template"
_SMS = SmsAccount(
    secret_id="AKIDdemo",
    secret_key="demo-secret-key-of-the-stand-in",
    app_id="1400000001",
    sign_name="代表服务平台（演示）",
    templates={
        LOGIN_CODE: ("1000001", ("code", "minutes")),
        INVITATION: ("1000002", ("name",)),
        NOTICE: ("1000003", ("kind", "title")),
    },
)


async def run_demo(*, port: int, data_dir: Path, full: bool) -> None:
    """Serve the demo until it is told to stop.

    Raises:
        EmbeddedInUse: Another hub uses the data directory.
    """
    async with AsyncExitStack() as stack:
        street = await Neighbourhood.open(
            clock=system_clock, wechat=(_APP_ID, _APP_SECRET), sms=_SMS
        )
        stack.push_async_callback(street.close)
        fields = tuple(WeChat().subscribe_fields.values())
        street.messages.templates[_TEMPLATE] = AccountTemplate(fields, long_term=True)
        settings = _settings(street.url, port=port, data_dir=data_dir)
        console = Console(stderr=True)
        visitors: list[Visitor] = []

        async def prepare(hub: Hub) -> None:
            _open_eyes(hub, street, stack)
            ground = hub.ground
            blobs = blob_store(ground.settings, ground.db, clock=ground.clock)
            loader = Loader(ground.db, ground.vault, ground.audit, clock=ground.clock, blobs=blobs)
            there, wanted = await loader.loaded(), "full" if full else "mini"
            if there is None:
                console.print(f"loading demo data ({wanted}) …")
                await loader.load(full=full)
            elif there != wanted:
                console.print(
                    f"[yellow]{data_dir} holds the {there} data; for {wanted}, "
                    "give another --data directory or remove this one[/]"
                )
            for visitor in await loader.visitors():
                if visitor.openid:
                    street.wechat.add_user(visitor.name, openid=visitor.openid)
                    await _agree(hub, street, visitor)
            street.wechat.add_user("新手机（尚未绑定）", openid="o-demo-new-phone")
            visitors.extend(await loader.visitors())

        def announce(_: Hub, port: int) -> None:
            url = f"http://127.0.0.1:{port}/api/v1/wechat/messages"
            street.messages.callback = Callback(url, _CALLBACK)
            _introduce(console, visitors, f"http://127.0.0.1:{port}", street.url)

        await run(settings, prepare=prepare, announce=announce)


def _open_eyes(hub: Hub, street: Neighbourhood, stack: AsyncExitStack) -> None:
    """Give the stand-in of the vendor an engine of its own, where one is installed."""
    if missing():
        return
    engine = FaceWorkers(
        lambda name, factory: hub.supervisor.supervise(f"stand-in {name}", factory), workers=1
    )
    stack.push_async_callback(engine.close)
    street.iflytek.likeness = by_engine(engine)


async def _agree(hub: Hub, street: Neighbourhood, visitor: Visitor) -> None:
    """Let somebody have agreed, once and for all, to notices by WeChat."""
    await street.messages.agree(visitor.openid, _TEMPLATE, tell=False)
    at = hub.ground.clock()
    await ConsentStock(hub.db).add(
        visitor.person_id, _TEMPLATE, source=Source.PAGE, key="demo", at=at, long=True
    )


def _settings(street: str, *, port: int, data_dir: Path) -> Settings:
    # Named here, so that no HUB_* variable lets a demo touch a real database by accident.
    return Settings(
        demo=True,
        port=port,
        data_dir=data_dir,
        mongo=Mongo(),
        redis=Redis(),
        wechat=WeChat(
            base_url=street,
            open_url=street,
            app_id=_APP_ID,
            app_secret=SecretStr(_APP_SECRET),
            token=SecretStr(_CALLBACK),
            subscribe_template=_TEMPLATE,
            subscribe_long_term=True,
        ),
        iflytek=Iflytek(
            base_url=street,
            app_id=IFLYTEK.app_id,
            api_key=IFLYTEK.api_key,
            api_secret=SecretStr(IFLYTEK.api_secret),
        ),
        sms=Sms(
            base_url=street,
            secret_id=_SMS.secret_id,
            key=SecretStr(_SMS.secret_key),
            app_id=_SMS.app_id,
            sign=_SMS.sign_name,
            template_login_code=_SMS.templates[LOGIN_CODE][0],
            template_invitation=_SMS.templates[INVITATION][0],
            template_notice=_SMS.templates[NOTICE][0],
        ),
    )


def _introduce(console: Console, visitors: list[Visitor], origin: str, street: str) -> None:
    table = Table(title="演示数据 人物均为虚构", title_style="bold", header_style="bold")
    for heading in ("姓名", "身份", "username", "代表证号", "手机"):
        table.add_column(heading)
    for visitor in visitors:
        table.add_row(
            visitor.name, visitor.what, visitor.username, visitor.deputy_no, visitor.mobile
        )
    console.print(table)
    console.print(f"password for everybody: [bold]{PASSWORD}[/]")
    console.print(f"authenticator secret of the administrators: [bold]{TOTP_SECRET}[/]")
    console.print()
    console.print(f"  hub               {origin}", highlight=False)
    console.print(f"  pages on phones   {origin}/h5/", highlight=False)
    console.print(f"  desk of the staff {origin}/console/", highlight=False)
    console.print(f"  API               {origin}/docs", highlight=False)
    console.print(f"  log in by WeChat  {origin}/api/v1/wechat/authorize", highlight=False)
    console.print(f"  simulated phones  {street}/phones", highlight=False)
    console.print()
