"""Signed codes: what is ours is read back, and nothing else ever is."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.passes.code import (
    MOST,
    Bind,
    Contact,
    Document,
    Flaw,
    Form,
    Hall,
    Login,
    Personal,
    SeatCode,
    Ticket,
    sign,
    verify,
)
from tests.integration.people import ulid

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {7: KEY.public_key()}
AT = datetime(2026, 2, 1, 1, 0, tzinfo=UTC)
MEETING, SOMEBODY = ulid(4_711), ulid(815)

CLAIMS = [
    Hall(MEETING, AT, "3"),
    Hall(MEETING, AT),
    Personal(SOMEBODY, MEETING, AT, AT + timedelta(seconds=15), Form.PHONE),
    Personal(SOMEBODY, MEETING, AT, AT + timedelta(days=5), Form.BADGE),
    Document(SOMEBODY),
    SeatCode(MEETING, "主席台 3 排 12 座"),
    Login(SOMEBODY, AT),
    Bind(SOMEBODY, AT),
    Contact("station", SOMEBODY),
    Ticket(SOMEBODY, MEETING, AT, AT + timedelta(minutes=5), "东门"),
]
CODES = [sign(claims, key_no=7, key=KEY) for claims in CLAIMS]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@pytest.mark.parametrize("at", range(len(CLAIMS)))
def test_every_kind_is_read_back_and_fits_a_coarse_picture(at):
    claims, code = CLAIMS[at], CODES[at]
    assert verify(code, KEYS) == claims
    assert code.startswith(f"RD1.{claims.kind}.")
    # 57 modules: half a millimetre each on a badge of three centimetres.
    assert segno.make(code, error="m", micro=False).version <= 10


def mutants(code: str) -> st.SearchStrategy[str]:
    """Texts that are nearly a code."""
    place = st.integers(0, len(code) - 1)
    letter = st.one_of(st.sampled_from(ALPHABET), st.characters())
    replaced = st.builds(lambda at, it: code[:at] + it + code[at + 1 :], place, letter)
    removed = st.builds(lambda at, n: code[:at] + code[at + n :], place, st.integers(1, 9))
    added = st.builds(lambda at, it: code[:at] + it + code[at:], place, letter)
    swapped = st.builds(
        lambda a, b: "".join(code[{a: b, b: a}.get(at, at)] for at in range(len(code))),
        place,
        place,
    )
    cross = st.builds(lambda other, at: code[:at] + other[at:], st.sampled_from(CODES), place)
    padded = st.builds(lambda it: code + it, st.sampled_from(["=", "==", "A", "\n", " ", "."]))
    return st.one_of(replaced, removed, added, swapped, cross, padded)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CODES).flatmap(mutants))
def test_what_is_nearly_a_code_is_none(mutant):
    assert mutant in CODES or isinstance(verify(mutant, KEYS), Flaw)


@pytest.mark.acceptance("F12-1")
def test_of_ten_thousand_changed_codes_not_one_is_accepted():
    """F12-1"""
    chance = random.Random(12)
    tried = 0
    while tried < 10_000:
        mutant = list(chance.choice(CODES))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(mutant))
            match chance.randrange(4):
                case 0:
                    mutant[at] = chance.choice(ALPHABET)
                case 1:
                    del mutant[at]
                case 2:
                    mutant.insert(at, chance.choice(ALPHABET))
                case _:
                    mutant[at:] = chance.choice(CODES)[at:]
        text = "".join(mutant)
        if text not in CODES:
            tried += 1
            assert isinstance(verify(text, KEYS), Flaw), text


@pytest.mark.acceptance("F12-1")
@pytest.mark.parametrize("at", range(len(CODES[0])))
def test_every_changed_byte_is_a_bad_signature(at):
    """F12-1"""
    code = CODES[0]
    changed = code[:at] + chr(ord(code[at]) ^ 1) + code[at + 1 :]
    flaw = Flaw.UNKNOWN if at < 3 else Flaw.BAD_SIGNATURE
    # Without its first dot it is no code of ours at all.
    assert verify(changed, KEYS) is (Flaw.UNKNOWN if at == 3 else flaw)


def test_a_forged_code_a_stranger_and_a_key_that_is_gone_are_told_apart():
    forged = sign(CLAIMS[0], key_no=7, key=Ed25519PrivateKey.generate())
    assert verify(forged, KEYS) is Flaw.BAD_SIGNATURE
    assert verify(sign(CLAIMS[0], key_no=8, key=KEY), KEYS) is Flaw.BAD_SIGNATURE
    assert verify(CODES[0], {}) is Flaw.BAD_SIGNATURE
    for text in (
        "",
        "你好",
        "https://example.com/?c=" + CODES[0],
        "RD2" + CODES[0][3:],
        "x" * 4096,
    ):
        assert verify(text, KEYS) is Flaw.UNKNOWN
    assert verify(CODES[0] + "A" * MOST, KEYS) is Flaw.UNKNOWN


def test_one_code_has_one_spelling():
    head, _, signature = CODES[0].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    # The last letter of 64 bytes has spare bits, which a lenient reader ignores.
    spare = signature[:-1] + ALPHABET[ALPHABET.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(spare + "==") == raw
    for other in (spare, signature + "==", signature + "\n"):
        assert verify(f"{head}.{other}", KEYS) is not None
        assert verify(f"{head}.{other}", KEYS) is Flaw.BAD_SIGNATURE


def test_a_kind_of_a_later_version_is_unknown_and_not_misread():
    later = Hall(MEETING, AT, "3")
    code = sign(later, key_no=7, key=KEY)
    said = code.rpartition(".")[0].replace("RD1.H.", "RD1.Z.")
    signature = base64.urlsafe_b64encode(KEY.sign(said.encode())).rstrip(b"=").decode()
    assert verify(f"{said}.{signature}", KEYS) is Flaw.UNKNOWN
    said = said.replace("RD1.Z.", "RD1.P.")
    signature = base64.urlsafe_b64encode(KEY.sign(said.encode())).rstrip(b"=").decode()
    assert verify(f"{said}.{signature}", KEYS) is Flaw.UNKNOWN


def test_what_does_not_fit_is_not_signed():
    with pytest.raises(ValueError, match=r"bytes must be in range|too long"):
        sign(Hall(MEETING, AT, "门" * 100), key_no=7, key=KEY)
