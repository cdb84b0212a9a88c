"""What may come in as a file, and what a mark of secrecy is."""

from __future__ import annotations

import pytest

from domain.file_kinds import begins_like, extension, marked_name, marked_text


@pytest.mark.parametrize(
    ("name", "ext"),
    [("报告.PDF", "pdf"), ("a.tar.docx", "docx"), (".pdf", ""), ("报告", ""), ("a.", "")],
)
def test_the_extension_is_what_stands_behind_the_last_dot(name: str, ext: str) -> None:
    assert extension(name) == ext


@pytest.mark.parametrize(
    ("ext", "head", "fits"),
    [
        ("pdf", b"%PDF-1.7\n", True),
        ("pdf", b"\n\n%PDF-1.4", True),
        ("pdf", b"MZ\x90\x00", False),
        ("jpg", b"\xff\xd8\xff\xe0", True),
        ("jpg", b"\x89PNG\r\n\x1a\n", False),
        ("png", b"\x89PNG\r\n\x1a\n", True),
        ("docx", b"PK\x03\x04", True),
        ("docx", b"\xd0\xcf\x11\xe0", False),
        ("mp3", b"ID3\x04", True),
        ("mp3", b"\xff\xfb\x90", True),
        ("mp4", b"\x00\x00\x00\x20ftypisom", True),
        ("mp4", b"RIFF", False),
        ("txt", "提案".encode(), True),
        ("txt", "提案".encode("utf-16"), True),
        ("txt", b"a\x00b", False),
        ("exe", b"MZ", False),
    ],
)
def test_the_beginning_must_be_what_the_name_says(ext: str, head: bytes, fits: bool) -> None:
    assert begins_like(ext, head) is fits


@pytest.mark.parametrize(
    "name",
    ["机密★会议纪要.docx", "绝密.pdf", "报告（秘密）.txt", "【秘密】名单.xlsx", "秘密★1年.pdf"],
)
def test_a_marked_name_is_seen(name: str) -> None:
    assert marked_name(name)


@pytest.mark.parametrize("name", ["保守国家秘密法学习材料.pdf", "会议纪要.docx", "密云水库.txt"])
def test_a_name_that_only_speaks_of_secrets_is_not_marked(name: str) -> None:
    assert not marked_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "机密★三年\n关于……",
        "秘 密 ★ 长期",
        "绝密☆",
        "标题\n机密\n正文",
        "  【秘密】  ",
        "密级：机密",
        "密 级: 秘密",
        "绝密级\n",
    ],
)
def test_a_marked_text_is_seen(text: str) -> None:
    assert marked_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "修订后的保守国家秘密法自五月一日起施行",
        "机密文件应当由专人保管",
        "密级由制发机关确定",
        "商业秘密的保护",
    ],
)
def test_a_text_that_only_speaks_of_secrets_is_not_marked(text: str) -> None:
    assert not marked_text(text)
