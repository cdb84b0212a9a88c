"""The indexes of every collection, declared in one flat table and made when the hub starts.

Names are part of the declaration: an index that exists with other keys or options stops the start
with a sentence saying which, because only a migration may drop an index. Indexes that nobody
declared are logged and left alone. Only what both engines do alike is used: compound, unique,
partial and expiring indexes; no text, no collation.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel

from storage.client import Database
from storage.errors import Duplicate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """One index.

    Attributes:
        collection: Where.
        name: Its name, unique in the collection.
        keys: ``("field", 1)`` or ``("field", -1)`` pairs, in order.
        unique: Whether two documents may not share a key.
        partial: Only documents that match this are in the index.
        expire_after: Seconds after the date in the (only) key at which the server removes the
            document; always ask for the date in queries as well, the server is up to a minute late.
    """

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    expire_after: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options as the server lists them, without those that are off."""
        options: dict[str, Any] = {}
        if self.unique:
            options["unique"] = True
        if self.partial is not None:
            options["partialFilterExpression"] = dict(self.partial)
        if self.expire_after is not None:
            options["expireAfterSeconds"] = self.expire_after
        return options

    def model(self) -> IndexModel:
        """Answer the driver's form."""
        return IndexModel(list(self.keys), name=self.name, **self.options)


class IndexRefused(RuntimeError):
    """The indexes cannot be made as declared; the sentence says which and why."""


