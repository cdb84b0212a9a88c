"""Text messages, through Tencent Cloud's SMS API 2021-01-11 (``SendSms``).

Requests are signed with TC3-HMAC-SHA256: a chain of keyed hashes over the day, the service and the
canonical request. The provider keeps the texts as reviewed templates; we send a template's id and
its parameters in order.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from domain.clock import Clock
from domain.errors import NotConfigured, RateLimited, UpstreamDown, UpstreamRefused
from gateways.http import JsonClient

_UPSTREAM = "sms"
_SERVICE = "sms"
_CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class SmsAccount:
    """What the provider knows us by.

    ``templates`` maps our template names to the provider's template id and the order of its
    parameters, for example ``{"login_code": ("1110", ("code", "minutes"))}``.
    """

    secret_id: str
    secret_key: str
    app_id: str
    sign_name: str
    templates: Mapping[str, tuple[str, tuple[str, ...]]]
    region: str = "ap-guangzhou"


class TencentSms:
    """Port ``SmsGateway`` over Tencent Cloud."""

    def __init__(
        self, http: JsonClient, account: SmsAccount | Callable[[], SmsAccount], *, clock: Clock
    ) -> None:
        self._http = http
        self._account = account
        self._clock = clock

    def close(self) -> None:
        """Let go of open connections."""
        self._http.close()

    async def send(self, phone: str, template: str, params: Mapping[str, str]) -> str:
        """Send one message and answer the provider's serial number.

        Args:
            phone: Mainland number of eleven digits, or E.164 with ``+``.
            template: One of the account's template names.
            params: Values of the template's parameters by name.

        Raises:
            NotConfigured: There is no key, or the template has no id at the provider.
            RateLimited: The provider's own limit for this number is reached.
            UpstreamDown: The provider does not answer or refuses.
        """
        account = self._account if isinstance(self._account, SmsAccount) else self._account()
        if not account.secret_key:
            raise NotConfigured("未配置短信服务密钥", upstream=_UPSTREAM)
        known = account.templates.get(template)
        if known is None:
            raise NotConfigured(f"短信模板未配置：{template}", upstream=_UPSTREAM)
        template_id, names = known
        body = orjson.dumps(
            {
                "PhoneNumberSet": [phone if phone.startswith("+") else f"+86{phone}"],
                "SmsSdkAppId": account.app_id,
                "SignName": account.sign_name,
                "TemplateId": template_id,
                "TemplateParamSet": [params[name] for name in names],
            }
        )
        answer = await self._http.post("/", body, headers=self._headers(account, body))
        return _serial(answer.get("Response"))

    def _headers(self, account: SmsAccount, body: bytes) -> dict[str, str]:
        now = int(self._clock().timestamp())
        authorization = sign(
            secret_id=account.secret_id,
            secret_key=account.secret_key,
            service=_SERVICE,
            host=self._http.host,
            action="SendSms",
            body=body,
            timestamp=now,
        )
        return {
            "Authorization": authorization,
            "Content-Type": _CONTENT_TYPE,
            "Host": self._http.host,
            "X-TC-Action": "SendSms",
            "X-TC-Region": account.region,
            "X-TC-Timestamp": str(now),
            "X-TC-Version": "2021-01-11",
        }


class NoSms:
    """Stands where no provider is configured, and says so."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    async def send(self, phone: str, template: str, params: Mapping[str, str]) -> str:
        """Refuse.

        Raises:
            NotConfigured: Always.
        """
        raise NotConfigured("未配置短信服务", upstream=_UPSTREAM)


def sign(
    *,
    secret_id: str,
    secret_key: str,
    service: str,
    host: str,
    action: str,
    body: bytes,
    timestamp: int,
) -> str:
    """Answer the ``Authorization`` header of a TC3-HMAC-SHA256 request (POST ``/``, JSON).

    ``timestamp`` is in seconds since 1970; the provider accepts five minutes of skew.
    """
    day = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    signed = "content-type;host;x-tc-action"
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            f"content-type:{_CONTENT_TYPE}",
            f"host:{host}",
            f"x-tc-action:{action.lower()}",
            "",
            signed,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{service}/tc3_request"
    text = "\n".join(
        ["TC3-HMAC-SHA256", str(timestamp), scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"TC3{secret_key}".encode()
    for part in (day, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return (
        f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


def _serial(response: object) -> str:
    """Answer the serial number of the one message sent, or raise what the provider says."""
    if not isinstance(response, dict):
        raise UpstreamDown("短信服务返回了无法识别的内容", upstream=_UPSTREAM)
    error = response.get("Error")
    if isinstance(error, dict):
        raise UpstreamRefused(f"短信服务拒绝了请求：{error.get('Code')}", upstream=_UPSTREAM)
    statuses = response.get("SendStatusSet")
    if not isinstance(statuses, list) or len(statuses) != 1 or not isinstance(statuses[0], dict):
        raise UpstreamDown("短信服务返回了无法识别的内容", upstream=_UPSTREAM)
    code = str(statuses[0].get("Code", ""))
    if code.startswith("LimitExceeded."):
        raise RateLimited("该号码短信发送过于频繁，请稍后再试", retry_after=60)
    if code != "Ok":
        raise UpstreamRefused(f"短信发送失败：{code}", upstream=_UPSTREAM)
    return str(statuses[0].get("SerialNo", ""))
