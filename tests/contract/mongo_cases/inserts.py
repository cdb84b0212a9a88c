"""Inserting."""

from bson import ObjectId
from pymongo import errors

from tests.contract.mongo_cases.table import Refusal, case, keys_of


@case("insert_one generates ObjectId", True)
def insert_one_generates_objectid(db, coll):
    r = coll.insert_one({"a": 1})
    return isinstance(r.inserted_id, ObjectId) and coll.find_one({"_id": r.inserted_id})["a"] == 1


@case("duplicate _id -> DuplicateKeyError 11000", Refusal(errors.DuplicateKeyError, 11000))
def duplicate_id_duplicatekeyerror_11000(db, coll):
    coll.insert_one({"_id": 1})
    coll.insert_one({"_id": 1})


@case("insert_many ordered: stops at first dup (nInserted, index, code)", [1, 1, 11000, [1, 2]])
def insert_many_ordered_stops_at_first_dup_ninserted(db, coll):
    coll.insert_one({"_id": 2})
    try:
        coll.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3}])
    except errors.BulkWriteError as e:
        return [
            e.details["nInserted"],
            e.details["writeErrors"][0]["index"],
            e.details["writeErrors"][0]["code"],
            sorted(keys_of(coll.find())),
        ]


@case("insert_many unordered: continues", [2, 1, [1, 2, 3]])
def insert_many_unordered_continues(db, coll):
    coll.insert_one({"_id": 2})
    try:
        coll.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3}], ordered=False)
    except errors.BulkWriteError as e:
        return [e.details["nInserted"], len(e.details["writeErrors"]), sorted(keys_of(coll.find()))]


@case("insert_many 5000 docs", 5000)
def insert_many_5000_docs(db, coll):
    coll.insert_many([{"_id": i, "a": i % 7} for i in range(5000)])
    return coll.count_documents({})
