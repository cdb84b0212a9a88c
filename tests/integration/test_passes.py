"""Keys, codes and badges at the real hub."""

from __future__ import annotations

import asyncio
import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.passes.code import Document, Flaw, verify
from server.checkins import build_passes
from tests.integration.people import ulid, wen, yin

KEYS = "/api/v1/pass-keys"
ADMIN = "/api/v1/admin/pass-keys"
PAPER = Document(ulid(5))


def public(view):
    """The keys of a view, ready to verify with."""
    return {
        it["no"]: Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(it["public"] + "="))
        for it in view["keys"]
    }


async def test_a_new_key_signs_and_the_former_is_believed_until_the_overlap_is_over(hub):
    book = hub.services.passes.keys
    admin = await hub.sign_in(yin)
    old = await book.sign(PAPER)
    made = await admin.call("POST", ADMIN)
    assert (made.status, made.json["no"]) == (201, 2)
    new = await book.sign(PAPER)
    anybody = (await hub.anybody.call("GET", KEYS)).json
    assert [it["no"] for it in anybody["keys"]] == [1, 2]
    assert [verify(code, public(anybody)) for code in (old, new)] == [PAPER, PAPER]
    hub.clock.advance(days=60)
    anybody = (await hub.anybody.call("GET", KEYS)).json
    assert [verify(code, public(anybody)) for code in (old, new)] == [Flaw.BAD_SIGNATURE, PAPER]
    assert await book.verify(old) is Flaw.BAD_SIGNATURE
    audited = await hub.db["audit"].find({"action": "pass_key.make"}, sort=[("_id", 1)])
    assert [(row["by"], row["detail"]["no"]) for row in audited] == [("system", 1), (yin.id, 2)]


async def test_a_revoked_key_is_void_at_once_and_another_signs(hub):
    book, admin = hub.services.passes.keys, await hub.sign_in(yin)
    leaked = await book.sign(PAPER)
    gone = await admin.call("POST", f"{ADMIN}/1/revocation", {"reason": "私钥泄露"})
    assert (gone.status, [it["no"] for it in gone.json["keys"]]) == (200, [2])
    assert await book.verify(leaked) is Flaw.BAD_SIGNATURE
    assert await book.verify(await book.sign(PAPER)) == PAPER
    again = await admin.call("POST", f"{ADMIN}/1/revocation", {"reason": "再次"})
    assert (again.status, again.code) == (409, "bad_state")
    assert (await admin.call("POST", f"{ADMIN}/9/revocation", {"reason": "无"})).status == 404
    deputy = await hub.sign_in(wen)
    assert (await deputy.call("POST", ADMIN)).status == 403
    assert (await deputy.call("POST", f"{ADMIN}/2/revocation", {"reason": "无"})).status == 403


async def test_eight_processes_that_need_the_first_key_agree_on_one(hub):
    ground, rules = hub.hub.ground, hub.services.administration.rules
    books = [build_passes(ground, rules).keys for _ in range(8)]
    codes = await asyncio.gather(*(book.sign(PAPER) for book in books))
    assert await hub.db["pass_key"].count({}) == 1
    assert [await books[0].verify(code) for code in codes] == [PAPER] * 8


async def test_a_private_key_is_nowhere_in_the_clear(hub):
    book = hub.services.passes.keys
    await book.sign(PAPER)
    row = await hub.db["pass_key"].find_one({"_id": 1})
    private = hub.hub.ground.vault.open(row["private_enc"], context="pass_key.private:1")
    assert bytes.fromhex(private) not in row["private_enc"]
    assert private not in str(await hub.db["audit"].find({}))
    assert private not in str(await hub.db["outbox"].find({}))
