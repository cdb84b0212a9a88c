"""Updating and upserting: counts, replacements, deletions."""

from bson import ObjectId
from pymongo import errors

from tests.contract.mongo_cases.table import OIDS, Refusal, at, case, store


@case("matched/modified counts: hit, no-op, miss", [[1, 1], [1, 0], [0, 0]])
def matched_modified_counts_hit_no_op_miss(db, coll):
    coll.insert_one({"_id": 1, "a": 1})
    out = []
    for f, u in (
        ({"_id": 1}, {"$set": {"a": 2}}),
        ({"_id": 1}, {"$set": {"a": 2}}),
        ({"_id": 9}, {"$set": {"a": 2}}),
    ):
        r = coll.update_one(f, u)
        out.append([r.matched_count, r.modified_count])
    return out


@case("update_many counts + result", [3, 3, {"x": 7}])
def update_many_counts_result(db, coll):
    store(coll, *[{"_id": i, "g": 1} for i in range(3)], {"_id": 9, "g": 2})
    r = coll.update_many({"g": 1}, {"$set": {"x": 7}})
    return [r.matched_count, r.modified_count, {"x": coll.find_one({"_id": 2})["x"]}]


@case("update_many no-op modified_count 0 for equal docs", [3, 1])
def update_many_no_op_modified_count_0_for_equal_doc(db, coll):
    store(coll, {"_id": 1, "r": True}, {"_id": 2, "r": True}, {"_id": 3, "r": False})
    r = coll.update_many({}, {"$set": {"r": True}})
    return [r.matched_count, r.modified_count]


@case("update_one touches only one", 1)
def update_one_touches_only_one(db, coll):
    store(coll, {"g": 1}, {"g": 1})
    coll.update_one({"g": 1}, {"$set": {"x": 1}})
    return coll.count_documents({"x": 1})


@case(
    "upsert: equality fields + $setOnInsert + $set",
    {"_id": "k", "m": 1, "d": 2, "new": True, "s": 1},
)
def upsert_equality_fields_setoninsert_set(db, coll):
    r = coll.update_one(
        {"_id": "k", "m": 1, "d": {"$eq": 2}},
        {"$setOnInsert": {"new": True}, "$set": {"s": 1}},
        upsert=True,
    )
    assert r.upserted_id == "k", r.upserted_id
    return coll.find_one({"_id": "k"})


@case("upsert generated ObjectId is reported and stored", True)
def upsert_generated_objectid_is_reported_and_stored(db, coll):
    r = coll.update_one({"m": 1}, {"$set": {"s": 1}}, upsert=True)
    return isinstance(r.upserted_id, ObjectId) and coll.find_one({"_id": r.upserted_id}) == {
        "_id": r.upserted_id,
        "m": 1,
        "s": 1,
    }


@case("upsert with ObjectId/datetime equality fields keeps types", [OIDS[0], at(2026, 1, 1)])
def upsert_with_objectid_datetime_equality_fields_ke(db, coll):
    coll.update_one({"o": OIDS[0], "t": at(2026, 1, 1)}, {"$set": {"s": 1}}, upsert=True)
    d = coll.find_one()
    return [d["o"], d["t"]]


@case("upsert dotted equality creates nested", {"n": {"x": 1}, "s": 1})
def upsert_dotted_equality_creates_nested(db, coll):
    coll.update_one({"n.x": 1}, {"$set": {"s": 1}}, upsert=True)
    d = coll.find_one()
    d.pop("_id")
    return d


@case("upsert with range condition does not copy the operator", {"_id": 1, "s": 1})
def upsert_with_range_condition_does_not_copy_the_op(db, coll):
    coll.update_one({"_id": 1, "n": {"$lt": 5}}, {"$set": {"s": 1}}, upsert=True)
    return coll.find_one()


@case("upsert $inc/$push/$addToSet on new doc", {"_id": 1, "l": [1], "n": 1, "s": [2]})
def upsert_inc_push_addtoset_on_new_doc(db, coll):
    coll.update_one(
        {"_id": 1}, {"$inc": {"n": 1}, "$push": {"l": 1}, "$addToSet": {"s": 2}}, upsert=True
    )
    return coll.find_one()


@case("upsert: filter misses but _id exists -> 11000", Refusal(errors.DuplicateKeyError, 11000))
def upsert_filter_misses_but_id_exists_11000(db, coll):
    coll.insert_one({"_id": 1, "rev": 5})
    coll.update_one({"_id": 1, "rev": 4}, {"$set": {"x": 1}}, upsert=True)


@case("optimistic rev: 2nd update matches 0", [1, 0, 3])
def optimistic_rev_2nd_update_matches_0(db, coll):
    coll.insert_one({"_id": 1, "rev": 2})
    u = {"$set": {"a": 1}, "$inc": {"rev": 1}}
    return [
        coll.update_one({"_id": 1, "rev": 2}, u).modified_count,
        coll.update_one({"_id": 1, "rev": 2}, u).modified_count,
        coll.find_one()["rev"],
    ]


@case("replace_one keeps _id, replaces all", {"_id": 1, "z": {"t": at(2026, 1, 1)}})
def replace_one_keeps_id_replaces_all(db, coll):
    coll.insert_one({"_id": 1, "a": 1})
    coll.replace_one({"_id": 1}, {"z": {"t": at(2026, 1, 1)}})
    return coll.find_one()


@case("replace_one upsert with _id", ["k", {"_id": "k", "a": 1}])
def replace_one_upsert_with_id(db, coll):
    r = coll.replace_one({"_id": "k"}, {"a": 1}, upsert=True)
    return [r.upserted_id, coll.find_one()]


@case("replace with rev guard miss", [0, {"_id": 1, "rev": 2}])
def replace_with_rev_guard_miss(db, coll):
    coll.insert_one({"_id": 1, "rev": 2})
    r = coll.replace_one({"_id": 1, "rev": 1}, {"rev": 9})
    return [r.matched_count, coll.find_one()]


@case("delete_one/delete_many counts", [1, 2, 0])
def delete_one_delete_many_counts(db, coll):
    store(coll, {"g": 1}, {"g": 1}, {"g": 1})
    return [
        coll.delete_one({"g": 1}).deleted_count,
        coll.delete_many({"g": 1}).deleted_count,
        coll.delete_many({"g": 1}).deleted_count,
    ]


@case("delete_many datetime range + $in", [2])
def delete_many_datetime_range_in(db, coll):
    store(
        coll,
        {"t": at(2020, 1, 1), "k": "a"},
        {"t": at(2021, 1, 1), "k": "b"},
        {"t": at(2030, 1, 1), "k": "a"},
    )
    return [
        coll.delete_many({"t": {"$lt": at(2025, 1, 1)}, "k": {"$in": ["a", "b"]}}).deleted_count
    ]
