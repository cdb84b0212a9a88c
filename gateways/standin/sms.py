"""Tencent Cloud's ``SendSms``, and the phones that receive what is sent.

It checks the TC3-HMAC-SHA256 signature, the clock skew, the account, the template and its number
of parameters, and the number itself; it refuses more than one message to a number in 30 seconds
and ten in an hour. What it accepts lies in ``inbox``, newest last, for a test to read.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from tornado.web import RequestHandler

from domain.clock import Clock
from gateways.sms import SmsAccount, sign

_SKEW = timedelta(minutes=5)
_MAINLAND = re.compile(r"\+861\d{10}")


@dataclass(frozen=True)
class ShortMessage:
    """A message that arrived: number in E.164, template id, parameters in order."""

    phone: str
    template_id: str
    params: tuple[str, ...]
    at: datetime


@dataclass
class SmsStandIn:
    """State of the stand-in: one account and what its phones received."""

    clock: Clock
    account: SmsAccount
    inbox: deque[ShortMessage] = field(default_factory=lambda: deque(maxlen=10_000))
    down: bool = False
    """When set, every call answers 503."""

    def last_to(self, phone: str) -> ShortMessage:
        """Answer the newest message to a mainland number.

        Raises:
            LookupError: There is none.
        """
        for message in reversed(self.inbox):
            if message.phone == f"+86{phone}":
                return message
        raise LookupError(phone)

    def too_many(self, phone: str) -> str | None:
        """Answer the provider's refusal if the number was written to too often."""
        now = self.clock()
        ages = [now - message.at for message in self.inbox if message.phone == phone]
        if any(age < timedelta(seconds=30) for age in ages):
            return "LimitExceeded.PhoneNumberThirtySecondLimit"
        if sum(age < timedelta(hours=1) for age in ages) >= 10:
            return "LimitExceeded.PhoneNumberOneHourLimit"
        return None


class _SendSms(RequestHandler):
    def initialize(self, sms: SmsStandIn) -> None:
        self.sms = sms

    def post(self) -> None:
        if self.sms.down:
            self.set_status(503)
            return
        refusal = self.refusal()
        if refusal is not None:
            code, message = refusal
            self.reply({"Error": {"Code": code, "Message": message}})
            return
        body = orjson.loads(self.request.body)
        self.reply({"SendStatusSet": [self.deliver(p, body) for p in body["PhoneNumberSet"]]})

    def reply(self, response: Mapping[str, Any]) -> None:
        self.set_header("Content-Type", "application/json")
        self.write(orjson.dumps({"Response": {**response, "RequestId": secrets.token_hex(16)}}))

    def refusal(self) -> tuple[str, str] | None:
        """Answer why the whole request is refused, as the provider would, or ``None``."""
        headers = self.request.headers
        stamp = headers.get("X-TC-Timestamp", "")
        if not stamp.isdigit():
            return "MissingParameter", "X-TC-Timestamp"
        now = self.sms.clock().timestamp()
        if abs(now - int(stamp)) > _SKEW.total_seconds():
            return "AuthFailure.SignatureExpire", "The provided credentials have expired."
        if (headers.get("X-TC-Action"), headers.get("X-TC-Version")) != ("SendSms", "2021-01-11"):
            return "InvalidAction", "The action is not one of this API."
        account = self.sms.account
        due = sign(
            secret_id=account.secret_id,
            secret_key=account.secret_key,
            service="sms",
            host=headers.get("Host", ""),
            action="SendSms",
            body=self.request.body,
            timestamp=int(stamp),
        )
        if not secrets.compare_digest(due, headers.get("Authorization", "")):
            return "AuthFailure.SignatureFailure", "The signature is not valid."
        return self.refuse_body()

    def refuse_body(self) -> tuple[str, str] | None:
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            return "InvalidParameter", "The body is not JSON."
        account = self.sms.account
        if body.get("SmsSdkAppId") != account.app_id:
            return "UnauthorizedOperation.SmsSdkAppIdVerifyFail", "SmsSdkAppId"
        if body.get("SignName") != account.sign_name:
            return "FailedOperation.SignatureIncorrectOrUnapproved", "SignName"
        if body.get("TemplateId") not in {number for number, _ in account.templates.values()}:
            return "FailedOperation.TemplateIncorrectOrUnapproved", "TemplateId"
        if not body.get("PhoneNumberSet"):
            return "MissingParameter", "PhoneNumberSet"
        return None

    def deliver(self, phone: str, body: Mapping[str, Any]) -> dict[str, Any]:
        params = tuple(body.get("TemplateParamSet") or ())
        wanted = next(
            names for number, names in self.sms.account.templates.values()
            if number == body["TemplateId"]
        )  # fmt: skip
        if not _MAINLAND.fullmatch(phone):
            code = "InvalidParameterValue.IncorrectPhoneNumber"
        elif len(params) != len(wanted):
            code = "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
        else:
            code = self.sms.too_many(phone) or "Ok"
        serial = ""
        if code == "Ok":
            serial = f"2028:{secrets.token_hex(12)}"
            self.sms.inbox.append(ShortMessage(phone, body["TemplateId"], params, self.sms.clock()))
        return {"SerialNo": serial, "PhoneNumber": phone, "Fee": 1, "Code": code, "Message": code}


def routes(sms: SmsStandIn) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Answer the stand-in's route table."""
    return [(r"/", _SendSms, {"sms": sms})]
