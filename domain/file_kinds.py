"""Which files may come in, how their beginning must look, and which marks keep them out.

PRODUCT.md §2.7 lists the types; §2.1 says that nothing marked as a secret of the state may enter.
A mark is the grade with its star (机密★), a line that is nothing but the grade, or a declared
grade (密级：机密); the mere word does not count, or no text on the secrets act could be shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One type of file.

    Attributes:
        mime: How it is served.
        inline: Whether a browser may show it in place.
        part: Name of a member that a container of this type must have.
    """

    mime: str
    inline: bool = False
    part: str = ""


_OFFICE = "application/vnd.openxmlformats-officedocument."

KINDS: Mapping[str, Kind] = {
    "pdf": Kind("application/pdf", inline=True),
    "docx": Kind(_OFFICE + "wordprocessingml.document", part="word/document.xml"),
    "xlsx": Kind(_OFFICE + "spreadsheetml.sheet", part="xl/workbook.xml"),
    "pptx": Kind(_OFFICE + "presentationml.presentation", part="ppt/presentation.xml"),
    "ofd": Kind("application/ofd", part="OFD.xml"),
    "txt": Kind("text/plain; charset=utf-8"),
    "jpg": Kind("image/jpeg", inline=True),
    "jpeg": Kind("image/jpeg", inline=True),
    "png": Kind("image/png", inline=True),
    "mp3": Kind("audio/mpeg", inline=True),
    "mp4": Kind("video/mp4", inline=True),
}

HEAD = 1024
"""Bytes from the beginning that ``begins_like`` wants to see."""

_ZIP = re.compile(rb"PK\x03\x04")
_JPEG = re.compile(rb"\xff\xd8\xff")
_BEGINNINGS: Mapping[str, re.Pattern[bytes]] = {
    "pdf": re.compile(rb"[\s\S]*?%PDF-"),
    "docx": _ZIP,
    "xlsx": _ZIP,
    "pptx": _ZIP,
    "ofd": _ZIP,
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "mp3": re.compile(rb"ID3|\xff[\xe0-\xff]"),
    "mp4": re.compile(rb"[\s\S]{4}ftyp"),
    # UTF-16 says so in its first two bytes; nothing else that is text contains NUL.
    "txt": re.compile(rb"\xff\xfe|\xfe\xff|[^\x00]*\Z"),
}

_NAME = re.compile(r"绝密|机密|秘密\s*[★☆*]|[【\[(（]秘密[】\])）]")
_TEXT = re.compile(
    r"(?:绝\s?密|机\s?密|秘\s?密)\s*[★☆]"
    r"|密\s*级\s*[:：]\s*(?:绝密|机密|秘密)"
    r"|^\s*[【\[(（]?(?:绝\s*密|机\s*密|秘\s*密)(?:级|件)?[】\])）]?\s*$",
    re.MULTILINE,
)


def extension(name: str) -> str:
    """Answer the extension of a file name in lower case, or the empty string."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def begins_like(ext: str, head: bytes) -> bool:
    """Tell whether content that begins with ``head`` can be of the type its name says."""
    pattern = _BEGINNINGS.get(ext)
    return pattern is not None and pattern.match(head) is not None


def marked_name(name: str) -> bool:
    """Tell whether a file name carries a mark of secrecy."""
    return _NAME.search(name) is not None


def marked_text(text: str) -> bool:
    """Tell whether a text carries a mark of secrecy."""
    return _TEXT.search(text) is not None
