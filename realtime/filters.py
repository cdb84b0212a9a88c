"""Tag filters: a client asks for the publications of a channel whose tags match.

A filter is checked and frozen once, when somebody subscribes with it. Equal filters are equal
values, so that subscribers with the same filter share one encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from realtime import codes
from realtime.codec.messages import FilterNode

MAX_NODES = 64
MAX_DEPTH = 8

Tags = Mapping[str, str]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _compare(test: Callable[[float, float], bool]) -> Callable[[str | None, Filter], bool]:
    def judge(tag: str | None, node: Filter) -> bool:
        left, right = _number(tag), _number(node.val)
        return left is not None and right is not None and test(left, right)

    return judge


@dataclass(frozen=True, slots=True)
class Filter:
    """One node: a comparison of a tag, or a combination of further nodes."""

    op: str = ""
    key: str = ""
    cmp: str = ""
    val: str = ""
    vals: frozenset[str] = frozenset()
    nodes: tuple[Filter, ...] = ()

    def matches(self, tags: Tags) -> bool:
        """Tell whether a publication with these tags is wanted."""
        match self.op:
            case "and":
                return all(node.matches(tags) for node in self.nodes)
            case "or":
                return any(node.matches(tags) for node in self.nodes)
            case "not":
                return not self.nodes[0].matches(tags)
            case _:
                return _COMPARISONS[self.cmp](tags.get(self.key), self)


_COMPARISONS: Mapping[str, Callable[[str | None, Filter], bool]] = {
    "eq": lambda tag, node: tag == node.val,
    "neq": lambda tag, node: tag != node.val,
    "in": lambda tag, node: tag in node.vals,
    "nin": lambda tag, node: tag not in node.vals,
    "ex": lambda tag, _: tag is not None,
    "nex": lambda tag, _: tag is None,
    "sw": lambda tag, node: tag is not None and tag.startswith(node.val),
    "ew": lambda tag, node: tag is not None and tag.endswith(node.val),
    "ct": lambda tag, node: tag is not None and node.val in tag,
    "lt": _compare(lambda left, right: left < right),
    "lte": _compare(lambda left, right: left <= right),
    "gt": _compare(lambda left, right: left > right),
    "gte": _compare(lambda left, right: left >= right),
}


def read_filter(node: FilterNode) -> Filter:
    """Check a filter as a client sent it, and freeze it.

    Raises:
        Refused: It has unknown words, or is too large (107).
    """
    budget = [MAX_NODES]
    return _read(node, MAX_DEPTH, budget)


def _read(node: FilterNode, depth: int, budget: list[int]) -> Filter:
    budget[0] -= 1
    if depth == 0 or budget[0] < 0:
        raise codes.Refused(codes.BAD_REQUEST)
    nodes = tuple(_read(child, depth - 1, budget) for child in node.nodes)
    match node.op:
        case "and" | "or":
            good = bool(nodes)
        case "not":
            good = len(nodes) == 1
        case _:
            good = node.op == "" and node.cmp in _COMPARISONS and bool(node.key) and not nodes
    if not good:
        raise codes.Refused(codes.BAD_REQUEST)
    return Filter(node.op, node.key, node.cmp, node.val, frozenset(node.vals), nodes)
