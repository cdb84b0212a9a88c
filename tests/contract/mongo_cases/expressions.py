"""Aggregation expressions."""

from bson import ObjectId
from pymongo import errors

from tests.contract.mongo_cases.table import BY_ID, GOODS, OIDS, Refusal, at, pipeline

pipeline(
    "$dateToString Asia/Shanghai",
    [{"_id": 1, "t": at(2026, 1, 31, 20)}],
    [
        {
            "$project": {
                "d": {
                    "$dateToString": {
                        "format": "%Y-%m-%d %H:%M",
                        "date": "$t",
                        "timezone": "Asia/Shanghai",
                    }
                }
            }
        }
    ],
    [{"_id": 1, "d": "2026-02-01 04:00"}],
)

pipeline(
    "$dateToString +08:00",
    [{"_id": 1, "t": at(2026, 1, 31, 20)}],
    [
        {
            "$project": {
                "d": {"$dateToString": {"format": "%Y-%m-%d", "date": "$t", "timezone": "+08:00"}}
            }
        }
    ],
    [{"_id": 1, "d": "2026-02-01"}],
)

pipeline(
    "$dateToString UTC",
    [{"_id": 1, "t": at(2026, 1, 31, 20, 1, 2, 3000)}],
    [{"$project": {"d": {"$dateToString": {"format": "%Y-%m-%dT%H:%M:%S.%LZ", "date": "$t"}}}}],
    [{"_id": 1, "d": "2026-01-31T20:01:02.003Z"}],
)

pipeline(
    "$group by $dateToString Asia/Shanghai",
    GOODS,
    [
        {
            "$group": {
                "_id": {
                    "$dateToString": {
                        "format": "%Y-%m-%d",
                        "date": "$t",
                        "timezone": "Asia/Shanghai",
                    }
                },
                "n": {"$sum": 1},
            }
        },
        BY_ID,
    ],
    [{"_id": "2026-02-01", "n": 2}, {"_id": "2026-02-02", "n": 1}],
)

pipeline(
    "$dateTrunc day Asia/Shanghai",
    [{"_id": 1, "t": at(2026, 1, 31, 20)}],
    [
        {
            "$project": {
                "d": {"$dateTrunc": {"date": "$t", "unit": "day", "timezone": "Asia/Shanghai"}}
            }
        }
    ],
    [{"_id": 1, "d": at(2026, 1, 31, 16)}],
)

pipeline(
    "$dateTrunc hour UTC",
    [{"_id": 1, "t": at(2026, 1, 31, 20, 45)}],
    [{"$project": {"d": {"$dateTrunc": {"date": "$t", "unit": "hour"}}}}],
    [{"_id": 1, "d": at(2026, 1, 31, 20)}],
)

pipeline(
    "$group by $dateTrunc day Asia/Shanghai",
    GOODS,
    [
        {
            "$group": {
                "_id": {"$dateTrunc": {"date": "$t", "unit": "day", "timezone": "Asia/Shanghai"}},
                "n": {"$sum": 1},
            }
        },
        BY_ID,
    ],
    [{"_id": at(2026, 1, 31, 16), "n": 2}, {"_id": at(2026, 2, 1, 16), "n": 1}],
)

pipeline(
    "$year/$month/$dayOfMonth/$hour UTC",
    [{"_id": 1, "t": at(2026, 1, 31, 20)}],
    [
        {
            "$project": {
                "y": {"$year": "$t"},
                "m": {"$month": "$t"},
                "d": {"$dayOfMonth": "$t"},
                "h": {"$hour": "$t"},
                "w": {"$dayOfWeek": "$t"},
            }
        }
    ],
    [{"_id": 1, "y": 2026, "m": 1, "d": 31, "h": 20, "w": 7}],
)

pipeline(
    "$hour with timezone",
    [{"_id": 1, "t": at(2026, 1, 31, 20)}],
    [{"$project": {"h": {"$hour": {"date": "$t", "timezone": "Asia/Shanghai"}}}}],
    [{"_id": 1, "h": 4}],
)

pipeline(
    "$dateDiff / $dateAdd",
    [{"_id": 1, "a": at(2026, 1, 1), "b": at(2026, 1, 3)}],
    [
        {
            "$project": {
                "n": {"$dateDiff": {"startDate": "$a", "endDate": "$b", "unit": "day"}},
                "c": {"$dateAdd": {"startDate": "$a", "unit": "hour", "amount": 5}},
            }
        }
    ],
    [{"_id": 1, "n": 2, "c": at(2026, 1, 1, 5)}],
)

pipeline(
    "$subtract dates = ms",
    [{"_id": 1, "a": at(2026, 1, 1), "b": at(2026, 1, 1, 0, 0, 1)}],
    [{"$project": {"n": {"$subtract": ["$b", "$a"]}}}],
    [{"_id": 1, "n": 1000}],
)

pipeline(
    "$$NOW is a date",
    [{"_id": 1}],
    [{"$project": {"x": {"$type": "$$NOW"}}}],
    [{"_id": 1, "x": "date"}],
)

