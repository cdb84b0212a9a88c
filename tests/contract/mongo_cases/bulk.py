"""Bulk writes: counters and errors."""

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne, errors

from tests.contract.mongo_cases.table import case, keys_of, store


@case("mixed bulk_write counters", [1, 2, 2, 1, 1, {2: "up"}])
def mixed_bulk_write_counters(db, coll):
    store(coll, {"_id": 1, "a": 1}, {"_id": 2, "a": 1}, {"_id": 3, "a": 3})
    r = coll.bulk_write(
        [
            InsertOne({"_id": 4}),
            UpdateMany({"a": 1}, {"$set": {"b": 1}}),
            UpdateOne({"_id": "up"}, {"$set": {"x": 1}}, upsert=True),
            DeleteOne({"_id": 3}),
        ]
    )
    return [
        r.inserted_count,
        r.matched_count,
        r.modified_count,
        r.upserted_count,
        r.deleted_count,
        r.upserted_ids,
    ]


@case("ordered stops at error", [1, 1, 11000, [1, 5]])
def ordered_stops_at_error(db, coll):
    coll.insert_one({"_id": 1})
    try:
        coll.bulk_write([InsertOne({"_id": 5}), InsertOne({"_id": 1}), InsertOne({"_id": 6})])
    except errors.BulkWriteError as e:
        return [
            e.details["nInserted"],
            e.details["writeErrors"][0]["index"],
            e.details["writeErrors"][0]["code"],
            sorted(keys_of(coll.find())),
        ]


@case("unordered continues, two errors with right indexes", [2, [1, 3], [1, 5, 6]])
def unordered_continues_two_errors_with_right_indexe(db, coll):
    coll.insert_one({"_id": 1})
    try:
        coll.bulk_write(
            [
                InsertOne({"_id": 5}),
                InsertOne({"_id": 1}),
                InsertOne({"_id": 6}),
                InsertOne({"_id": 5}),
            ],
            ordered=False,
        )
    except errors.BulkWriteError as e:
        return [
            e.details["nInserted"],
            sorted(x["index"] for x in e.details["writeErrors"]),
            sorted(keys_of(coll.find())),
        ]


@case("1000 upserts ($setOnInsert) idempotent twice", [1000, 0, 1000, 1000])
def case_1000_upserts_setoninsert_idempotent_twice(db, coll):
    ops = [
        UpdateOne({"_id": f"n1:{i}"}, {"$setOnInsert": {"r": False}}, upsert=True)
        for i in range(1000)
    ]
    a = coll.bulk_write(ops, ordered=False)
    b = coll.bulk_write(ops, ordered=False)
    return [a.upserted_count, b.upserted_count, b.matched_count, coll.count_documents({})]


@case("update error in bulk keeps index/code", [1, 11000])
def update_error_in_bulk_keeps_index_code(db, coll):
    coll.create_index("u", unique=True)
    store(coll, {"_id": 1, "u": 1}, {"_id": 2, "u": 2})
    try:
        coll.bulk_write(
            [UpdateOne({"_id": 1}, {"$set": {"z": 1}}), UpdateOne({"_id": 2}, {"$set": {"u": 1}})]
        )
    except errors.BulkWriteError as e:
        return [e.details["writeErrors"][0]["index"], e.details["writeErrors"][0]["code"]]


@case("bulk arrayFilters + replace + delete_many", [9, {"_id": 2, "r": 1}, 1])
def bulk_arrayfilters_replace_delete_many(db, coll):
    store(
        coll,
        {"_id": 1, "l": [{"k": 1, "v": 0}]},
        {"_id": 2},
        {"_id": 3, "g": 1},
        {"_id": 4, "g": 1},
    )
    coll.bulk_write(
        [
            UpdateOne({"_id": 1}, {"$set": {"l.$[e].v": 9}}, array_filters=[{"e.k": 1}]),
            ReplaceOne({"_id": 2}, {"r": 1}),
            DeleteMany({"g": 1}),
        ]
    )
    return [
        coll.find_one({"_id": 1})["l"][0]["v"],
        coll.find_one({"_id": 2}),
        coll.count_documents({"_id": {"$ne": 2}}),
    ]
