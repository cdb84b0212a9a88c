"""Query operators."""

import re
from datetime import timedelta, timezone

from bson import Decimal128
from pymongo import errors
from pymongo.collation import Collation

from tests.contract.mongo_cases.table import (
    OIDS,
    TIMES,
    Refusal,
    Unordered,
    at,
    case,
    keys_of,
    query,
    store,
)

MIXED = [
    {"_id": 1, "a": 1},
    {"_id": 2, "a": 5},
    {"_id": 3, "a": None},
    {"_id": 4},
    {"_id": 5, "a": "5"},
    {"_id": 6, "a": [5, 9]},
]

query("equality (type bracketing; array contains)", MIXED, {"a": 5}, [2, 6])

query("$eq", MIXED, {"a": {"$eq": 5}}, [2, 6])

query("$ne", MIXED, {"a": {"$ne": 5}}, [1, 3, 4, 5])

query("$gt only same type", MIXED, {"a": {"$gt": 1}}, [2, 6])

query("$gte/$lt on array: any element", MIXED, {"a": {"$gte": 6}}, [6])

query("null matches missing", MIXED, {"a": None}, [3, 4])

query("$exists true", MIXED, {"a": {"$exists": True}}, [1, 2, 3, 5, 6])

query("$exists false", MIXED, {"a": {"$exists": False}}, [4])

query("$in with null", MIXED, {"a": {"$in": [None, 1]}}, [1, 3, 4])

query("$nin", MIXED, {"a": {"$nin": [5, None]}}, [1, 5])

query("$type string / number alias", MIXED, {"a": {"$type": "string"}}, [5])

query("$type 'number' (array elements count)", MIXED, {"a": {"$type": "number"}}, [1, 2, 6])

query("$not", MIXED, {"a": {"$not": {"$gt": 1}}}, [1, 3, 4, 5])

query(
    "$or / $and / $nor",
    MIXED,
    {"$or": [{"a": 1}, {"$and": [{"a": {"$gte": 5}}, {"_id": {"$lt": 6}}]}], "$nor": [{"_id": 1}]},
    [2],
)

query("$mod", MIXED, {"a": {"$mod": [5, 0]}}, [2, 6])

query("$in empty list", MIXED, {"a": {"$in": []}}, [])

query(
    "$and empty implicit: same field twice",
    MIXED,
    {"$and": [{"a": {"$gt": 0}}, {"a": {"$lt": 5}}]},
    [1],
)

TAGS = [
    {"_id": 1, "t": ["a", "b"]},
    {"_id": 2, "t": ["b", "a"]},
    {"_id": 3, "t": "a"},
    {"_id": 4, "t": []},
    {"_id": 5, "t": [["a", "b"]]},
    {"_id": 6},
]

query("array contains scalar", TAGS, {"t": "a"}, [1, 2, 3])

query("exact array", TAGS, {"t": ["a", "b"]}, [1, 5])

query("$all", TAGS, {"t": {"$all": ["a", "b"]}}, [1, 2])

query("$size", TAGS, {"t": {"$size": 0}}, [4])

query("index into array t.0", TAGS, {"t.0": "a"}, [1])

query("$ne on array (no element equal)", TAGS, {"t": {"$ne": "a"}}, [4, 5, 6])

query("$nin on array", TAGS, {"t": {"$nin": ["a"]}}, [4, 5, 6])

query("$in on array", TAGS, {"t": {"$in": ["b", "z"]}}, [1, 2])

ITEMS = [
    {"_id": 1, "i": [{"s": "a", "q": 5}, {"s": "b", "q": 50}]},
    {"_id": 2, "i": [{"s": "a", "q": 50}]},
    {"_id": 3, "i": {"s": "a", "q": 7}},
    {"_id": 4, "i": []},
]

query("dotted path into array of docs", ITEMS, {"i.s": "a"}, [1, 2, 3])

query("two dotted conditions (may be different elements)", ITEMS, {"i.s": "a", "i.q": 50}, [1, 2])

query("$elemMatch docs", ITEMS, {"i": {"$elemMatch": {"s": "a", "q": {"$gte": 50}}}}, [2])

query("dotted $in into array of docs", ITEMS, {"i.q": {"$in": [7, 5]}}, [1, 3])

query("dotted index i.0.q", ITEMS, {"i.0.q": {"$gt": 10}}, [2])

query("dotted $ne into array of docs", ITEMS, {"i.s": {"$ne": "b"}}, [2, 3, 4])

query("dotted $exists", ITEMS, {"i.q": {"$exists": True}}, [1, 2, 3])

query(
    "$elemMatch scalars",
    [{"_id": 1, "r": [82, 85, 88]}, {"_id": 2, "r": [75, 88, 89]}],
    {"r": {"$elemMatch": {"$gte": 80, "$lt": 85}}},
    [1],
)

