"""Sorting, projecting, counting, cursors."""

from pymongo import errors

from tests.contract.mongo_cases.table import OIDS, Refusal, Unordered, at, case, keys_of, store

PEOPLE = [
    {"_id": 1, "a": 2, "b": "x", "n": {"p": 1, "q": 2}},
    {"_id": 2, "a": 1, "b": "y", "n": {"p": 3, "q": 4}},
    {"_id": 3, "a": 2, "b": "a"},
    {"_id": 4, "b": "m"},
]


@case("sort two keys, missing first", [4, 2, 1, 3])
def sort_two_keys_missing_first(db, coll):
    store(coll, *PEOPLE)
    return keys_of(coll.find().sort([("a", 1), ("b", -1)]))


@case("sort nested desc, missing last", [2, 1])
def sort_nested_desc_missing_last(db, coll):
    store(coll, *PEOPLE)
    return keys_of(coll.find().sort([("n.p", -1), ("_id", 1)]))[:2]


@case("sort+skip+limit", [2, 1])
def sort_skip_limit(db, coll):
    store(coll, *PEOPLE)
    return keys_of(coll.find().sort([("a", 1), ("b", -1)]).skip(1).limit(2))


@case("sort mixed BSON types order", [4, 1, 2, 3, 5, 6])
def sort_mixed_bson_types_order(db, coll):
    store(
        coll,
        {"_id": 1, "v": 5},
        {"_id": 2, "v": 7.5},
        {"_id": 3, "v": "abc"},
        {"_id": 4, "v": None},
        {"_id": 5, "v": True},
        {"_id": 6, "v": at(2026, 1, 1)},
    )
    return keys_of(coll.find().sort("v", 1))


@case("sort on array field uses min/max", [2, 1])
def sort_on_array_field_uses_min_max(db, coll):
    store(coll, {"_id": 1, "v": [5, 9]}, {"_id": 2, "v": [1, 100]})
    return keys_of(coll.find().sort("v", 1))


@case("sort datetimes", [2, 1, 3])
def sort_datetimes(db, coll):
    store(
        coll,
        {"_id": 1, "t": at(2026, 1, 2)},
        {"_id": 2, "t": at(1999, 1, 1)},
        {"_id": 3, "t": at(2026, 1, 2, 0, 0, 0, 1000)},
    )
    return keys_of(coll.find().sort("t", 1))


@case("sort binary string order (upper before lower, Chinese last)", ["B", "a", "中"])
def sort_binary_string_order_upper_before_lower_chin(db, coll):
    store(coll, {"_id": "a", "s": "a"}, {"_id": "B", "s": "B"}, {"_id": "中", "s": "中"})
    return keys_of(coll.find().sort("s", 1))


@case("projection include", {"_id": 1, "a": 2})
def projection_include(db, coll):
    store(coll, *PEOPLE)
    return coll.find_one({"_id": 1}, {"a": 1})


@case("projection exclude nested", {"_id": 1, "a": 2, "b": "x", "n": {"q": 2}})
def projection_exclude_nested(db, coll):
    store(coll, *PEOPLE)
    return coll.find_one({"_id": 1}, {"n.p": 0})


@case("projection include nested, no _id", {"n": {"p": 1}})
def projection_include_nested_no_id(db, coll):
    store(coll, *PEOPLE)
    return coll.find_one({"_id": 1}, {"n.p": 1, "_id": 0})


@case("projection include inside array of docs", {"_id": 1, "l": [{"x": 1}, {"x": 2}, {}]})
def projection_include_inside_array_of_docs(db, coll):
    store(coll, {"_id": 1, "l": [{"x": 1, "y": 1}, {"x": 2}, {"y": 3}]})
    return coll.find_one({}, {"l.x": 1})


@case("projection exclude inside array of docs", {"_id": 1, "l": [{"x": 1}, {"x": 2}, {}]})
def projection_exclude_inside_array_of_docs(db, coll):
    store(coll, {"_id": 1, "l": [{"x": 1, "y": 1}, {"x": 2}, {"y": 3}]})
    return coll.find_one({}, {"l.y": 0})


