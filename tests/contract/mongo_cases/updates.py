"""Update operators."""

from datetime import UTC, datetime

from bson import Decimal128, Int64
from pymongo import errors

from tests.contract.mongo_cases.table import OIDS, Refusal, at, case, update

update(
    "$set nested creates path",
    {"a": 1},
    {"$set": {"n.x.y": 5, "b": 2}},
    {"a": 1, "b": 2, "n": {"x": {"y": 5}}},
)

update("$set array element by index", {"l": [1, 2, 3]}, {"$set": {"l.1": 9}}, {"l": [1, 9, 3]})

update(
    "$set field of doc in array by index",
    {"l": [{"a": 1}, {"a": 2}]},
    {"$set": {"l.1.a": 9}},
    {"l": [{"a": 1}, {"a": 9}]},
)

update("$set numeric key in a dict", {"v": {}}, {"$set": {"v.12": "yes"}}, {"v": {"12": "yes"}})

update(
    "$set whole subdocument / list / null / bool",
    {"a": 1},
    {"$set": {"a": {"x": [1, {"y": True}]}, "b": None, "c": False}},
    {"a": {"x": [1, {"y": True}]}, "b": None, "c": False},
)

update(
    "$set datetime/ObjectId/Binary/Decimal nested",
    {},
    {
        "$set": {
            "n.t": at(2026, 1, 1),
            "n.o": OIDS[0],
            "n.b": b"\x00\x01",
            "n.d": Decimal128("1.10"),
        }
    },
    {"n": {"b": b"\x00\x01", "d": Decimal128("1.10"), "o": OIDS[0], "t": at(2026, 1, 1)}},
)

update(
    "$set datetime top-level",
    {"t": at(2025, 1, 1)},
    {"$set": {"t": at(2026, 1, 1, 1, 2, 3, 456000)}},
    {"t": at(2026, 1, 1, 1, 2, 3, 456000)},
)

update(
    "$set Chinese/space/hyphen keys",
    {},
    {"$set": {"议案.a b": 1, "x-y": 2}},
    {"x-y": 2, "议案": {"a b": 1}},
)

update("$set key with quote chars", {}, {"$set": {"m.a'b\"c": 1}}, {"m": {"a'b\"c": 1}})

update("$unset", {"a": 1, "n": {"x": 1, "y": 2}}, {"$unset": {"a": "", "n.x": ""}}, {"n": {"y": 2}})

update(
    "$unset array element -> null", {"l": [1, 2, 3]}, {"$unset": {"l.1": ""}}, {"l": [1, None, 3]}
)

update(
    "$inc existing, missing, nested, negative",
    {"a": 1},
    {"$inc": {"a": 2, "b": 3, "n.c": -1}},
    {"a": 3, "b": 3, "n": {"c": -1}},
)

update("$inc float", {"a": 1}, {"$inc": {"a": 0.5}}, {"a": 1.5})

update("$inc int64", {"a": Int64(2**40)}, {"$inc": {"a": 1}}, {"a": 2**40 + 1})

update("$mul / $mul missing", {"a": 3}, {"$mul": {"a": 2, "b": 5}}, {"a": 6, "b": 0})

update(
    "$min/$max numbers and missing",
    {"a": 5, "b": 5},
    {"$min": {"a": 3, "c": 1}, "$max": {"b": 9}},
    {"a": 3, "b": 9, "c": 1},
)

update(
    "$max datetime", {"t": at(2026, 1, 1)}, {"$max": {"t": at(2026, 6, 1)}}, {"t": at(2026, 6, 1)}
)

update(
    "$min datetime keeps type",
    {"t": at(2026, 1, 1)},
    {"$min": {"t": at(2025, 6, 1)}},
    {"t": at(2025, 6, 1)},
)

update(
    "$rename",
    {"a": 1, "n": {"x": 2}},
    {"$rename": {"a": "z", "n.x": "n.y"}},
    {"n": {"y": 2}, "z": 1},
)


@case("$currentDate gives a datetime", ["datetime", True])
def currentdate_gives_a_datetime(db, coll):
    coll.insert_one({"_id": 1})
    coll.update_one({"_id": 1}, {"$currentDate": {"t": True}})
    t = coll.find_one()["t"]
    return [
        type(t).__name__,
        isinstance(t, datetime)
        and abs((t - datetime.now(UTC).replace(tzinfo=None)).total_seconds()) < 5,
    ]


update("$push scalar / creates", {"l": [1]}, {"$push": {"l": 2, "m": 1}}, {"l": [1, 2], "m": [1]})

update(
    "$push document with datetime+oid",
    {"l": []},
    {"$push": {"l": {"t": at(2026, 1, 1), "o": OIDS[0]}}},
    {"l": [{"t": at(2026, 1, 1), "o": OIDS[0]}]},
)

