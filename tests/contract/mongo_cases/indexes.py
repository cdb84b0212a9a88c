"""Indexes and collections."""

from pymongo import IndexModel, errors
from pymongo.collation import Collation

from tests.contract.mongo_cases.table import OIDS, Refusal, at, case, keys_of, store


@case("unique dup -> 11000 with keyPattern/keyValue", [11000, {"u": 1}, {"u": "a"}])
def unique_dup_11000_with_keypattern_keyvalue(db, coll):
    coll.create_index("u", unique=True)
    coll.insert_one({"u": "a"})
    try:
        coll.insert_one({"u": "a"})
    except errors.DuplicateKeyError as e:
        return [e.code, e.details.get("keyPattern"), e.details.get("keyValue")]


@case("dup on update_one -> DuplicateKeyError", Refusal(errors.DuplicateKeyError, 11000))
def dup_on_update_one_duplicatekeyerror(db, coll):
    coll.create_index("u", unique=True)
    store(coll, {"_id": 1, "u": 1}, {"_id": 2, "u": 2})
    coll.update_one({"_id": 2}, {"$set": {"u": 1}})


@case("compound unique", Refusal(errors.DuplicateKeyError, 11000))
def compound_unique(db, coll):
    coll.create_index([("m", 1), ("d", 1)], unique=True)
    store(coll, {"m": 1, "d": 1}, {"m": 1, "d": 2}, {"m": 2, "d": 1})
    coll.insert_one({"m": 1, "d": 1})


@case("compound unique with ObjectIds", Refusal(errors.DuplicateKeyError, 11000))
def compound_unique_with_objectids(db, coll):
    coll.create_index([("m", 1), ("d", 1)], unique=True)
    store(coll, {"m": OIDS[0], "d": OIDS[1]}, {"m": OIDS[0], "d": OIDS[2]})
    coll.insert_one({"m": OIDS[0], "d": OIDS[1]})


@case("unique nested path", Refusal(errors.DuplicateKeyError, 11000))
def unique_nested_path(db, coll):
    coll.create_index("n.x", unique=True)
    coll.insert_one({"n": {"x": 1}})
    coll.insert_one({"n": {"x": 1, "y": 2}})


@case("unique: two docs missing the field -> 11000", Refusal(errors.DuplicateKeyError, 11000))
def unique_two_docs_missing_the_field_11000(db, coll):
    coll.create_index("u", unique=True)
    coll.insert_one({"a": 1})
    coll.insert_one({"a": 2})


@case("unique sparse: many docs may miss the field", [3, 11000])
def unique_sparse_many_docs_may_miss_the_field(db, coll):
    coll.create_index("u", unique=True, sparse=True)
    store(coll, {"a": 1}, {"a": 2}, {"u": 1})
    try:
        coll.insert_one({"u": 1})
    except errors.DuplicateKeyError as e:
        return [coll.count_documents({}), e.code]


@case("unique partial: only docs in the filter", [3, 11000])
def unique_partial_only_docs_in_the_filter(db, coll):
    coll.create_index("u", unique=True, partialFilterExpression={"active": True})
    store(coll, {"u": 1, "active": False}, {"u": 1, "active": False}, {"u": 1, "active": True})
    try:
        coll.insert_one({"u": 1, "active": True})
    except errors.DuplicateKeyError as e:
        return [coll.count_documents({}), e.code]


@case("unique partial $exists / string type", 2)
def unique_partial_exists_string_type(db, coll):
    coll.create_index("p", unique=True, partialFilterExpression={"p": {"$type": "string"}})
    store(coll, {"p": None}, {"p": None})
    return coll.count_documents({})


@case("unique multikey (array elements across docs)", Refusal(errors.DuplicateKeyError, 11000))
def unique_multikey_array_elements_across_docs(db, coll):
    coll.create_index("t", unique=True)
    coll.insert_one({"t": ["a", "b"]})
    coll.insert_one({"t": ["b", "c"]})


@case("unique is type aware: 1 and '1' are different", 2)
def unique_is_type_aware_1_and_1_are_different(db, coll):
    coll.create_index("u", unique=True)
    store(coll, {"u": 1}, {"u": "1"})
    return coll.count_documents({})


@case("unique datetime", Refusal(errors.DuplicateKeyError, 11000))
def unique_datetime(db, coll):
    coll.create_index("t", unique=True)
    coll.insert_one({"t": at(2026, 1, 1)})
    coll.insert_one({"t": at(2026, 1, 1)})


@case("unique Binary", Refusal(errors.DuplicateKeyError, 11000))
def unique_binary(db, coll):
    coll.create_index("t", unique=True)
    coll.insert_one({"t": b"\x01\x02"})
    coll.insert_one({"t": b"\x01\x02"})


@case("unique on field with hyphen / Chinese name", Refusal(errors.DuplicateKeyError, 11000))
def unique_on_field_with_hyphen_chinese_name(db, coll):
    coll.create_index("证件-号", unique=True)
    coll.insert_one({"证件-号": 1})
    coll.insert_one({"证件-号": 1})


@case("create_index name default", ["a_1_b_-1"])
def create_index_name_default(db, coll):
    return [coll.create_index([("a", 1), ("b", -1)])]


@case("create same index twice is idempotent", True)
def create_same_index_twice_is_idempotent(db, coll):
    coll.create_index("a")
    coll.create_index("a")
    return "a_1" in coll.index_information()


@case("same name, other options -> 85/86", Refusal(errors.OperationFailure, 86))
def same_name_other_options_85_86(db, coll):
    coll.create_index("a", name="x")
    coll.create_index("a", name="x", unique=True)


