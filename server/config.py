"""Settings: read once from ``HUB_*`` variables and ``.env``, frozen, secrets never shown.

Nested names are joined by two underscores: ``HUB_MONGO__URI``, ``HUB_WECHAT__APP_ID``.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

NO_SECRET = SecretStr("")


class Env(StrEnum):
    """What the hub is running for."""

    DEV = "dev"
    TEST = "test"
    PRODUCTION = "production"
    CONFORMANCE = "conformance"


class FileKeeping(StrEnum):
    """Where the content of files lies."""

    DISK = "disk"
    GRIDFS = "gridfs"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mongo(_Group):
    """Where documents are kept; without a URI, in the embedded engine under ``data_dir``."""

    uri: SecretStr = NO_SECRET
    name: str = "daibiao"


class Redis(_Group):
    """Where processes meet; without a URL there is one process and it talks to itself."""

    url: SecretStr = NO_SECRET


class WeChat(_Group):
    """The official account and its two base addresses.

    Attributes:
        timeout: Seconds that one call may take.
        subscribe_template: Id of the template of subscription messages (订阅通知) for notices.
        subscribe_fields: Which of its fields takes ``title``, ``kind``, ``priority``, ``time`` and
            ``count``.
        subscribe_long_term: The template is a long-term one: one consent is for every message.
        card_template: Id of a template message (模板消息), for people without consent.
        card_fields: Which of its fields takes what.
    """

    base_url: str = "https://api.weixin.qq.com"
    open_url: str = "https://open.weixin.qq.com"
    app_id: str = ""
    app_secret: SecretStr = NO_SECRET
    token: SecretStr = NO_SECRET
    aes_key: SecretStr = NO_SECRET
    timeout: Annotated[float, Field(gt=0, le=30)] = 5.0
    subscribe_template: str = ""
    subscribe_fields: dict[str, str] = {"title": "thing1", "kind": "phrase2", "time": "time3"}
    subscribe_long_term: bool = False
    card_template: str = ""
    card_fields: dict[str, str] = {"title": "thing1", "kind": "phrase2", "time": "time3"}


class WeCom(_Group):
    """企业微信: the corporation and the application that sends; without a corporation, none."""

    base_url: str = "https://qyapi.weixin.qq.com"
    corp_id: str = ""
    agent_id: int = 0
    secret: SecretStr = NO_SECRET


class Sms(_Group):
    """The account at the text message provider (Tencent Cloud); without a base address, none.

    The templates are the provider's ids of reviewed texts: for codes (parameters: code, minutes)
    for invitations (parameter: name), and for urgent notices (parameters: kind, title).
    """

    base_url: str = ""
    secret_id: str = ""
    key: SecretStr = NO_SECRET
    app_id: str = ""
    sign: str = "代表服务平台"
    region: str = "ap-guangzhou"
    template_login_code: str = ""
    template_invitation: str = ""
    template_notice: str = ""


class Face(_Group):
    """Recognition of faces, by processes of this hub; needs the extra ``face``.

    Attributes:
        key: Seals templates and nothing else: 32 bytes, hex or base64; without, ``face.key`` in
            ``data_dir``.
        workers: How many processes; 0 is none. Each takes one core while it looks at pictures, at
            a low priority, and 110 MB, for a moment 1 GB more with the largest pictures allowed.
            They start when the first face is to be recognised; with ``processes`` each process of
            the hub has its own.
        queue: How many questions may wait for their turn; further ones are sent away with 503.
        timeout: Seconds that one question may take before its process is replaced.
    """

    key: SecretStr = NO_SECRET
    workers: Annotated[int, Field(ge=0, le=32)] = 2
    queue: Annotated[int, Field(ge=1, le=1000)] = 8
    timeout: Annotated[float, Field(ge=1, le=60)] = 10.0


class Iflytek(_Group):
    """Faces compared at iFLYTEK (讯飞 人脸比对) for who agrees to it; without a base address, none.

    ``timeout`` is in seconds. The vendor's address is ``https://api.xf-yun.com``.
    """

    base_url: str = ""
    app_id: str = ""
    api_key: str = ""
    api_secret: SecretStr = NO_SECRET
    timeout: Annotated[float, Field(gt=0, le=30)] = 5.0


class Realtime(_Group):
    """The real-time hub.

    ``secret`` signs connection tokens; ``api_key`` opens the server API, which is closed without.
    ``wire`` lets upgraded sockets leave Tornado; it must be off where this process ends TLS itself.
    """

    secret: SecretStr = NO_SECRET
    api_key: SecretStr = NO_SECRET
    allowed_origins: tuple[str, ...] = ()
    wire: bool = True
    insecure: bool = False


class Vault(_Group):
    """The key of personal data: 32 bytes, base64; without, a key file in ``data_dir``."""

    key: SecretStr = NO_SECRET


class Session(_Group):
    """How long a login lasts, in seconds."""

    idle: Annotated[int, Field(ge=60)] = 12 * 3600
    absolute: Annotated[int, Field(ge=60)] = 30 * 24 * 3600
    per_account: Annotated[int, Field(ge=1, le=50)] = 10


class Limit(_Group):
    """Calls per minute and caller, for each class of endpoints."""

    public: Annotated[int, Field(ge=1)] = 6000
    read: Annotated[int, Field(ge=1)] = 1200
    write: Annotated[int, Field(ge=1)] = 300
    upload: Annotated[int, Field(ge=1)] = 60
    export: Annotated[int, Field(ge=1)] = 10
    search: Annotated[int, Field(ge=1)] = 240
    face: Annotated[int, Field(ge=1)] = 600


class Log(_Group):
    """What is logged: ``json`` for machines, ``text`` for people."""

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    format: Annotated[str, Field(pattern="^(json|text)$")] = "json"
    access: bool = True


class Settings(BaseSettings):
    """Everything an operator decides.

    Attributes:
        secret: Signs cursors and CSRF tokens; made and kept in ``data_dir`` when empty.
        public_url: Where browsers find the hub; https turns on HSTS and secure cookies.
        trusted_proxy: Believe ``X-Forwarded-For`` and ``X-Forwarded-Proto``.
        metrics_key: Bearer token that opens ``/metrics``, which is open to all without.
        grace: Seconds that requests under way get at shutdown.
        drain: Seconds over which connections are sent away at shutdown.
        demo: The data is invented; pages say so.
        front: Where the built front end is, if not in ``static/dist`` beside the program.
        files: ``disk`` under ``data_dir``, or ``gridfs`` in the database where several hosts serve.
    """

    model_config = SettingsConfigDict(
        env_prefix="HUB_",
        env_nested_delimiter="__",
        env_file=".env",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    env: Env = Env.DEV
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    data_dir: Path = Path("data")
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    public_url: str = ""
    trusted_proxy: bool = False
    secret: SecretStr = NO_SECRET
    metrics_key: SecretStr = NO_SECRET
    demo: bool = False
    front: Path | None = None
    files: FileKeeping = FileKeeping.DISK
    grace: Annotated[float, Field(ge=0)] = 10.0
    drain: Annotated[float, Field(ge=0)] = 5.0
    mongo: Mongo = Mongo()
    redis: Redis = Redis()
    wechat: WeChat = WeChat()
    wecom: WeCom = WeCom()
    sms: Sms = Sms()
    face: Face = Face()
    iflytek: Iflytek = Iflytek()
    realtime: Realtime = Realtime()
    vault: Vault = Vault()
    session: Session = Session()
    limit: Limit = Limit()
    log: Log = Log()

    @property
    def embedded(self) -> bool:
        """Whether documents are kept in the embedded engine."""
        return not self.mongo.uri.get_secret_value()

    @property
    def origin(self) -> str:
        """Where browsers find the hub."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether browsers come by https."""
        return self.origin.startswith("https://")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.processes > 1 and not self.redis.url.get_secret_value():
            raise ValueError("--processes needs HUB_REDIS__URL: processes meet in Redis")
        if self.realtime.insecure and self.env is not Env.CONFORMANCE:
            raise ValueError("HUB_REALTIME__INSECURE is for HUB_ENV=conformance only")
        if self.iflytek.base_url and not self.iflytek.app_id:
            raise ValueError("HUB_IFLYTEK__BASE_URL needs HUB_IFLYTEK__APP_ID")
        if self.env is Env.PRODUCTION:
            refused = _refused_in_production(self)
            if refused:
                raise ValueError("not fit for production: " + "; ".join(refused))
        return self


def _refused_in_production(settings: Settings) -> list[str]:
    required = {
        "HUB_SECRET": settings.secret,
        "HUB_VAULT__KEY": settings.vault.key,
        "HUB_REALTIME__SECRET": settings.realtime.secret,
    }
    refused = [
        f"{name} is missing" if not value.get_secret_value() else f"{name} is too short"
        for name, value in required.items()
        if len(value.get_secret_value()) < 16
    ]
    app_secret = settings.wechat.app_secret.get_secret_value()
    if app_secret and len(app_secret) < 16:
        # Without one it is handed in under integrations, or WeChat is not used at all.
        refused.append("HUB_WECHAT__APP_SECRET is too short")
    if settings.demo:
        refused.append("HUB_DEMO is set")
    if not settings.public_url.startswith("https://"):
        refused.append("HUB_PUBLIC_URL is not an https address")
    for name, url in {
        "HUB_WECHAT__BASE_URL": settings.wechat.base_url,
        "HUB_WECOM__BASE_URL": settings.wecom.base_url,
        "HUB_IFLYTEK__BASE_URL": settings.iflytek.base_url or "https://",
    }.items():
        if not url.startswith("https://"):
            refused.append(f"{name} is not an https address")
    return refused
