"""Aggregation stages."""

from pymongo import errors

from tests.contract.mongo_cases.table import (
    BY_ID,
    GOODS,
    OIDS,
    TIMES,
    Refusal,
    aggregated,
    at,
    case,
    pipeline,
    store,
)

pipeline(
    "$unwind preserveNullAndEmptyArrays + includeArrayIndex",
    [{"_id": 1, "t": ["a", "b"]}, {"_id": 2, "t": []}, {"_id": 3}],
    [
        {"$unwind": {"path": "$t", "preserveNullAndEmptyArrays": True, "includeArrayIndex": "i"}},
        {"$sort": {"_id": 1, "i": 1}},
    ],
    [
        {"_id": 1, "t": "a", "i": 0},
        {"_id": 1, "t": "b", "i": 1},
        {"_id": 2, "i": None},
        {"_id": 3, "i": None},
    ],
)

pipeline(
    "$unwind array of docs then $match on field",
    [{"_id": 1, "l": [{"u": 1, "t": at(2026, 1, 1)}, {"u": 2, "t": at(2025, 1, 1)}]}],
    [{"$unwind": "$l"}, {"$match": {"l.t": {"$gte": at(2025, 6, 1)}}}],
    [{"_id": 1, "l": {"u": 1, "t": at(2026, 1, 1)}}],
)

pipeline(
    "$project include/exclude/rename/computed",
    GOODS,
    [
        {"$match": {"_id": 1}},
        {
            "$project": {
                "_id": 0,
                "key": "$k",
                "tot": {"$multiply": ["$q", "$p"]},
                "n": {"$size": "$tags"},
            }
        },
    ],
    [{"key": "a", "tot": 3.0, "n": 2}],
)

pipeline(
    "$addFields/$set + $unset",
    GOODS,
    [{"$match": {"_id": 2}}, {"$set": {"z": {"$add": ["$q", 10]}}}, {"$unset": ["t", "tags", "p"]}],
    [{"_id": 2, "k": "b", "q": 1, "z": 11}],
)

pipeline(
    "$set nested field keeps datetime of others",
    [{"_id": 1, "t": at(2026, 1, 1), "o": OIDS[0], "n": {"a": 1}}],
    [{"$set": {"n.b": 2}}],
    [{"_id": 1, "t": at(2026, 1, 1), "o": OIDS[0], "n": {"a": 1, "b": 2}}],
)

pipeline(
    "$replaceRoot / $mergeObjects",
    [{"_id": 1, "n": {"a": 1}, "m": {"b": 2}}],
    [{"$replaceRoot": {"newRoot": {"$mergeObjects": ["$n", "$m", {"c": 3}]}}}],
    [{"a": 1, "b": 2, "c": 3}],
)

pipeline(
    "$sort $skip $limit",
    GOODS,
    [{"$sort": {"q": -1}}, {"$skip": 1}, {"$limit": 1}, {"$project": {"q": 1}}],
    [{"_id": 1, "q": 2}],
)


@case(
    "$lookup localField/foreignField (ObjectId)",
    [
        {"_id": 1, "u": OIDS[0], "x": [{"_id": OIDS[0], "name": "张三"}]},
        {"_id": 2, "u": OIDS[1], "x": []},
    ],
)
def lookup_localfield_foreignfield_objectid(db, coll):
    f = db[coll.name + "_f"]
    f.insert_one({"_id": OIDS[0], "name": "张三"})
    store(coll, {"_id": 1, "u": OIDS[0]}, {"_id": 2, "u": OIDS[1]})
    return aggregated(
        coll,
        {"$lookup": {"from": f.name, "localField": "u", "foreignField": "_id", "as": "x"}},
        BY_ID,
    )


@case("$lookup on local array of ids", [["a", "b"]])
def lookup_on_local_array_of_ids(db, coll):
    f = db[coll.name + "_f"]
    store(f, {"_id": 1, "n": "a"}, {"_id": 2, "n": "b"}, {"_id": 3, "n": "c"})
    coll.insert_one({"_id": 1, "us": [1, 2]})
    r = aggregated(
        coll, {"$lookup": {"from": f.name, "localField": "us", "foreignField": "_id", "as": "x"}}
    )
    return [sorted(y["n"] for y in d["x"]) for d in r]


@case("$lookup let+pipeline", [{"_id": 1, "x": [{"s": 7}]}])
def lookup_let_pipeline(db, coll):
    f = db[coll.name + "_f"]
    store(f, {"m": 1, "v": 3}, {"m": 1, "v": 4}, {"m": 2, "v": 9})
    coll.insert_one({"_id": 1})
    return aggregated(
        coll,
        {
            "$lookup": {
                "from": f.name,
                "let": {"m": "$_id"},
                "pipeline": [
                    {"$match": {"$expr": {"$eq": ["$m", "$$m"]}}},
                    {"$group": {"_id": None, "s": {"$sum": "$v"}}},
                    {"$project": {"_id": 0}},
                ],
                "as": "x",
            }
        },
    )


@case("$lookup + $unwind + $match on foreign", [{"_id": 1, "n": "a"}])
def lookup_unwind_match_on_foreign(db, coll):
    f = db[coll.name + "_f"]
    store(f, {"_id": 10, "n": "a"}, {"_id": 20, "n": "b"})
    store(coll, {"_id": 1, "f": 10}, {"_id": 2, "f": 20})
    return aggregated(
        coll,
        {"$lookup": {"from": f.name, "localField": "f", "foreignField": "_id", "as": "x"}},
        {"$unwind": "$x"},
        {"$match": {"x.n": "a"}},
        {"$project": {"n": "$x.n"}},
    )


