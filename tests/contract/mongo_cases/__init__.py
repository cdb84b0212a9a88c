"""What MongoDB answers: literal expectations that every server has to meet."""

from tests.contract.mongo_cases import (
    aggregation,
    bulk,
    expressions,
    find_and_modify,
    finding,
    grouping,
    indexes,
    inserts,
    queries,
    text,
    types,
    updates,
    upserts,
)
from tests.contract.mongo_cases.table import CASES, Case, Refusal, same

__all__ = [
    "CASES",
    "Case",
    "Refusal",
    "aggregation",
    "bulk",
    "expressions",
    "find_and_modify",
    "finding",
    "grouping",
    "indexes",
    "inserts",
    "queries",
    "same",
    "text",
    "types",
    "updates",
    "upserts",
]
