"""The vault: what is sealed opens only where it belongs."""

from __future__ import annotations

import base64

import pytest

from storage.vault import KeyRefused, KeyVault, key_from_file, parse_key

OLD, NEW = b"o" * 32, b"n" * 32


def test_a_sealed_value_opens_for_the_same_context_only():
    vault = KeyVault([NEW])
    sealed = vault.seal("13800000000", context="person.mobile:p1")

    assert vault.open(sealed, context="person.mobile:p1") == "13800000000"
    with pytest.raises(ValueError):
        vault.open(sealed, context="person.mobile:p2")


def test_the_same_value_never_looks_the_same_twice():
    vault = KeyVault([NEW])

    assert vault.seal("x", context="c") != vault.seal("x", context="c")


@pytest.mark.parametrize("place", [0, 1, 5, 17, -1])
def test_an_altered_value_does_not_open(place):
    vault = KeyVault([NEW])
    sealed = bytearray(vault.seal("x", context="c"))
    sealed[place] ^= 1

    with pytest.raises(ValueError):
        vault.open(bytes(sealed), context="c")
    with pytest.raises(ValueError):
        vault.open(b"", context="c")


def test_after_a_change_of_keys_old_values_open_and_are_found():
    old, both = KeyVault([OLD]), KeyVault([NEW, OLD])
    sealed = old.seal("x", context="c")

    assert both.open(sealed, context="c") == "x"
    assert both.blind("x", domain="d") == old.blind("x", domain="d")
    with pytest.raises(ValueError):
        old.open(both.seal("x", context="c"), context="c")


def test_a_blind_value_depends_on_its_domain_and_on_the_key():
    vault = KeyVault([NEW])

    assert vault.blind("x", domain="a") == vault.blind("x", domain="a")
    assert vault.blind("x", domain="a") != vault.blind("x", domain="b")
    assert vault.blind("x", domain="a") != KeyVault([OLD]).blind("x", domain="a")


def test_a_key_file_is_made_once_and_only_for_its_owner(tmp_path):
    path = tmp_path / "vault.key"

    key = key_from_file(path)

    assert key_from_file(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "vault.key"
    key_from_file(path)
    path.chmod(0o644)

    with pytest.raises(KeyRefused, match="chmod 600"):
        key_from_file(path)


def test_a_key_is_read_from_hex_or_base64_and_from_nothing_else():
    assert parse_key(NEW.hex() + "\n") == NEW
    assert parse_key(base64.b64encode(NEW).decode()) == NEW
    for text in ("", "secret", NEW.hex()[:-2], "zz" * 32):
        with pytest.raises(KeyRefused):
            parse_key(text)
    with pytest.raises(KeyRefused):
        KeyVault([])
