"""Text search."""

from pymongo import errors

from tests.contract.mongo_cases.table import Refusal, aggregated, case, keys_of, store

TEXT_DOCS = [
    {"_id": 1, "t": "关于加强乡村教育投入的议案", "b": "education budget"},
    {"_id": 2, "t": "交通安全 建议", "b": "road safety education"},
    {"_id": 3, "t": "environment protection", "b": "clean water"},
]


def text_search(name, words, expected, fields=("t", "b")):
    """The keys of what ``$text`` finds, sorted."""

    def run(db, coll):
        coll.create_index([(field, "text") for field in fields])
        store(coll, *TEXT_DOCS)
        return sorted(keys_of(coll.find({"$text": {"$search": words}})))

    case(name, expected)(run)


text_search("English word", "education", [1, 2])

text_search("stemming (educations -> education)", "educations", [1, 2])

text_search("OR of two words", "water safety", [2, 3])

text_search("phrase", '"road safety"', [2])

text_search("negation", "education -road", [1])

text_search(
    "Chinese whole token delimited by space (mongod tokenises on delimiters)", "交通安全", [2]
)

text_search(
    "Chinese inner word 教育 (mongod community finds NOTHING: no zh segmentation)", "教育", []
)


@case("textScore sort", [2, 1])
def textscore_sort(db, coll):
    coll.create_index([("b", "text")])
    store(
        coll,
        {"_id": 1, "b": "water and other long text of many words"},
        {"_id": 2, "b": "water water"},
    )
    return keys_of(
        coll.find({"$text": {"$search": "water"}}, {"s": {"$meta": "textScore"}}).sort(
            [("s", {"$meta": "textScore"})]
        )
    )


@case("$text after update/delete stays in sync", [[2], []])
def text_after_update_delete_stays_in_sync(db, coll):
    coll.create_index([("b", "text")])
    store(coll, {"_id": 1, "b": "water"}, {"_id": 2, "b": "fire"})
    coll.update_one({"_id": 2}, {"$set": {"b": "water"}})
    coll.delete_one({"_id": 1})
    return [
        keys_of(coll.find({"$text": {"$search": "water"}})),
        keys_of(coll.find({"$text": {"$search": "fire"}})),
    ]


@case("$text combined with filter", [2])
def text_combined_with_filter(db, coll):
    coll.create_index([("t", "text"), ("b", "text")])
    store(coll, *TEXT_DOCS)
    return keys_of(coll.find({"$text": {"$search": "education"}, "_id": {"$gt": 1}}))


@case("$text in aggregation $match", [{"n": 2}])
def text_in_aggregation_match(db, coll):
    coll.create_index([("t", "text"), ("b", "text")])
    store(coll, *TEXT_DOCS)
    return aggregated(coll, {"$match": {"$text": {"$search": "education"}}}, {"$count": "n"})


@case("$text without index -> error 27", Refusal(errors.OperationFailure, 27))
def text_without_index_error_27(db, coll):
    store(coll, *TEXT_DOCS)
    return list(coll.find({"$text": {"$search": "education"}}))
