"""Tokens: whose word counts, for how long, and what else they say."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from realtime import codes
from realtime.authority import Ask, Identity
from realtime.claims import ClaimsAuthority, House, Leave
from realtime.policy import Policies, Policy
from realtime.tokens import BadToken, TokenExpired, Verifier, hmac_keys, jwks_keys, pem_key

SECRET = "s" * 64
NOW = 1_750_000_000.0


def signed(claims, key=SECRET, algorithm="HS256", **headers):
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers or None)


def verifier(keys=None, **more):
    return Verifier(keys or hmac_keys(SECRET), clock=lambda: NOW, **more)


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_the_previous_secret_counts_while_rotating_and_no_other():
    both = verifier(hmac_keys("n" * 64, SECRET))
    assert both.connection(signed({"sub": "42"})).user == "42"
    with pytest.raises(BadToken):
        both.connection(signed({"sub": "42"}, "x" * 64))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_every_hmac_counts(algorithm):
    assert verifier().connection(signed({"sub": "1"}, algorithm=algorithm)).user == "1"


def test_a_token_without_signature_or_with_a_public_key_as_secret_is_refused():
    key = rsa.generate_private_key(65537, 2048)
    by_key = verifier([pem_key(public(key), ["RS256"])])
    none = jwt.encode({"sub": "1"}, None, algorithm="none")
    with pytest.raises(BadToken):
        verifier().connection(none)
    with pytest.raises(BadToken):
        by_key.connection(none)
    # The classic: the public key, known to all, taken for a shared secret.
    head, body, _ = signed({"sub": "1"}).split(".")
    import base64
    import hashlib
    import hmac

    mac = hmac.digest(public(key), f"{head}.{body}".encode(), hashlib.sha256)
    forged = f"{head}.{body}." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    with pytest.raises(BadToken):
        by_key.connection(forged)
    with pytest.raises(ValueError, match="HMAC"):
        pem_key(public(key), ["RS256", "HS256"])


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["rs", "es", "ed"],
)
def test_public_keys_come_as_pem_or_jwks(key, algorithm):
    token = signed({"sub": "7"}, key, algorithm, kid="k1")
    assert verifier([pem_key(public(key), [algorithm])]).connection(token).user == "7"
    kind = jwt.algorithms.get_default_algorithms()[algorithm]
    document = json.loads(kind.to_jwk(key.public_key())) | {"kid": "k1", "alg": algorithm}
    keys = jwks_keys({"keys": [document]})
    assert verifier(keys).connection(token).user == "7"
    with pytest.raises(BadToken):
        verifier(keys).connection(signed({"sub": "7"}, key, algorithm, kid="k2"))


def test_time_audience_and_issuer_are_checked():
    with pytest.raises(TokenExpired):
        verifier().connection(signed({"sub": "1", "exp": NOW}))
    with pytest.raises(BadToken):
        verifier().connection(signed({"sub": "1", "nbf": NOW + 5}))
    strict = verifier(audience="hub", issuer="us")
    good = {"sub": "1", "aud": "hub", "iss": "us"}
    assert strict.connection(signed(good)).user == "1"
    for wrong in ({"aud": "x"}, {"iss": "x"}):
        with pytest.raises(BadToken):
            strict.connection(signed(good | wrong))
    with pytest.raises(BadToken):
        strict.connection(signed({"sub": "1"}))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 1},
        {"exp": "soon"},
        {"exp": True},
        {"channels": {}},
        {"subs": []},
        {"b64info": "?"},
        {"channel": "a"},
    ],
)
def test_claims_of_the_wrong_shape_are_refused(claims):
    with pytest.raises(BadToken):
        verifier().connection(signed({"sub": "1"} | claims))


def test_a_connection_may_outlive_its_token():
    claims = verifier().connection(signed({"sub": "1", "exp": NOW + 5, "expire_at": 0}))
    assert (claims.exp, claims.expire_at) == (NOW + 5, 0)


def authority(**more):
    policies = Policies({"": Policy(presence=True), "open": Policy()})
    house = House(
        personal="",
        leave={"open": Leave(subscribe=True, publish_subscribed=True, history=True)},
        **more,
    )
    return ClaimsAuthority(policies, verifier(), house)


async def outcome(awaitable):
    """What a client would be told: an error code, or a close code."""
    try:
        return await awaitable
    except codes.Refused as refused:
        return refused.error.code
    except codes.HangUp as hang_up:
        return hang_up.end.code


async def test_what_a_bad_connection_token_leads_to():
    house = authority()
    assert await outcome(house.connect(Ask())) == 3501
    assert await outcome(house.connect(Ask(token="x"))) == 3500
    assert await outcome(house.connect(Ask(token=signed({"sub": "1", "exp": 5})))) == 109
    lost = signed({"sub": "1", "channels": ["nowhere:1"]})
    assert await outcome(house.connect(Ask(token=lost))) == 3500
    who = await house.connect(Ask(token=signed({"sub": "1", "info": {"name": "李"}})))
    assert (who.user, list(who.channels)) == ("1", ["#1"])
    assert json.loads(who.info) == {"name": "李"}
    assert await outcome(house.refresh(who, signed({"sub": "2"}))) == 3500
    assert await outcome(house.refresh(who, signed({"sub": "1", "exp": 5}))) == 3005


@pytest.mark.parametrize(
    ("channel", "claims", "expected"),
    [
        ("open:1", None, "granted"),
        ("closed", None, 103),
        ("nowhere:1", None, 102),
        ("$open:1", None, 103),
        ("open:#7,42", None, "granted"),
        ("open:#7", None, 103),
        ("open:#7,42,", None, "granted"),
        ("closed", {"sub": "42", "channel": "closed"}, "granted"),
        ("$open:1", {"sub": "42", "channel": "$open:1"}, "granted"),
        ("closed", {"sub": "42", "channel": "other"}, 3500),
        ("closed", {"sub": "7", "channel": "closed"}, 3500),
        ("closed", {"sub": "42"}, 103),
        ("closed", {"sub": "42", "channel": "closed", "exp": 5}, 109),
    ],
)
async def test_who_may_listen(channel, claims, expected):
    token = signed(claims) if claims else ""
    who = Identity(user="42")
    found = await outcome(authority().subscribe(who, channel, token, b""))
    assert found == expected or (expected == "granted" and not isinstance(found, int))


async def test_nobody_in_particular_is_on_no_list():
    who = Identity(user="")
    assert await outcome(authority().subscribe(who, "open:#,7", "", b"")) == 103


async def test_what_subscribers_and_others_may_do():
    house, who = authority(), Identity(user="42")
    assert await outcome(house.publish(who, "open:1", b"1", subscribed=False)) == 103
    assert await outcome(house.publish(who, "open:1", b"1", subscribed=True)) == b"1"
    assert await outcome(house.history(who, "open:1", subscribed=False)) is None
    assert await outcome(house.presence(who, "open:1", subscribed=True)) == 103
    assert await outcome(house.rpc(who, "x", b"")) == 108


async def test_a_token_may_change_what_its_channel_can_do():
    token = signed(
        {"sub": "42", "channel": "closed", "override": {"presence": {"value": False}}, "info": 5}
    )
    grant = await authority().subscribe(Identity(user="42"), "closed", token, b"")
    assert grant.policy is not None
    assert not grant.policy.presence
    assert grant.chan_info == b"5"