query(
    "range on array without $elemMatch (different elements)",
    [{"_id": 1, "r": [1, 100]}, {"_id": 2, "r": [50]}],
    {"r": {"$gt": 10, "$lt": 60}},
    [1, 2],
)

query(
    "nested doc equality is exact & ordered",
    [
        {"_id": 1, "d": {"a": 1, "b": 2}},
        {"_id": 2, "d": {"b": 2, "a": 1}},
        {"_id": 3, "d": {"a": 1}},
    ],
    {"d": {"a": 1, "b": 2}},
    [1],
)

query(
    "dotted deep", [{"_id": 1, "a": {"b": {"c": 1}}}, {"_id": 2, "a": {"b": 1}}], {"a.b.c": 1}, [1]
)

TEXTS = [
    {"_id": 1, "s": "Apple"},
    {"_id": 2, "s": "apple pie"},
    {"_id": 3, "s": "关于加强教育投入的议案"},
    {"_id": 4, "s": "教育"},
    {"_id": 5, "s": 5},
    {"_id": 6, "s": ["x", "教育局"]},
    {"_id": 7, "s": "line1\nApple"},
]

query("$regex case-insensitive", TEXTS, {"s": {"$regex": "^apple", "$options": "i"}}, [1, 2])

query("$regex Chinese substring (incl. array element)", TEXTS, {"s": {"$regex": "教育"}}, [3, 4, 6])

query("re.compile", TEXTS, {"s": re.compile("^教育$")}, [4])

query("$regex option m", TEXTS, {"s": {"$regex": "^Apple", "$options": "m"}}, [1, 7])

query("$not regex", TEXTS, {"s": {"$not": re.compile("教育")}}, [1, 2, 5, 7])

query("regex inside $in", TEXTS, {"s": {"$in": [re.compile("^App"), "教育"]}}, [1, 4])

query(
    "regex with quote & backslash escapes",
    [{"_id": 1, "s": "a.b'c"}, {"_id": 2, "s": "axb'c"}],
    {"s": {"$regex": "a\\.b'c"}},
    [1],
)

query(
    "$expr field compare",
    [{"_id": 1, "a": 3, "b": 2}, {"_id": 2, "a": 1, "b": 2}],
    {"$expr": {"$gt": ["$a", "$b"]}},
    [1],
)

query(
    "$expr $size of array",
    [{"_id": 1, "a": [1, 2, 3]}, {"_id": 2, "a": [1]}],
    {"$expr": {"$gte": [{"$size": "$a"}, 2]}},
    [1],
)

query(
    "$expr $in with array field",
    [{"_id": 1, "a": ["x"]}, {"_id": 2, "a": ["y"]}],
    {"$expr": {"$in": ["x", "$a"]}},
    [1],
)

query(
    "datetime range (not strings)",
    TIMES,
    {"t": {"$gte": at(2026, 1, 2), "$lt": at(2026, 2, 1)}},
    [2],
)

query("datetime equality ms", TIMES, {"t": at(2026, 1, 2, 3, 4, 5, 678000)}, [2])

query(
    "datetime tz-aware argument",
    TIMES,
    {"t": {"$gte": at(2026, 1, 2, 11, 4, 5, tzinfo=timezone(timedelta(hours=8)))}},
    [2, 3],
)

query("datetime $in", TIMES, {"t": {"$in": [at(2026, 1, 1), at(2026, 2, 1)]}}, [1, 3])

query(
    "datetime nested path range",
    [{"_id": 1, "x": {"t": at(2026, 1, 1)}}, {"_id": 2, "x": {"t": at(2025, 1, 1)}}],
    {"x.t": {"$gt": at(2025, 6, 1)}},
    [1],
)

query(
    "datetime inside $elemMatch",
    [
        {"_id": 1, "e": [{"k": "a", "t": at(2026, 1, 1)}]},
        {"_id": 2, "e": [{"k": "a", "t": at(2024, 1, 1)}]},
    ],
    {"e": {"$elemMatch": {"k": "a", "t": {"$gte": at(2025, 1, 1)}}}},
    [1],
)

query(
    "datetime in $or + other",
    TIMES,
    {"$or": [{"t": {"$lt": at(2026, 1, 1, 12)}}, {"_id": 3}]},
    [1, 3],
)

query(
    "ObjectId field equality", [{"_id": i, "o": o} for i, o in enumerate(OIDS)], {"o": OIDS[2]}, [2]
)

query("ObjectId in array", [{"_id": i, "o": [o]} for i, o in enumerate(OIDS)], {"o": OIDS[2]}, [2])

