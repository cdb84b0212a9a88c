"""Comparing, choosing, literals, variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.expressions.core import (
    Expression,
    Maker,
    Scope,
    arguments,
    check_count,
    compile_expression,
    named,
    truthy,
)
from storage.embedded.keys import encode_result
from storage.embedded.values import MISSING, is_null, is_number, type_name

_COMPARISONS: dict[str, Callable[[bytes, bytes], Any]] = {
    "$eq": lambda left, right: left == right,
    "$ne": lambda left, right: left != right,
    "$gt": lambda left, right: left > right,
    "$gte": lambda left, right: left >= right,
    "$lt": lambda left, right: left < right,
    "$lte": lambda left, right: left <= right,
    "$cmp": lambda left, right: (left > right) - (left < right),
}


def _comparison(name: str) -> Maker:
    compare = _COMPARISONS[name]

    def make(spec: Any) -> Expression:
        operands = arguments(spec)
        check_count(name, operands, 2, 2)
        left, right = operands
        return lambda scope: compare(encode_result(left(scope)), encode_result(right(scope)))

    return make


def _and(spec: Any) -> Expression:
    operands = arguments(spec)
    return lambda scope: all(truthy(operand(scope)) for operand in operands)


def _or(spec: Any) -> Expression:
    operands = arguments(spec)
    return lambda scope: any(truthy(operand(scope)) for operand in operands)


def _not(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$not", operands, 1, 1)
    return lambda scope: not truthy(operands[0](scope))


def _cond(spec: Any) -> Expression:
    if isinstance(spec, dict):
        spec = named("$cond", spec, ("if", "then", "else"))
        spec = [spec["if"], spec["then"], spec["else"]]
    operands = arguments(spec)
    check_count("$cond", operands, 3, 3)
    condition, then, otherwise = operands
    return lambda scope: then(scope) if truthy(condition(scope)) else otherwise(scope)


def _switch(spec: Any) -> Expression:
    spec = named("$switch", spec, ("branches",), ("default",))
    if not isinstance(spec["branches"], list) or not spec["branches"]:
        raise Refused(40068, "$switch requires at least one branch.")
    branches = []
    for branch in spec["branches"]:
        branch = named("$switch", branch, ("case", "then"))  # noqa: PLW2901
        branches.append((compile_expression(branch["case"]), compile_expression(branch["then"])))
    default = compile_expression(spec["default"]) if "default" in spec else None

    def evaluate(scope: Scope) -> Any:
        for case, then in branches:
            if truthy(case(scope)):
                return then(scope)
        if default is None:
            raise Refused(
                40066,
                "$switch could not find a matching branch for an input, and no default was "
                "specified.",
            )
        return default(scope)

    return evaluate


def _if_null(spec: Any) -> Expression:
    operands = arguments(spec)
    if len(operands) < 2:
        raise Refused(1257300, "$ifNull needs at least two arguments")

    def evaluate(scope: Scope) -> Any:
        for operand in operands[:-1]:
            value = operand(scope)
            if not is_null(value):
                return value
        return operands[-1](scope)

    return evaluate


def _let(spec: Any) -> Expression:
    spec = named("$let", spec, ("vars", "in"))
    variables = {name: compile_expression(value) for name, value in spec["vars"].items()}
    for name in variables:
        check_variable(name)
    inside = compile_expression(spec["in"])
    return lambda scope: inside(
        {**scope, **{name: value(scope) for name, value in variables.items()}}
    )


def check_variable(name: Any) -> None:
    """Refuse a name that a user variable may not have."""
    if not isinstance(name, str) or not name[:1].islower() or not name.isidentifier():
        raise Refused(16867, f"'{name}' starts with an invalid character for a user variable name")


def _literal(spec: Any) -> Expression:
    return lambda _: spec


def _type(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$type", operands, 1, 1)
    return lambda scope: type_name(operands[0](scope))


def _is_number(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$isNumber", operands, 1, 1)
    return lambda scope: is_number(operands[0](scope))


def _get_field(spec: Any) -> Expression:
    if isinstance(spec, str):
        spec = {"field": spec, "input": "$$CURRENT"}
    spec = named("$getField", spec, ("field",), ("input",))
    name = spec["field"]
    if isinstance(name, dict):
        name = name.get("$literal")
    literal = isinstance(spec["field"], dict)
    if not isinstance(name, str) or (name.startswith("$") and not literal):
        raise Refused(3041704, "$getField requires 'field' to be a constant string")
    holder = compile_expression(spec.get("input", "$$CURRENT"))

    def evaluate(scope: Scope) -> Any:
        doc = holder(scope)
        if isinstance(doc, dict):
            return doc.get(name, MISSING)
        return None if doc is None else MISSING

    return evaluate


OPERATORS: dict[str, Maker] = {
    **{name: _comparison(name) for name in _COMPARISONS},
    "$and": _and,
    "$or": _or,
    "$not": _not,
    "$cond": _cond,
    "$switch": _switch,
    "$ifNull": _if_null,
    "$let": _let,
    "$literal": _literal,
    "$type": _type,
    "$isNumber": _is_number,
    "$getField": _get_field,
}