# Sorted by collection. Owners of stores add their rows here.
INDEXES: tuple[Index, ...] = (
    Index(
        "account",
        "login_name",
        (("login_name", 1),),
        unique=True,
        partial={"login_name": {"$type": "string"}},
    ),
    Index("account", "next_at", (("next_at", 1),), partial={"next_at": {"$type": "date"}}),
    Index(
        "account",
        "openid_h",
        (("openid_h", 1),),
        unique=True,
        partial={"openid_h": {"$type": "string"}},
    ),
    Index(
        "account",
        "phone_h",
        (("phone_h", 1),),
        unique=True,
        partial={"phone_h": {"$type": "string"}},
    ),
    Index("agenda_item", "untold", (("result.untold", 1),), partial={"result.untold": True}),
    Index("agenda_item", "paper", (("papers.id", 1),)),
    Index("agenda_item", "meeting", (("meeting_id", 1), ("_id", 1))),
    Index("attendance", "meeting", (("m", 1), ("p", 1))),
    Index("attendance", "meeting_state", (("m", 1), ("capacity", 1), ("state", 1))),
    Index("attendance", "person_state", (("p", 1), ("state", 1))),
    Index("attendance", "unbooked", (("unbooked", 1),), partial={"unbooked": True}),
    Index("attendance", "untold", (("untold", 1),), partial={"untold": True}),
    Index("audit", "at", (("at", -1),)),
    Index("audit", "by_seq", (("by", 1), ("_id", -1))),
    Index("audit", "obj_seq", (("obj", 1), ("_id", -1))),
    Index(
        "audit",
        "person_seq",
        (("detail.person", 1), ("_id", -1)),
        partial={"detail.person": {"$type": "string"}},
    ),
    Index("blob.chunks", "files_id_1_n_1", (("files_id", 1), ("n", 1)), unique=True),
    Index("blob.files", "filename_1_uploadDate_1", (("filename", 1), ("uploadDate", 1))),
    Index("break_glass", "person_state", (("person_id", 1), ("state", 1))),
    Index("break_glass", "state_until", (("state", 1), ("open_until", 1))),
    Index("bulk_order", "asked", (("asked_at", 1),), expire_after=90 * 24 * 3600),
    Index("bulk_order", "by", (("by", 1), ("_id", -1))),
    Index("bulk_order", "state_runs", (("state", 1), ("runs_at", 1))),
    Index("checkin", "meeting", (("m", 1), ("eid", -1))),
    Index("checkin", "conflict", (("m", 1), ("eid", -1)), partial={"conflict": True}),
    Index("checkin", "person", (("p", 1), ("at", 1))),
    Index("checkin", "untold", (("untold", 1),), partial={"untold": True}),
    Index("checkin_claim", "at", (("at", 1),), expire_after=86_400),
    Index("checkin_claim", "person", (("p", 1),)),
    Index("committee", "parent_name", (("parent", 1), ("name", 1)), unique=True),
    Index("congress", "name", (("name", 1),), unique=True),
    Index("consent", "cleanup", (("cleanup", 1),), partial={"cleanup": "pending"}),
    Index("consent", "person", (("person_id", 1),)),
    Index("delegation", "parent_name", (("parent", 1), ("name", 1)), unique=True),
    Index("device", "person_key", (("person_id", 1), ("key_h", 1)), unique=True),
    Index("device_token", "meeting", (("meeting_id", 1), ("device_id", 1))),
    Index("digest", "until", (("until", 1),), expire_after=86_400),
    Index("door_note", "meeting", (("m", 1), ("p", 1))),
    Index("door_note", "person", (("p", 1),)),
    Index("duty_record", "meeting", (("m", 1), ("_id", 1))),
    Index("duty_record", "open", (("open", 1), ("m", 1)), partial={"open": True}),
    Index("duty_record", "person", (("p", 1), ("start", -1), ("_id", -1))),
    Index("duty_record", "untold", (("untold", 1),), partial={"untold": True}),
    Index("erasure", "open", (("person_id", 1),), unique=True, partial={"state": "received"}),
    Index("erasure", "person", (("person_id", 1), ("_id", -1))),
    Index("erasure", "state_due", (("state", 1), ("due_at", 1))),
    Index("export_job", "person", (("person_id", 1), ("_id", -1))),
    Index("export_job", "running", (("person_id", 1),), unique=True, partial={"running": True}),
    Index("export_job", "state", (("state", 1), ("_id", 1))),
    Index("face", "state_made", (("state", 1), ("made_at", 1))),
    Index("face", "until", (("until", 1),)),
    Index("face_attempt", "at", (("at", 1),), expire_after=183 * 86_400),
    Index("face_attempt", "person", (("p", 1), ("_id", 1))),
    Index("face_print", "at", (("at", 1),), expire_after=86_400),
    Index("face_tombstone", "person", (("p", 1), ("_id", 1))),
    Index("favourite", "card", (("card_id", 1),)),
    Index("favourite", "person", (("person_id", 1), ("_id", 1))),
    Index("file", "ref", (("ref", 1), ("_id", 1))),
    Index("group", "parent_name", (("parent", 1), ("name", 1)), unique=True),
    Index("hall", "quorum_open", (("quorum.open", 1),)),
    Index("hall", "untold", (("untold", 1),)),
    Index("idempotency", "created", (("created_at", 1),), expire_after=86_400),
    Index(
        "integration_key",
        "open",
        (("open", 1),),
        unique=True,
        partial={"open": {"$type": "string"}},
    ),
    Index("leave", "meeting", (("m", 1), ("_id", 1))),
    Index("leave", "open", (("open", 1),), unique=True, partial={"open": {"$type": "string"}}),
    Index("leave", "person", (("p", 1), ("_id", -1))),
    Index("leave", "state_since", (("state", 1), ("since", 1))),
    Index("leave", "untold", (("untold", 1),), partial={"untold": True}),
    Index("limit", "expires", (("exp", 1),), expire_after=0),
    Index("login_attempt", "until", (("until", 1),)),
    Index("login_session", "person", (("person_id", 1), ("seen_at", -1))),
    Index("login_session", "until", (("until", 1),)),
    Index("login_try", "until", (("until", 1),)),
    Index("meeting", "audience", (("audience", 1), ("starts_at", -1))),
    Index("meeting", "begin", (("starts_at", -1), ("_id", -1))),
    Index("meeting", "state_package", (("state", 1), ("package.state", 1))),
    Index("meeting", "unsettled", (("unsettled", 1),), partial={"unsettled": True}),
    Index("meeting", "untold", (("untold", 1),), partial={"untold": True}),
    Index("notice", "author", (("author_id", 1), ("_id", -1))),
    Index("notice", "fan_due", (("fan.due", 1),), partial={"fan.due": {"$type": "date"}}),
    Index("notice", "key", (("key", 1),), unique=True, partial={"key": {"$type": "string"}}),
    Index("notice", "lineage", (("lineage", 1), ("version", 1)), unique=True),
    Index("notice", "scopes", (("scopes", 1), ("_id", -1))),
    Index("notice", "state", (("state", 1), ("_id", -1))),
    Index("notice", "state_expire", (("state", 1), ("expire_at", 1))),
    Index("notice", "state_publish", (("state", 1), ("publish_at", 1))),
    Index("notice_batch", "made", (("made_at", 1),), expire_after=30 * 86_400),
    Index("notice_template", "state", (("state", 1), ("_id", -1))),
    Index("opinion", "untold", (("untold", 1),), partial={"untold": True}),
    Index("opinion", "meeting", (("meeting_id", 1), ("_id", -1))),
    Index("opinion", "next", (("next_at", 1),), partial={"next_at": {"$type": "date"}}),
    Index("opinion", "org_state", (("org_id", 1), ("state", 1))),
    Index("org", "name", (("name", 1),), unique=True),
    Index("outbox", "at", (("at", 1),), partial={"state": "waiting"}),
    Index("outbox", "done", (("done_at", 1),), expire_after=7 * 86_400),
    Index(
        "outbox", "line", (("line", 1), ("created_at", 1), ("_id", 1)), partial={"state": "waiting"}
    ),
    Index("outbox", "state_due", (("state", 1), ("due", 1), ("_id", 1))),
    Index("participant", "capacity", (("m", 1), ("capacity", 1))),
    Index("participant", "meeting", (("m", 1), ("p", 1))),
    Index("participant", "person", (("p", 1), ("_id", -1))),
    Index("pass", "meeting", (("m", 1), ("serial", 1))),
    Index("pass", "open", (("open", 1),), unique=True, partial={"open": {"$type": "string"}}),
    Index("pass", "person", (("p", 1),)),
    Index("person", "audience_state", (("audience", 1), ("state", 1), ("sort_key", 1))),
    Index(
        "person",
        "deputy_no",
        (("deputy_no", 1),),
        unique=True,
        partial={"deputy_no": {"$type": "string"}},
    ),
    Index(
        "person",
        "mobile_active",
        (("mobile_h", 1),),
        unique=True,
        partial={"mobile_h": {"$type": "string"}, "state": "active"},
    ),
    Index("person", "order", (("state", 1), ("sort_key", 1), ("_id", 1))),
    Index("person", "terms_state", (("_t", 1), ("state", 1), ("sort_key", 1))),
    Index(
        "profile_change",
        "open",
        (("person_id", 1), ("field", 1)),
        unique=True,
        partial={"state": "submitted"},
    ),
    Index("profile_change", "person", (("person_id", 1), ("_id", -1))),
    Index("profile_change", "state_scope", (("state", 1), ("delegation_id", 1), ("_id", 1))),
    Index("receipt", "at", (("at", 1),)),
    Index("receipt", "calling", (("rung", 1), ("deleg", 1), ("pub", 1)), partial={"rung": "call"}),
    Index("receipt", "due", (("due_at", 1),), partial={"due_at": {"$type": "date"}}),
    Index("receipt", "notice", (("n", 1), ("p", 1))),
    Index("receipt", "person", (("p", 1), ("pub", -1), ("_id", -1))),
    Index("receipt", "person_open", (("p", 1), ("open", 1))),
    Index("role_grant", "excl", (("excl", 1),), unique=True, partial={"excl": {"$type": "string"}}),
    Index("role_grant", "open", (("open", 1),), unique=True, partial={"open": {"$type": "string"}}),
    Index("role_grant", "person_state", (("person_id", 1), ("state", 1))),
    Index("role_grant", "role_state", (("role", 1), ("state", 1))),
    Index("role_grant", "state_ended", (("state", 1), ("ended_at", 1))),
    Index("role_grant", "state_until", (("state", 1), ("until", 1))),
    Index("rule_change", "key", (("key", 1), ("_id", -1))),
    Index("rule_change", "state", (("state", 1), ("_id", -1))),
    Index(
        "saved_view",
        "person_list_name",
        (("person_id", 1), ("list", 1), ("name", 1)),
        unique=True,
    ),
    Index("seat", "held", (("held", 1),), unique=True, partial={"held": {"$type": "string"}}),
    Index("seat", "meeting", (("m", 1), ("row", 1), ("col", 1))),
    Index("seat", "person", (("p", 1),)),
    Index("seat", "untold", (("untold", 1),), partial={"untold": True}),
    Index("session", "parent_name", (("parent", 1), ("name", 1)), unique=True),
    Index("speech", "meeting_item", (("m", 1), ("item_id", 1), ("p", 1))),
    Index("speech", "person", (("p", 1), ("started_at", 1))),
    Index("wechat_consent", "person", (("p", 1),)),
)