update("$push nested path", {"n": {"l": [1]}}, {"$push": {"n.l": 2}}, {"n": {"l": [1, 2]}})

update("$push $each", {"l": [1]}, {"$push": {"l": {"$each": [2, 3]}}}, {"l": [1, 2, 3]})

update(
    "$push $each $slice -3",
    {"l": [1, 2]},
    {"$push": {"l": {"$each": [3, 4], "$slice": -3}}},
    {"l": [2, 3, 4]},
)

update(
    "$push $each $position 0",
    {"l": [1]},
    {"$push": {"l": {"$each": [8, 9], "$position": 0}}},
    {"l": [8, 9, 1]},
)

update(
    "$push $each $sort $slice (docs)",
    {"l": [{"s": 5}, {"s": 1}]},
    {"$push": {"l": {"$each": [{"s": 3}], "$sort": {"s": -1}, "$slice": 2}}},
    {"l": [{"s": 5}, {"s": 3}]},
)

update(
    "$addToSet scalar dup/new", {"l": [1]}, {"$addToSet": {"l": 1, "m": 2}}, {"l": [1], "m": [2]}
)

update(
    "$addToSet $each", {"l": [1]}, {"$addToSet": {"l": {"$each": [1, 2, 2, 3]}}}, {"l": [1, 2, 3]}
)

update("$addToSet document", {"l": [{"a": 1}]}, {"$addToSet": {"l": {"a": 1}}}, {"l": [{"a": 1}]})

update("$addToSet ObjectId dup", {"l": [OIDS[0]]}, {"$addToSet": {"l": OIDS[0]}}, {"l": [OIDS[0]]})

update(
    "$addToSet ObjectId new",
    {"l": [OIDS[0]]},
    {"$addToSet": {"l": OIDS[1]}},
    {"l": [OIDS[0], OIDS[1]]},
)

update("$pull scalar", {"l": [1, 2, 1, 3]}, {"$pull": {"l": 1}}, {"l": [2, 3]})

update("$pull condition $gte", {"l": [1, 5, 9]}, {"$pull": {"l": {"$gte": 5}}}, {"l": [1]})

update("$pull $in", {"l": [1, 2, 3]}, {"$pull": {"l": {"$in": [1, 3]}}}, {"l": [2]})

update(
    "$pull docs by field",
    {"l": [{"u": 1, "x": 1}, {"u": 2, "x": 2}]},
    {"$pull": {"l": {"u": 1}}},
    {"l": [{"u": 2, "x": 2}]},
)

update(
    "$pull docs by field ObjectId",
    {"l": [{"u": OIDS[0]}, {"u": OIDS[1]}]},
    {"$pull": {"l": {"u": OIDS[0]}}},
    {"l": [{"u": OIDS[1]}]},
)

update(
    "$pull ObjectId scalar", {"l": [OIDS[0], OIDS[1]]}, {"$pull": {"l": OIDS[0]}}, {"l": [OIDS[1]]}
)

update(
    "$pull docs by operator on field",
    {"l": [{"t": at(2025, 1, 1)}, {"t": at(2026, 1, 1)}]},
    {"$pull": {"l": {"t": {"$lt": at(2025, 6, 1)}}}},
    {"l": [{"t": at(2026, 1, 1)}]},
)

update("$pullAll", {"l": [1, 2, 3, 2]}, {"$pullAll": {"l": [2, 3]}}, {"l": [1]})

update(
    "$pop last / first",
    {"l": [1, 2, 3], "m": [1, 2, 3]},
    {"$pop": {"l": 1, "m": -1}},
    {"l": [1, 2], "m": [2, 3]},
)

update(
    "positional $",
    {"l": [{"u": 1, "s": "a"}, {"u": 2, "s": "a"}]},
    {"$set": {"l.$.s": "b"}},
    {"l": [{"u": 1, "s": "a"}, {"u": 2, "s": "b"}]},
    flt={"_id": 1, "l.u": 2},
)

update(
    "positional $ scalar",
    {"l": [80, 85]},
    {"$set": {"l.$": 82}},
    {"l": [82, 85]},
    flt={"_id": 1, "l": 80},
)

update(
    "positional $ with $elemMatch + $inc",
    {"l": [{"u": 1, "n": 1}, {"u": 2, "n": 1}]},
    {"$inc": {"l.$.n": 5}},
    {"l": [{"u": 1, "n": 1}, {"u": 2, "n": 6}]},
    flt={"_id": 1, "l": {"$elemMatch": {"u": 2, "n": 1}}},
)

update("positional $[] all", {"l": [1, 2]}, {"$inc": {"l.$[]": 10}}, {"l": [11, 12]})

update(
    "$[] on docs",
    {"l": [{"a": 1}, {"a": 2}]},
    {"$set": {"l.$[].r": True}},
    {"l": [{"a": 1, "r": True}, {"a": 2, "r": True}]},
)