@case("$unionWith", [{"_id": 1}, {"_id": 2}])
def unionwith(db, coll):
    f = db[coll.name + "_f"]
    f.insert_one({"_id": 2})
    coll.insert_one({"_id": 1})
    return aggregated(coll, {"$unionWith": f.name}, BY_ID)


@case("$merge whenMatched merge/insert", [{"_id": 1, "a": 1, "b": 2}, {"_id": 2, "b": 3}])
def merge_whenmatched_merge_insert(db, coll):
    o = db[coll.name + "_o"]
    o.insert_one({"_id": 1, "a": 1})
    store(coll, {"_id": 1, "b": 2}, {"_id": 2, "b": 3})
    aggregated(
        coll,
        {
            "$merge": {
                "into": o.name,
                "on": "_id",
                "whenMatched": "merge",
                "whenNotMatched": "insert",
            }
        },
    )
    return sorted(o.find(), key=lambda d: d["_id"])


@case(
    "$merge whenMatched replace with compound _id (daily rollup)",
    [{"_id": {"d": "2026-02-01", "k": "a"}, "n": 2}],
)
def merge_whenmatched_replace_with_compound_id_daily(db, coll):
    o = db[coll.name + "_o"]
    store(coll, {"_id": 1, "k": "a"}, {"_id": 2, "k": "a"})
    for _ in range(2):
        aggregated(
            coll,
            {"$group": {"_id": {"d": "2026-02-01", "k": "$k"}, "n": {"$sum": 1}}},
            {"$merge": {"into": o.name, "whenMatched": "replace"}},
        )
    return list(o.find())


@case("$out", [{"_id": 1, "a": 1}])
def out(db, coll):
    o = db[coll.name + "_o"]
    coll.insert_one({"_id": 1, "a": 1})
    aggregated(coll, {"$out": o.name})
    return list(o.find())


pipeline(
    "$setWindowFields running sum + rank",
    [{"_id": 1, "k": "a", "v": 3}, {"_id": 2, "k": "a", "v": 5}, {"_id": 3, "k": "b", "v": 1}],
    [
        {
            "$setWindowFields": {
                "partitionBy": "$k",
                "sortBy": {"v": 1},
                "output": {
                    "cum": {"$sum": "$v", "window": {"documents": ["unbounded", "current"]}},
                    "rk": {"$rank": {}},
                },
            }
        },
        BY_ID,
    ],
    [
        {"_id": 1, "k": "a", "v": 3, "cum": 3, "rk": 1},
        {"_id": 2, "k": "a", "v": 5, "cum": 8, "rk": 2},
        {"_id": 3, "k": "b", "v": 1, "cum": 1, "rk": 1},
    ],
)

pipeline(
    "$match with $expr + $in list of ObjectIds",
    [{"_id": 1, "o": OIDS[0], "a": 2, "b": 1}, {"_id": 2, "o": OIDS[1], "a": 0, "b": 1}],
    [
        {"$match": {"o": {"$in": [OIDS[0], OIDS[1]]}, "$expr": {"$gt": ["$a", "$b"]}}},
        {"$project": {"_id": 1}},
    ],
    [{"_id": 1}],
)

pipeline(
    "$match datetime range + $group",
    TIMES[:3],
    [{"$match": {"t": {"$gte": at(2026, 1, 2)}}}, {"$group": {"_id": None, "n": {"$sum": 1}}}],
    [{"_id": None, "n": 2}],
)

pipeline("$sample size", GOODS, [{"$sample": {"size": 2}}, {"$count": "n"}], [{"n": 2}])

pipeline(
    "$densify days",
    [{"_id": 1, "t": at(2026, 1, 1)}, {"_id": 2, "t": at(2026, 1, 3)}],
    [
        {"$densify": {"field": "t", "range": {"step": 1, "unit": "day", "bounds": "full"}}},
        {"$sort": {"t": 1}},
        {"$project": {"_id": 0, "t": 1}},
    ],
    [{"t": at(2026, 1, 1)}, {"t": at(2026, 1, 2)}, {"t": at(2026, 1, 3)}],
)

pipeline(
    "$fill locf",
    [{"_id": 1, "v": 1}, {"_id": 2}, {"_id": 3, "v": 3}],
    [{"$fill": {"sortBy": {"_id": 1}, "output": {"v": {"method": "locf"}}}}],
    [{"_id": 1, "v": 1}, {"_id": 2, "v": 1}, {"_id": 3, "v": 3}],
)

pipeline("unknown stage -> 40324", GOODS, [{"$nope": {}}], Refusal(errors.OperationFailure, 40324))


@case("$graphLookup", [{"_id": 3, "n": 2}])
def graph_lookup(db, coll):
    store(coll, {"_id": 1, "p": None}, {"_id": 2, "p": 1}, {"_id": 3, "p": 2})
    look = {
        "from": coll.name,
        "startWith": "$p",
        "connectFromField": "p",
        "connectToField": "_id",
        "as": "anc",
    }
    return aggregated(
        coll, {"$match": {"_id": 3}}, {"$graphLookup": look}, {"$project": {"n": {"$size": "$anc"}}}
    )