async def ensure_indexes(db: Database, indexes: Iterable[Index] = INDEXES) -> None:
    """Make the declared indexes that are missing.

    Raises:
        IndexRefused: An index exists with other keys or options, or the data has duplicates.
    """
    declared: dict[str, list[Index]] = defaultdict(list)
    for index in indexes:
        declared[index.collection].append(index)
    existing = set(await db.collections())
    for collection, wanted in declared.items():
        found = await _found(db, collection) if collection in existing else {}
        await _ensure(db, collection, wanted, found)


async def _found(db: Database, collection: str) -> dict[str, Mapping[str, Any]]:
    async with db.raw() as raw:
        cursor = await raw[collection].list_indexes()
        return {row["name"]: row for row in await cursor.to_list()}


async def _ensure(
    db: Database, collection: str, wanted: Sequence[Index], found: Mapping[str, Mapping[str, Any]]
) -> None:
    names = {index.name for index in wanted}
    for name in sorted(found.keys() - names - {"_id_"}):
        log.warning("index %s.%s is not declared; left as it is", collection, name)
    for index in wanted:
        if index.name in found:
            _compare(index, found[index.name])
    missing = [index for index in wanted if index.name not in found]
    if not missing:
        return
    try:
        async with db.raw() as raw:
            await raw[collection].create_indexes([index.model() for index in missing])
    except Duplicate as error:
        raise IndexRefused(await _duplicates(db, collection, missing)) from error


