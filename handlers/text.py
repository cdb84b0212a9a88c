"""Kinds of text a person may write, with the limits of PRODUCT.md §2.7.

Lengths count code points. Control characters are stripped (line breaks and tabs stay where there
may be several lines), and so is white space at both ends. Zero-width and direction characters are
refused in names, where they make two different people look alike; elsewhere they may be part of
an emoji or a script and stay.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import nh3
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\n\r\u2028\u2029]+")
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u2069\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def clean(text: str) -> str:
    """Strip control characters and lone surrogates; keep tabs and line breaks."""
    return _CONTROL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def lines(value: Any) -> Any:
    """Clean several lines of text; what is no text is answered as it is."""
    return clean(value).strip() if isinstance(value, str) else value


def _line(value: Any) -> Any:
    return _BREAKS.sub(" ", clean(value)).strip() if isinstance(value, str) else value


def _visible(value: str) -> str:
    if _INVISIBLE.search(value):
        raise PydanticCustomError("invisible", "不能含有不可见字符")
    return value


def safe_html(value: str) -> str:
    """Answer formatted text with nothing in it but what the allow-list of §2.7 names."""
    return nh3.clean(
        value,
        tags={
            *("a", "b", "blockquote", "br", "em", "h2", "h3", "h4", "hr", "i", "img", "li", "ol"),
            *("p", "s", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr"),
            *("u", "ul"),
        },
        attributes={"a": {"href", "title"}, "img": {"src", "alt", "width", "height"}},
        url_schemes={"http", "https", "mailto", "tel"},
    )


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    BeforeValidator(_line),
    AfterValidator(_visible),
]
"""A person's, a body's or a thing's name."""

Line = Annotated[str, StringConstraints(max_length=200), BeforeValidator(_line)]
"""One line of anything; may be empty."""

Title = Annotated[str, StringConstraints(min_length=1, max_length=60), BeforeValidator(_line)]
"""A heading."""

Subject = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(_line)]
"""The 案由 of a motion or suggestion."""

Body = Annotated[str, StringConstraints(min_length=1, max_length=20_000), BeforeValidator(lines)]
"""A long plain text."""

Html = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    BeforeValidator(lines),
    AfterValidator(safe_html),
]
"""A long formatted text, cleaned by an allow-list of tags."""

Post = Annotated[str, StringConstraints(min_length=1, max_length=1_000), BeforeValidator(lines)]
"""What somebody says in a room."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500), BeforeValidator(lines)]
"""Why something is done; never empty."""

Note = Annotated[str, StringConstraints(max_length=500), BeforeValidator(lines)]
"""A remark; may be empty."""

SearchText = Annotated[str, StringConstraints(max_length=60), BeforeValidator(_line)]
"""What is typed into a search box; may be empty."""

Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,4096}$")]
"""An opaque token, code or ticket that a machine made."""

Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
"""A ULID."""

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A natural key such as ``pudong`` or ``motion.deadline``."""

Phone = Annotated[str, StringConstraints(pattern=r"^1[3-9][0-9]{9}$"), BeforeValidator(_line)]
"""A mainland mobile number."""

Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$"),
    BeforeValidator(_line),
]
"""An e-mail address, judged by shape only."""


class Draft(BaseModel):
    """Base of request bodies: frozen, and what is not declared is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
