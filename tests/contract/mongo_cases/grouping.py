"""Gathering: groups, counts, buckets, facets."""

from tests.contract.mongo_cases.table import (
    BY_ID,
    GOODS,
    OIDS,
    TIMES,
    aggregated,
    at,
    case,
    pipeline,
    store,
)

pipeline(
    "$match+$group $sum/$avg/$min/$max/count",
    GOODS,
    [
        {"$match": {"q": {"$gt": 0}}},
        {
            "$group": {
                "_id": "$k",
                "s": {"$sum": "$q"},
                "a": {"$avg": "$q"},
                "mn": {"$min": "$q"},
                "mx": {"$max": "$q"},
                "n": {"$sum": 1},
            }
        },
        BY_ID,
    ],
    [
        {"_id": "a", "s": 7, "a": 3.5, "mn": 2, "mx": 5, "n": 2},
        {"_id": "b", "s": 1, "a": 1.0, "mn": 1, "mx": 1, "n": 1},
    ],
)

pipeline(
    "$group _id null + $count accumulator",
    GOODS,
    [{"$group": {"_id": None, "n": {"$count": {}}, "t": {"$sum": {"$multiply": ["$q", "$p"]}}}}],
    [{"_id": None, "n": 3, "t": 10.0}],
)

pipeline(
    "$group $push/$addToSet/$first/$last after $sort",
    GOODS,
    [
        {"$sort": {"q": -1}},
        {
            "$group": {
                "_id": "$k",
                "l": {"$push": "$q"},
                "f": {"$first": "$_id"},
                "z": {"$last": "$_id"},
            }
        },
        BY_ID,
    ],
    [{"_id": "a", "l": [5, 2], "f": 3, "z": 1}, {"_id": "b", "l": [1], "f": 2, "z": 2}],
)

pipeline(
    "$group $push of documents",
    GOODS,
    [
        {"$sort": {"_id": 1}},
        {"$group": {"_id": "$k", "l": {"$push": {"i": "$_id", "t": "$t"}}}},
        BY_ID,
    ],
    [
        {"_id": "a", "l": [{"i": 1, "t": at(2026, 1, 31, 20)}, {"i": 3, "t": at(2026, 2, 1, 17)}]},
        {"_id": "b", "l": [{"i": 2, "t": at(2026, 2, 1, 1)}]},
    ],
)

pipeline(
    "$group $push $$ROOT",
    GOODS,
    [{"$match": {"_id": 2}}, {"$group": {"_id": "$k", "l": {"$push": "$$ROOT"}}}],
    [
        {
            "_id": "b",
            "l": [{"_id": 2, "k": "b", "q": 1, "p": 2.0, "t": at(2026, 2, 1, 1), "tags": ["x"]}],
        }
    ],
)

pipeline(
    "$group compound _id",
    GOODS,
    [
        {"$group": {"_id": {"k": "$k", "m": {"$month": "$t"}}, "n": {"$sum": 1}}},
        {"$sort": {"_id.k": 1, "_id.m": 1}},
    ],
    [
        {"_id": {"k": "a", "m": 1}, "n": 1},
        {"_id": {"k": "a", "m": 2}, "n": 1},
        {"_id": {"k": "b", "m": 2}, "n": 1},
    ],
)

pipeline(
    "$group $sum of $cond",
    GOODS,
    [{"$group": {"_id": None, "big": {"$sum": {"$cond": [{"$gte": ["$q", 2]}, 1, 0]}}}}],
    [{"_id": None, "big": 2}],
)

pipeline(
    "$group $max datetime keeps type",
    GOODS,
    [{"$group": {"_id": None, "m": {"$max": "$t"}}}],
    [{"_id": None, "m": at(2026, 2, 1, 17)}],
)

pipeline(
    "$group by ObjectId field keeps type",
    [{"_id": 1, "o": OIDS[0]}, {"_id": 2, "o": OIDS[0]}],
    [{"$group": {"_id": "$o", "n": {"$sum": 1}}}],
    [{"_id": OIDS[0], "n": 2}],
)

pipeline(
    "$group by datetime field keeps type",
    [{"_id": 1, "o": at(2026, 1, 1)}],
    [{"$group": {"_id": "$o", "n": {"$sum": 1}}}],
    [{"_id": at(2026, 1, 1), "n": 1}],
)