def _compare(index: Index, row: Mapping[str, Any]) -> None:
    keys = tuple((field, int(way)) for field, way in row["key"].items())
    options = {
        key: row[key]
        for key in ("unique", "partialFilterExpression", "expireAfterSeconds", "sparse")
        # Zero seconds is an option too, so this is not a question of truth.
        if row.get(key) is not None and row[key] is not False
    }
    if keys != index.keys or options != index.options:
        raise IndexRefused(
            f"index {index.collection}.{index.name} exists as {dict(keys)} {options}, "
            f"declared is {dict(index.keys)} {index.options}; a migration must drop it first"
        )


async def _duplicates(db: Database, collection: str, missing: Sequence[Index]) -> str:
    """Name the documents that share a key which is to become unique."""
    lines = [f"{collection}: the data has duplicates"]
    for index in missing:
        if not index.unique:
            continue
        key = {field.replace(".", "_"): f"${field}" for field, _ in index.keys}
        groups = await db[collection].aggregate(
            [
                {"$match": dict(index.partial or {})},
                {"$group": {"_id": key, "n": {"$sum": 1}, "ids": {"$push": "$_id"}}},
                {"$match": {"n": {"$gt": 1}}},
                {"$limit": 20},
            ]
        )
        lines += [f"  {index.name} {group['_id']}: {group['ids'][:10]}" for group in groups]
    return "\n".join(lines)