@case("projection $slice -2", {"_id": 1, "l": [2, 3], "k": 1})
def projection_slice_2(db, coll):
    store(coll, {"_id": 1, "l": [1, 2, 3], "k": 1})
    return coll.find_one({}, {"l": {"$slice": -2}})


@case("projection $elemMatch", {"_id": 1, "l": [{"s": "b", "q": 2}]})
def projection_elemmatch(db, coll):
    store(coll, {"_id": 1, "l": [{"s": "a", "q": 1}, {"s": "b", "q": 2}]})
    return coll.find_one({}, {"l": {"$elemMatch": {"s": "b"}}})


@case("projection positional l.$", {"_id": 1, "l": [{"s": "b", "q": 2}]})
def projection_positional_l(db, coll):
    store(coll, {"_id": 1, "l": [{"s": "a", "q": 1}, {"s": "b", "q": 2}]})
    return coll.find_one({"l.s": "b"}, {"l.$": 1})


@case("projection computed expression", {"_id": 1, "n": 3})
def projection_computed_expression(db, coll):
    store(coll, {"_id": 1, "l": [1, 2, 3]})
    return coll.find_one({}, {"n": {"$size": "$l"}})


@case("mixed include/exclude -> error", Refusal(errors.OperationFailure, 31254))
def mixed_include_exclude_error(db, coll):
    store(coll, *PEOPLE)
    return coll.find_one({"_id": 1}, {"a": 1, "b": 0})


@case("cursor over batches (1000 docs, batch 100) in order", 1000)
def cursor_over_batches_1000_docs_batch_100_in_order(db, coll):
    store(coll, *[{"_id": i} for i in range(1000)])
    g = keys_of(coll.find().sort("_id", 1).batch_size(100))
    return len(g) if g == list(range(1000)) else g[:10]


@case("count_documents filter/skip/limit", [2, 3, 1])
def count_documents_filter_skip_limit(db, coll):
    store(coll, *PEOPLE)
    return [
        coll.count_documents({"a": 2}),
        coll.count_documents({}, skip=1),
        coll.count_documents({"a": 2}, limit=1),
    ]


@case("estimated_document_count", 4)
def estimated_document_count(db, coll):
    store(coll, *PEOPLE)
    return coll.estimated_document_count()


@case("distinct scalar+array unwinds", Unordered([1, 2, 3]))
def distinct_scalar_array_unwinds(db, coll):
    store(coll, {"v": 1}, {"v": [2, 3]}, {"v": 2})
    return coll.distinct("v")


@case("distinct nested with filter", Unordered([3]))
def distinct_nested_with_filter(db, coll):
    store(coll, *PEOPLE)
    return coll.distinct("n.p", {"a": 1})


@case("distinct path through array of docs", Unordered(["a", "b"]))
def distinct_path_through_array_of_docs(db, coll):
    store(coll, {"l": [{"s": "a"}, {"s": "b"}]}, {"l": [{"s": "a"}]})
    return coll.distinct("l.s")


@case("distinct ObjectId / datetime keep type", ["ObjectId", "datetime"])
def distinct_objectid_datetime_keep_type(db, coll):
    store(coll, {"o": OIDS[0], "t": at(2026, 1, 1)})
    return [type(coll.distinct("o")[0]).__name__, type(coll.distinct("t")[0]).__name__]


@case("count on missing collection", [0, [], None])
def count_on_missing_collection(db, coll):
    return [coll.count_documents({}), coll.distinct("a"), coll.find_one({"a": 1})]


@case("hint on unknown index -> error", Refusal(errors.OperationFailure, 2))
def hint_on_unknown_index_error(db, coll):
    store(coll, *PEOPLE)
    return list(coll.find({"a": 1}).hint("nope"))


@case("find with max_time_ms/comment/batch 1", 3)
def find_with_max_time_ms_comment_batch_1(db, coll):
    store(coll, {}, {}, {})
    return len(list(coll.find({}, batch_size=1).max_time_ms(5000).comment("x")))


@case("aggregate cursor over batches", 500)
def aggregate_cursor_over_batches(db, coll):
    store(coll, *[{"_id": i} for i in range(500)])
    return len(list(coll.aggregate([{"$match": {}}], batchSize=50)))