update(
    "arrayFilters scalar",
    {"l": [1, 5, 9]},
    {"$set": {"l.$[e]": 0}},
    {"l": [1, 0, 0]},
    array_filters=[{"e": {"$gte": 5}}],
)

update(
    "arrayFilters docs",
    {"l": [{"g": 80, "m": 0}, {"g": 95, "m": 0}]},
    {"$set": {"l.$[e].m": 1}},
    {"l": [{"g": 80, "m": 0}, {"g": 95, "m": 1}]},
    array_filters=[{"e.g": {"$gte": 85}}],
)

update(
    "arrayFilters equality on ObjectId",
    {"l": [{"u": OIDS[0], "r": 0}, {"u": OIDS[1], "r": 0}]},
    {"$set": {"l.$[e].r": 1}},
    {"l": [{"u": OIDS[0], "r": 0}, {"u": OIDS[1], "r": 1}]},
    array_filters=[{"e.u": OIDS[1]}],
)

update(
    "arrayFilters nested 2 levels",
    {"a": [{"k": 1, "b": [{"j": 1, "v": 0}, {"j": 2, "v": 0}]}, {"k": 2, "b": [{"j": 1, "v": 0}]}]},
    {"$set": {"a.$[x].b.$[y].v": 9}},
    {"a": [{"k": 1, "b": [{"j": 1, "v": 0}, {"j": 2, "v": 9}]}, {"k": 2, "b": [{"j": 1, "v": 0}]}]},
    array_filters=[{"x.k": 1}, {"y.j": 2}],
)

update(
    "arrayFilters + $push inside",
    {"l": [{"k": 1, "h": []}, {"k": 2, "h": []}]},
    {"$push": {"l.$[e].h": 7}},
    {"l": [{"k": 1, "h": []}, {"k": 2, "h": [7]}]},
    array_filters=[{"e.k": 2}],
)

update("$bit or", {"a": 5}, {"$bit": {"a": {"or": 2}}}, {"a": 7})

update(
    "several operators in one update",
    {"a": 1, "l": [1], "z": 0, "t": at(2025, 1, 1)},
    {
        "$set": {"t": at(2026, 1, 1)},
        "$inc": {"a": 1},
        "$push": {"l": 2},
        "$unset": {"z": ""},
        "$addToSet": {"s": "x"},
    },
    {"a": 2, "l": [1, 2], "t": at(2026, 1, 1), "s": ["x"]},
)

update(
    "$set + $inc keep other types untouched",
    {
        "o": OIDS[0],
        "t": at(2026, 1, 1),
        "b": b"\x01",
        "d": Decimal128("1.0"),
        "f": 1.0,
        "n": {"o": OIDS[1]},
        "rev": 1,
    },
    {"$set": {"x": 1}, "$inc": {"rev": 1}},
    {
        "o": OIDS[0],
        "t": at(2026, 1, 1),
        "b": b"\x01",
        "d": Decimal128("1.0"),
        "f": 1.0,
        "n": {"o": OIDS[1]},
        "rev": 2,
        "x": 1,
    },
)

update(
    "$push keeps other types untouched",
    {"o": OIDS[0], "t": at(2026, 1, 1), "b": b"\x01", "f": 1.0, "l": []},
    {"$push": {"l": 1}},
    {"o": OIDS[0], "t": at(2026, 1, 1), "b": b"\x01", "f": 1.0, "l": [1]},
)

update(
    "pipeline update $set with expression",
    {"a": 1, "b": 2},
    [{"$set": {"c": {"$add": ["$a", "$b"]}}}],
    {"a": 1, "b": 2, "c": 3},
)

update(
    "$setOnInsert ignored when matched",
    {"a": 1},
    {"$set": {"a": 2}, "$setOnInsert": {"b": 1}},
    {"a": 2},
    upsert=True,
)

update("immutable _id -> error 66", {"a": 1}, {"$set": {"_id": 2}}, Refusal(errors.WriteError, 66))

update("$inc on string -> error 14", {"a": "x"}, {"$inc": {"a": 1}}, Refusal(errors.WriteError, 14))

update(
    "$push on non-array -> error 2", {"a": "x"}, {"$push": {"a": 1}}, Refusal(errors.WriteError, 2)
)

update(
    "conflicting paths -> error 40",
    {"a": 1},
    {"$set": {"a": 1}, "$inc": {"a": 1}},
    Refusal(errors.WriteError, 40),
)

update("unknown operator -> error 9", {"a": 1}, {"$foo": {"a": 1}}, Refusal(errors.WriteError, 9))

update(
    "failed update leaves doc intact (atomic $set+$inc error)",
    {"a": "x"},
    {"$set": {"b": 1}, "$inc": {"a": 1}},
    Refusal(errors.WriteError, 14),
)
