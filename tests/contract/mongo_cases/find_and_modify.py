"""findAndModify: what is shown, and what is refused."""

from pymongo import ReturnDocument, errors

from tests.contract.mongo_cases.table import OIDS, Refusal, at, case, store


@case("update BEFORE returns the old doc", {"_id": 1, "n": 1})
def update_before_returns_the_old_doc(db, coll):
    coll.insert_one({"_id": 1, "n": 1})
    return coll.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}})


@case("update AFTER", {"_id": 1, "n": 2})
def update_after(db, coll):
    coll.insert_one({"_id": 1, "n": 1})
    return coll.find_one_and_update(
        {"_id": 1}, {"$inc": {"n": 1}}, return_document=ReturnDocument.AFTER
    )


@case("counter upsert AFTER twice", [1, 2])
def counter_upsert_after_twice(db, coll):
    return [
        coll.find_one_and_update(
            {"_id": "c"}, {"$inc": {"seq": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )["seq"]
        for _ in range(2)
    ]


@case("upsert BEFORE -> None but inserted", [None, 1])
def upsert_before_none_but_inserted(db, coll):
    return [
        coll.find_one_and_update({"_id": "c"}, {"$inc": {"seq": 1}}, upsert=True),
        coll.count_documents({}),
    ]


@case("no match -> None", None)
def no_match_none(db, coll):
    return coll.find_one_and_update({"_id": 9}, {"$set": {"a": 1}})


@case("sort picks the right doc (queue claim)", 2)
def sort_picks_the_right_doc_queue_claim(db, coll):
    store(
        coll,
        {"_id": 1, "p": 1, "st": "q"},
        {"_id": 2, "p": 9, "st": "q"},
        {"_id": 3, "p": 5, "st": "q"},
    )
    return coll.find_one_and_update({"st": "q"}, {"$set": {"st": "r"}}, sort=[("p", -1)])["_id"]


@case("projection", {"n": 2})
def projection(db, coll):
    coll.insert_one({"_id": 1, "n": 1, "x": 1})
    return coll.find_one_and_update(
        {"_id": 1},
        {"$inc": {"n": 1}},
        projection={"n": 1, "_id": 0},
        return_document=ReturnDocument.AFTER,
    )


@case("types kept in the AFTER doc", [OIDS[0], at(2026, 1, 1), b"\x01"])
def types_kept_in_the_after_doc(db, coll):
    coll.insert_one({"_id": 1, "o": OIDS[0], "t": at(2026, 1, 1), "b": b"\x01"})
    d = coll.find_one_and_update(
        {"_id": 1}, {"$set": {"n": 1}}, return_document=ReturnDocument.AFTER
    )
    return [d["o"], d["t"], d["b"]]


@case("array_filters", [0, 1])
def array_filters(db, coll):
    coll.insert_one({"_id": 1, "l": [{"k": 1, "v": 0}, {"k": 2, "v": 0}]})
    d = coll.find_one_and_update(
        {"_id": 1},
        {"$set": {"l.$[e].v": 1}},
        array_filters=[{"e.k": 2}],
        return_document=ReturnDocument.AFTER,
    )
    return [x["v"] for x in d["l"]]


@case("positional $", [0, 1])
def positional(db, coll):
    coll.insert_one({"_id": 1, "l": [{"k": 1, "v": 0}, {"k": 2, "v": 0}]})
    d = coll.find_one_and_update(
        {"_id": 1, "l.k": 2}, {"$set": {"l.$.v": 1}}, return_document=ReturnDocument.AFTER
    )
    return [x["v"] for x in d["l"]]


@case("duplicate key -> error 11000 (not None)", Refusal(errors.DuplicateKeyError, 11000))
def duplicate_key_error_11000_not_none(db, coll):
    coll.create_index("u", unique=True)
    store(coll, {"_id": 1, "u": "a"}, {"_id": 2, "u": "b"})
    return coll.find_one_and_update({"_id": 2}, {"$set": {"u": "a"}})


@case("upsert dup (rev guard) -> error 11000", Refusal(errors.DuplicateKeyError, 11000))
def upsert_dup_rev_guard_error_11000(db, coll):
    coll.insert_one({"_id": 1, "rev": 2})
    return coll.find_one_and_update({"_id": 1, "rev": 1}, {"$set": {"x": 1}}, upsert=True)


@case("bad operator -> error (not None)", Refusal(errors.OperationFailure))
def bad_operator_error_not_none(db, coll):
    coll.insert_one({"_id": 1, "a": "x"})
    return coll.find_one_and_update({"_id": 1}, {"$inc": {"a": 1}})


@case("pipeline update", {"_id": 1, "a": 1, "b": 2})
def pipeline_update(db, coll):
    coll.insert_one({"_id": 1, "a": 1})
    return coll.find_one_and_update(
        {"_id": 1}, [{"$set": {"b": {"$add": ["$a", 1]}}}], return_document=ReturnDocument.AFTER
    )


@case("find_one_and_replace AFTER", {"_id": 1, "b": 1})
def find_one_and_replace_after(db, coll):
    coll.insert_one({"_id": 1, "a": 1})
    return coll.find_one_and_replace({"_id": 1}, {"b": 1}, return_document=ReturnDocument.AFTER)


@case("find_one_and_delete with sort", [3, 2])
def find_one_and_delete_with_sort(db, coll):
    store(coll, {"_id": 1}, {"_id": 2}, {"_id": 3})
    return [coll.find_one_and_delete({}, sort=[("_id", -1)])["_id"], coll.count_documents({})]