@case("index_information content", {"key": [("a", 1), ("b", -1)], "unique": True, "sparse": True})
def index_information_content(db, coll):
    coll.create_index([("a", 1), ("b", -1)], unique=True, sparse=True)
    d = coll.index_information()["a_1_b_-1"]
    return {k: d.get(k) for k in ("key", "unique", "sparse")}


@case("index_information: _id_ present", True)
def index_information_id_present(db, coll):
    coll.insert_one({})
    return "_id_" in coll.index_information()


@case("index_information keeps partialFilterExpression / expireAfterSeconds", [{"a": True}, 60])
def index_information_keeps_partialfilterexpression(db, coll):
    coll.create_index("p", partialFilterExpression={"a": True})
    coll.create_index("t", expireAfterSeconds=60)
    i = coll.index_information()
    return [i["p_1"].get("partialFilterExpression"), i["t_1"].get("expireAfterSeconds")]


@case("create_indexes (IndexModel list)", ["a_1", "n1"])
def create_indexes_indexmodel_list(db, coll):
    return coll.create_indexes([IndexModel("a"), IndexModel([("b", 1)], name="n1", unique=True)])


@case("drop_index then dup allowed", 2)
def drop_index_then_dup_allowed(db, coll):
    coll.create_index("u", unique=True)
    coll.insert_one({"u": 1})
    coll.drop_index("u_1")
    coll.insert_one({"u": 1})
    return coll.count_documents({})


@case("drop_index unknown -> error 27", Refusal(errors.OperationFailure, 27))
def drop_index_unknown_error_27(db, coll):
    coll.insert_one({})
    coll.drop_index("nope")


@case("unique build over existing dups -> 11000", Refusal(errors.DuplicateKeyError, 11000))
def unique_build_over_existing_dups_11000(db, coll):
    store(coll, {"u": 1}, {"u": 1})
    coll.create_index("u", unique=True)


@case(
    "unique with collation strength 2 (case-insensitive)", Refusal(errors.DuplicateKeyError, 11000)
)
def unique_with_collation_strength_2_case_insensitiv(db, coll):
    coll.create_index("u", unique=True, collation=Collation("en", strength=2))
    coll.insert_one({"u": "Bob"})
    coll.insert_one({"u": "BOB"})


@case("hashed / wildcard / descending index accepted", 3)
def hashed_wildcard_descending_index_accepted(db, coll):
    coll.create_index([("a", "hashed")])
    coll.create_index([("$**", 1)])
    coll.create_index([("z", -1)])
    return len([k for k in coll.index_information() if k != "_id_"])


@case("2dsphere index + $near", [1])
def case_2dsphere_index_near(db, coll):
    coll.create_index([("loc", "2dsphere")])
    store(
        coll,
        {"_id": 1, "loc": {"type": "Point", "coordinates": [116.4, 39.9]}},
        {"_id": 2, "loc": {"type": "Point", "coordinates": [121.5, 31.2]}},
    )
    return keys_of(
        coll.find(
            {
                "loc": {
                    "$near": {
                        "$geometry": {"type": "Point", "coordinates": [116.4, 39.9]},
                        "$maxDistance": 10000,
                    }
                }
            }
        )
    )


@case("explain() works", True)
def explain_works(db, coll):
    coll.create_index("a")
    coll.insert_one({"a": 1})
    return isinstance(coll.find({"a": 1}).explain(), dict)


@case("collection name with dot (audit.log)", [1, True])
def collection_name_with_dot_audit_log(db, coll):
    x = db[coll.name + ".log"]
    x.insert_one({"a": 1})
    return [x.count_documents({}), coll.name + ".log" in db.list_collection_names()]


@case("collection name with hyphen/Chinese", [1, 1])
def collection_name_with_hyphen_chinese(db, coll):
    x = db[coll.name + "-x"]
    x.insert_one({"a": 1})
    y = db[coll.name + "议案"]
    y.insert_one({"a": 1})
    return [x.count_documents({}), y.count_documents({})]


@case("create_collection twice -> CollectionInvalid", Refusal(errors.CollectionInvalid))
def create_collection_twice_collectioninvalid(db, coll):
    db.create_collection(coll.name)
    db.create_collection(coll.name)


@case("validator $jsonSchema rejects (121)", Refusal(errors.WriteError, 121))
def validator_jsonschema_rejects_121(db, coll):
    db.create_collection(coll.name, validator={"$jsonSchema": {"required": ["a"]}})
    coll.insert_one({"b": 1})


@case("capped collection keeps max", 3)
def capped_collection_keeps_max(db, coll):
    db.create_collection(coll.name, capped=True, size=100000, max=3)
    for i in range(5):
        coll.insert_one({"i": i})
    return coll.count_documents({})


@case("time-series collection options + insert + aggregate", [2, "timeseries"])
def time_series_collection_options_insert_aggregate(db, coll):
    db.create_collection(coll.name, timeseries={"timeField": "t", "metaField": "m"})
    store(coll, {"t": at(2026, 1, 1), "m": {"k": 1}}, {"t": at(2026, 1, 1, 1), "m": {"k": 1}})
    o = list(db.list_collections(filter={"name": coll.name}))
    return [coll.count_documents({}), o[0].get("type") if o else None]


@case("drop + list_collection_names + rename", [False, True])
def drop_list_collection_names_rename(db, coll):
    coll.insert_one({})
    n = coll.name
    coll.rename(n + "r")
    s = db.list_collection_names()
    return [n in s, n + "r" in s]


@case("unknown command -> error 59", Refusal(errors.OperationFailure, 59))
def unknown_command_error_59(db, coll):
    return db.command("noSuchCommandAtAll")