query(
    "ObjectId $in",
    [{"_id": i, "o": o} for i, o in enumerate(OIDS)],
    {"o": {"$in": [OIDS[0], OIDS[3]]}},
    [0, 3],
)

query(
    "ObjectId $ne",
    [{"_id": i, "o": o} for i, o in enumerate(OIDS)],
    {"o": {"$ne": OIDS[0]}},
    [1, 2, 3],
)

query(
    "ObjectId nested path",
    [{"_id": i, "o": {"u": o}} for i, o in enumerate(OIDS)],
    {"o.u": OIDS[1]},
    [1],
)


@case("_id ObjectId $gt + sort + limit (cursor pagination)", OIDS[2:4])
def id_objectid_gt_sort_limit_cursor_pagination(db, coll):
    store(coll, *[{"_id": o} for o in OIDS])
    return keys_of(coll.find({"_id": {"$gt": OIDS[1]}}).sort("_id", 1).limit(2))


@case("_id $in ObjectIds", Unordered([OIDS[0], OIDS[3]]))
def id_in_objectids(db, coll):
    store(coll, *[{"_id": o} for o in OIDS])
    return keys_of(coll.find({"_id": {"$in": [OIDS[0], OIDS[3]]}}))


@case("_id str $gt range + sort", ["b", "c"])
def id_str_gt_range_sort(db, coll):
    store(coll, *[{"_id": x} for x in "dcba"])
    return keys_of(coll.find({"_id": {"$gt": "a", "$lt": "d"}}).sort("_id", 1))


query(
    "Binary equality",
    [{"_id": 1, "h": b"\x01\x02"}, {"_id": 2, "h": b"\x01\x03"}],
    {"h": b"\x01\x02"},
    [1],
)

query(
    "Decimal128 range",
    [{"_id": 1, "d": Decimal128("1.5")}, {"_id": 2, "d": Decimal128("10.5")}, {"_id": 3, "d": 2}],
    {"d": {"$gt": Decimal128("1.6")}},
    [2, 3],
)

query("bool is not int", [{"_id": 1, "a": True}, {"_id": 2, "a": 1}], {"a": True}, [1])

query(
    "bool query 1 does not match true", [{"_id": 1, "a": True}, {"_id": 2, "a": 1}], {"a": 1}, [2]
)

query("int 1 equals 1.0", [{"_id": 1, "a": 1}, {"_id": 2, "a": 1.0}], {"a": 1}, [1, 2])

query("$bitsAllSet", [{"_id": 1, "a": 5}, {"_id": 2, "a": 2}], {"a": {"$bitsAllSet": 4}}, [1])

query(
    "$jsonSchema required",
    [{"_id": 1, "a": "x"}, {"_id": 2}],
    {"$jsonSchema": {"required": ["a"], "properties": {"a": {"bsonType": "string"}}}},
    [1],
)

query(
    "Chinese field name",
    [{"_id": 1, "姓名": "张三"}, {"_id": 2, "姓名": "李四"}],
    {"姓名": "张三"},
    [1],
)

query(
    "field name with hyphen / space",
    [{"_id": 1, "a-b": {"c d": 1}}, {"_id": 2}],
    {"a-b.c d": 1},
    [1],
)

query(
    "map keyed by hex id (votes.<oid>)",
    [{"_id": 1, "v": {"6b044f4792f551cb8d0493e2": "yes"}}, {"_id": 2, "v": {}}],
    {"v.6b044f4792f551cb8d0493e2": "yes"},
    [1],
)

query(
    "SQL-injection-like field & value",
    [{"_id": 1, "a'b": "x' OR 1=1 --"}, {"_id": 2, "a'b": "y"}],
    {"a'b": "x' OR 1=1 --"},
    [1],
)

query(
    "unknown operator -> OperationFailure 2",
    [{"_id": 1, "a": 1}],
    {"a": {"$foo": 1}},
    Refusal(errors.OperationFailure, 2),
)

query(
    "collation strength 2 (case-insensitive find)",
    [{"_id": 1, "u": "Zhang"}, {"_id": 2, "u": "zhang"}, {"_id": 3, "u": "li"}],
    {"u": "ZHANG"},
    [1, 2],
    collation=Collation("en", strength=2),
)


@case("collation numericOrdering sort", ["2", "10"])
def collation_numericordering_sort(db, coll):
    store(coll, {"v": "10"}, {"v": "2"})
    return [d["v"] for d in coll.find(collation=Collation("en", numericOrdering=True)).sort("v", 1)]


@case("collation zh pinyin sort", ["白", "李", "王", "张"])
def collation_zh_pinyin_sort(db, coll):
    store(coll, *[{"v": x} for x in "张王李白"])
    return [d["v"] for d in coll.find(collation=Collation("zh")).sort("v", 1)]