pipeline(
    "$group by bool / null / missing",
    [{"_id": 1, "b": True}, {"_id": 2, "b": False}, {"_id": 3}, {"_id": 4, "b": None}],
    [{"$group": {"_id": "$b", "n": {"$sum": 1}}}, {"$sort": {"n": -1, "_id": 1}}],
    [{"_id": None, "n": 2}, {"_id": False, "n": 1}, {"_id": True, "n": 1}],
)

pipeline(
    "$addToSet ObjectId type",
    [{"_id": 1, "o": OIDS[0]}, {"_id": 2, "o": OIDS[0]}],
    [{"$group": {"_id": None, "s": {"$addToSet": "$o"}}}],
    [{"_id": None, "s": [OIDS[0]]}],
)

pipeline(
    "$unwind (drops empty) + $group",
    GOODS,
    [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "n": {"$sum": 1}}}, BY_ID],
    [{"_id": "x", "n": 2}, {"_id": "y", "n": 1}],
)

pipeline("$count", GOODS, [{"$match": {"k": "a"}}, {"$count": "n"}], [{"n": 2}])

pipeline("$count with no match -> empty", GOODS, [{"$match": {"k": "zz"}}, {"$count": "n"}], [])

pipeline(
    "$sortByCount",
    GOODS,
    [{"$sortByCount": "$k"}],
    [{"_id": "a", "count": 2}, {"_id": "b", "count": 1}],
)

pipeline(
    "$bucket",
    [{"_id": i, "v": v} for i, v in enumerate([5, 15, 25, 95])],
    [
        {
            "$bucket": {
                "groupBy": "$v",
                "boundaries": [0, 10, 30],
                "default": "other",
                "output": {"n": {"$sum": 1}},
            }
        }
    ],
    [{"_id": 0, "n": 1}, {"_id": 10, "n": 2}, {"_id": "other", "n": 1}],
)

pipeline(
    "$bucket with datetime boundaries",
    TIMES[:3],
    [
        {
            "$bucket": {
                "groupBy": "$t",
                "boundaries": [at(2026, 1, 1), at(2026, 2, 1), at(2026, 3, 1)],
                "output": {"n": {"$sum": 1}},
            }
        }
    ],
    [{"_id": at(2026, 1, 1), "n": 2}, {"_id": at(2026, 2, 1), "n": 1}],
)

pipeline(
    "$bucketAuto",
    [{"_id": i, "v": i} for i in range(4)],
    [{"$bucketAuto": {"groupBy": "$v", "buckets": 2}}],
    [{"_id": {"min": 0, "max": 2}, "count": 2}, {"_id": {"min": 2, "max": 3}, "count": 2}],
)

pipeline(
    "$facet",
    GOODS,
    [
        {
            "$facet": {
                "n": [{"$count": "c"}],
                "k": [{"$group": {"_id": "$k", "s": {"$sum": "$q"}}}, BY_ID],
                "top": [{"$sort": {"q": -1}}, {"$limit": 1}, {"$project": {"q": 1}}],
            }
        }
    ],
    [
        {
            "n": [{"c": 3}],
            "k": [{"_id": "a", "s": 7}, {"_id": "b", "s": 1}],
            "top": [{"_id": 3, "q": 5}],
        }
    ],
)

pipeline(
    "$topN / $firstN accumulators",
    [{"_id": 1, "v": 3}, {"_id": 2, "v": 9}, {"_id": 3, "v": 5}],
    [{"$group": {"_id": None, "t": {"$topN": {"n": 2, "sortBy": {"v": -1}, "output": "$v"}}}}],
    [{"_id": None, "t": [9, 5]}],
)

pipeline(
    "$percentile (7.0)",
    [{"_id": i, "v": i} for i in range(1, 11)],
    [
        {
            "$group": {
                "_id": None,
                "p": {"$percentile": {"input": "$v", "p": [0.5], "method": "approximate"}},
            }
        }
    ],
    [{"_id": None, "p": [5.0]}],
)


@case("$sum over 10 000 docs grouped by 100 keys", [100, 10000])
def sum_over_10_000_docs_grouped_by_100_keys(db, coll):
    store(coll, *[{"_id": i, "k": i % 100} for i in range(10000)])
    r = aggregated(coll, {"$group": {"_id": "$k", "n": {"$sum": 1}}})
    return [len(r), sum(x["n"] for x in r)]
