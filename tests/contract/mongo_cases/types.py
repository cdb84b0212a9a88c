"""Values come back as they went in, with their types."""

import uuid
from datetime import UTC, timedelta, timezone

from bson import Binary, Decimal128, Int64, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from pymongo import errors

from tests.contract.mongo_cases.table import Refusal, at, case, round_trip

round_trip("int32", 42)

round_trip("int64 2**53+1", Int64(2**53 + 1))

round_trip("int64 max", Int64(2**63 - 1))

round_trip("negative int", -7)

round_trip("float 1.0 stays float", 1.0)

round_trip("float 1e300", 1e300)

round_trip("float 0.1", 0.1)

round_trip("bool", True)

round_trip("null", None)

round_trip("Chinese+emoji+NUL-free", "全国人大代表 😀 \"quote' \\ back\n")

round_trip("empty string", "")

round_trip("string that looks like a date", "2026-01-02T03:04:05")

round_trip("string that looks like ObjectId hex", "6b044f4792f551cb8d0493e2")

round_trip("datetime ms (UTC)", at(2026, 1, 2, 3, 4, 5, 678000))

round_trip("datetime whole second", at(2026, 1, 2, 3, 4, 5))

round_trip("datetime 1950", at(1950, 10, 1))

round_trip("ObjectId", ObjectId("6b044f4792f551cb8d0493e2"))

round_trip("Binary(bytes)", b"\x00\xff\x80abc")

round_trip("Binary subtype 128", Binary(b"\x01\x02", 128))

round_trip("UUID as Binary subtype 4", Binary.from_uuid(uuid.UUID(int=5)))

round_trip("Decimal128", Decimal128("123.4500"))

round_trip("Regex", Regex("^a.*中", "i"))

round_trip("Timestamp", Timestamp(1700000000, 3))

round_trip("MinKey", MinKey())

round_trip("empty list", [])

round_trip("empty dict", {})

round_trip("nested list of lists", [[1, [2, "x"]], {"a": [{"b": None}]}])

round_trip("dict shaped like extended JSON {'$oid'} text", {"oid": "x", "type": "date"})

round_trip(
    "dict with keys: Chinese, space, hyphen, digit",
    {"议案": 1, "a b": 2, "a-b": 3, "7": 4, 'q"uote': 5},
)

round_trip("64 kB string", "中" * 21845)

round_trip("float NaN-free inf", float("inf"))


@case("key order kept", ["z", "a", "m", "_id"])
def key_order_kept(db, coll):
    coll.insert_one({"z": 1, "a": 2, "m": 3, "_id": 1})
    k = list(coll.find_one().keys())
    return ["z", "a", "m", "_id"] if k in (["_id", "z", "a", "m"], ["z", "a", "m", "_id"]) else k


@case("key order kept after $set of a new field", ["_id", "z", "a", "new"])
def key_order_kept_after_set_of_a_new_field(db, coll):
    coll.insert_one({"_id": 1, "z": 1, "a": 2})
    coll.update_one({"_id": 1}, {"$set": {"new": 1}})
    return list(coll.find_one().keys())


@case("field name with dot (MongoDB>=5 stores it)", {"_id": 1, "a.b": 1})
def field_name_with_dot_mongodb_5_stores_it(db, coll):
    coll.insert_one({"_id": 1, "a.b": 1})
    return coll.find_one({"_id": 1})


@case("15 MB document", 15 * 1024 * 1024)
def case_15_mb_document(db, coll):
    coll.insert_one({"_id": 1, "v": "x" * (15 * 1024 * 1024)})
    return len(coll.find_one({"_id": 1})["v"])


@case("17 MB document rejected", Refusal(Exception))
def case_17_mb_document_rejected(db, coll):
    coll.insert_one({"_id": 1, "v": "x" * (17 * 1024 * 1024)})


@case("$push past 16 MB rejected by the server", Refusal(errors.WriteError))
def push_past_16_mb_rejected_by_the_server(db, coll):
    coll.insert_one({"_id": 1, "v": ["x" * (9 * 1024 * 1024)]})
    coll.update_one({"_id": 1}, {"$push": {"v": "x" * (9 * 1024 * 1024)}})


@case("subdocument _id: find + duplicate", Refusal(errors.DuplicateKeyError, 11000))
def subdocument_id_find_duplicate(db, coll):
    coll.insert_one({"_id": {"m": 1, "d": 2}})
    assert coll.find_one({"_id": {"m": 1, "d": 2}}) is not None
    coll.insert_one({"_id": {"m": 1, "d": 2}})


@case("string _id that is 24 hex stays str", "str")
def string_id_that_is_24_hex_stays_str(db, coll):
    coll.insert_one({"_id": "6b044f4792f551cb8d0493e2"})
    return type(coll.find_one({"_id": "6b044f4792f551cb8d0493e2"})["_id"]).__name__


@case("int _id and str _id are different keys", 2)
def int_id_and_str_id_are_different_keys(db, coll):
    coll.insert_one({"_id": 1})
    coll.insert_one({"_id": "1"})
    return coll.count_documents({})


@case("datetime _id / Binary _id", [True, True])
def datetime_id_binary_id(db, coll):
    coll.insert_one({"_id": at(2026, 1, 1)})
    coll.insert_one({"_id": Binary(b"ab")})
    return [
        coll.find_one({"_id": at(2026, 1, 1)}) is not None,
        coll.find_one({"_id": Binary(b"ab")}) is not None,
    ]


@case("tz-aware client returns aware datetime", at(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
def tz_aware_client_returns_aware_datetime(db, coll):
    sh = timezone(timedelta(hours=8))
    coll.insert_one({"_id": 1, "t": at(2026, 1, 2, 11, 4, 5, tzinfo=sh)})
    return coll.with_options(codec_options=CodecOptions(tz_aware=True, tzinfo=UTC)).find_one()["t"]
