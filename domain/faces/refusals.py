"""What is said where a picture or a face will not do, and the other ways, always open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    Malformed,
    RateLimited,
    TooLarge,
    TypeRefused,
    Unauthenticated,
)
from domain.faces.engine import Flaw
from domain.faces.templates import Template, TemplateState

OTHER_WAYS = ("scan", "sms", "pin", "password", "totp")
"""The doors beside this one; every refusal names them."""

_SAYS: Mapping[Flaw, tuple[type[DomainError], str]] = {
    Flaw.TOO_LARGE: (TooLarge, "照片过大，请使用 10 MB 以内的普通照片"),
    Flaw.NOT_AN_IMAGE: (TypeRefused, "不是照片文件，请使用 JPEG、PNG 或 WebP"),
    Flaw.HEIC: (TypeRefused, "不支持 HEIC 格式，请在手机设置中选择“兼容性最佳”，或改用 JPEG"),
    Flaw.ANIMATED: (TypeRefused, "不支持动图，请使用静态照片"),
    Flaw.UNSUPPORTED: (TypeRefused, "不支持此种照片，请使用普通 JPEG"),
    Flaw.CORRUPT: (Malformed, "照片文件不完整，请重新拍摄或选择"),
    Flaw.NO_FACE: (Invalid, "未找到人脸，请正对镜头、光线均匀，不戴口罩和墨镜"),
    Flaw.MANY_FACES: (Invalid, "画面中不止一人，请单独拍摄"),
    Flaw.TOO_SMALL: (Invalid, "人脸太小，请靠近一些"),
    Flaw.BLURRED: (Invalid, "照片模糊，请拿稳手机"),
    Flaw.TOO_DARK: (Invalid, "光线太暗"),
    Flaw.TOO_BRIGHT: (Invalid, "光线太强或逆光"),
}


def flawed(flaw: Flaw, field: str) -> DomainError:
    """Answer the refusal of a picture; ``field`` says which."""
    kind, msg = _SAYS[flaw]
    return kind(msg, code=flaw.value, field=field)


def consent_required() -> Forbidden:
    """Answer the refusal of whoever has not agreed."""
    return Forbidden(
        "使用人脸识别须先单独同意；不同意不影响任何其他功能",
        code="consent_required",
        detail={"purpose": "face", "alternatives": list(OTHER_WAYS)},
    )


def require_usable(template: Template | None, model: str) -> None:
    """Do nothing if there is something to compare with.

    Raises:
        Conflict: Nothing was enrolled (``not_enrolled``), or with another engine
            (``template_outdated``), or it waits for a person (``template_held``).
    """
    if template is None:
        raise Conflict("尚未登记人脸，请改用其他方式", code="not_enrolled")
    if template.state is TemplateState.HELD:
        raise Conflict("人脸登记待工作人员核对，请改用其他方式", code="template_held")
    if template.model != model:
        raise Conflict("识别引擎已更换，请重新登记人脸", code="template_outdated")


def not_passed(code: str, reason: str, *, left: int) -> Unauthenticated:
    """Answer the refusal of somebody who was not recognised; ``left`` tries remain."""
    return Unauthenticated(
        "人脸验证未通过，可再试或改用其他方式",
        code=code,
        detail={"reason": reason, "left": left, "alternatives": list(OTHER_WAYS)},
    )


class FaceLocked(RateLimited):
    """Too many failures in a row: only the other ways are open, and they are named."""

    code = "face_locked"

    def __init__(self, *, retry_after: float) -> None:
        super().__init__("人脸验证多次未通过，请改用扫码或其他方式", retry_after=retry_after)
        more: dict[str, Any] = {"left": 0, "alternatives": list(OTHER_WAYS)}
        self.detail |= more