pipeline(
    "$cond/$switch/$ifNull/$eq",
    [{"_id": 1, "a": 5}],
    [
        {
            "$project": {
                "c": {"$cond": {"if": {"$gt": ["$a", 3]}, "then": "hi", "else": "lo"}},
                "s": {
                    "$switch": {
                        "branches": [{"case": {"$eq": ["$a", 5]}, "then": "five"}],
                        "default": "?",
                    }
                },
                "n": {"$ifNull": ["$zz", "none"]},
            }
        }
    ],
    [{"_id": 1, "c": "hi", "s": "five", "n": "none"}],
)

pipeline(
    "$filter/$map/$reduce/$in/$arrayElemAt",
    [{"_id": 1, "l": [1, 2, 3, 4]}],
    [
        {
            "$project": {
                "f": {"$filter": {"input": "$l", "as": "x", "cond": {"$gt": ["$$x", 2]}}},
                "m": {"$map": {"input": "$l", "as": "x", "in": {"$multiply": ["$$x", 2]}}},
                "r": {
                    "$reduce": {
                        "input": "$l",
                        "initialValue": 0,
                        "in": {"$add": ["$$value", "$$this"]},
                    }
                },
                "i": {"$in": [3, "$l"]},
                "e": {"$arrayElemAt": ["$l", -1]},
            }
        }
    ],
    [{"_id": 1, "f": [3, 4], "m": [2, 4, 6, 8], "r": 10, "i": True, "e": 4}],
)

pipeline(
    "$filter array of docs",
    [{"_id": 1, "l": [{"u": 1, "t": at(2026, 1, 1)}, {"u": 2, "t": at(2025, 1, 1)}]}],
    [{"$project": {"f": {"$filter": {"input": "$l", "as": "x", "cond": {"$eq": ["$$x.u", 2]}}}}}],
    [{"_id": 1, "f": [{"u": 2, "t": at(2025, 1, 1)}]}],
)

pipeline(
    "$concat/$toUpper/$substrCP/$strLenCP Chinese",
    [{"_id": 1, "s": "人大代表abc"}],
    [
        {
            "$project": {
                "c": {"$concat": ["<", "$s", ">"]},
                "u": {"$toUpper": "$s"},
                "p": {"$substrCP": ["$s", 0, 2]},
                "n": {"$strLenCP": "$s"},
            }
        }
    ],
    [{"_id": 1, "c": "<人大代表abc>", "u": "人大代表ABC", "p": "人大", "n": 7}],
)

pipeline(
    "$toString ObjectId / $toDate / $toInt / $toObjectId",
    [{"_id": OIDS[0], "n": "5"}],
    [
        {
            "$project": {
                "_id": 0,
                "s": {"$toString": "$_id"},
                "i": {"$toInt": "$n"},
                "o": {"$toObjectId": f"{7:024x}"},
            }
        }
    ],
    [{"s": f"{1:024x}", "i": 5, "o": ObjectId(f"{7:024x}")}],
)

pipeline(
    "$objectToArray/$arrayToObject",
    [{"_id": 1, "v": {"a": "yes", "b": "no"}}],
    [{"$project": {"l": {"$objectToArray": "$v"}}}],
    [{"_id": 1, "l": [{"k": "a", "v": "yes"}, {"k": "b", "v": "no"}]}],
)

pipeline(
    "votes map -> counts ($objectToArray+$unwind+$group)",
    [{"_id": 1, "v": {"a": "yes", "b": "no", "c": "yes"}}],
    [
        {"$project": {"l": {"$objectToArray": "$v"}}},
        {"$unwind": "$l"},
        {"$group": {"_id": "$l.v", "n": {"$sum": 1}}},
        BY_ID,
    ],
    [{"_id": "no", "n": 1}, {"_id": "yes", "n": 2}],
)

pipeline(
    "$divide/$round/$trunc/$mod/$abs",
    [{"_id": 1, "a": 7, "b": 2}],
    [
        {
            "$project": {
                "d": {"$divide": ["$a", "$b"]},
                "r": {"$round": [{"$divide": ["$a", 3]}, 2]},
                "m": {"$mod": ["$a", "$b"]},
                "s": {"$subtract": ["$b", "$a"]},
            }
        }
    ],
    [{"_id": 1, "d": 3.5, "r": 2.33, "m": 1, "s": -5}],
)

pipeline(
    "$setUnion/$setIntersection/$setDifference size",
    [{"_id": 1, "a": [1, 2, 3], "b": [2, 3, 4]}],
    [
        {
            "$project": {
                "u": {"$size": {"$setUnion": ["$a", "$b"]}},
                "i": {"$size": {"$setIntersection": ["$a", "$b"]}},
                "d": {"$setDifference": ["$a", "$b"]},
            }
        }
    ],
    [{"_id": 1, "u": 4, "i": 2, "d": [1]}],
)

pipeline(
    "$regexMatch Chinese",
    [{"_id": 1, "s": "教育局"}],
    [{"$project": {"m": {"$regexMatch": {"input": "$s", "regex": "教育"}}}}],
    [{"_id": 1, "m": True}],
)

pipeline(
    "$redact/$getField/$literal",
    [{"_id": 1, "a": 1}],
    [{"$project": {"l": {"$literal": "$a"}, "g": {"$getField": "a"}}}],
    [{"_id": 1, "l": "$a", "g": 1}],
)

pipeline(
    "unknown expression -> error 168",
    GOODS,
    [{"$project": {"x": {"$nope": 1}}}],
    Refusal(errors.OperationFailure),
)
