"""How an expression is read: literals, ``$field``, ``$$variable``, documents, operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.paths import field
from storage.embedded.values import MISSING, is_null, type_name

Scope = Mapping[str, Any]
Expression = Callable[[Scope], Any]
Maker = Callable[[Any], Expression]

operators: dict[str, Maker] = {}


def truthy(value: Any) -> bool:
    """What counts as true: everything but null, missing, false and zero."""
    if value is MISSING or value is None or value is False:
        return False
    if type_name(value) == "decimal":
        return bool(value.to_decimal() != 0)
    return not (isinstance(value, int | float) and value == 0)


def compile_expression(spec: Any) -> Expression:
    """The function behind an expression; its result is ``MISSING`` where a field is not there.

    Raises:
        Refused: 168 an operator the engine does not know, 15983 several operators in one document.
    """
    if isinstance(spec, str) and spec.startswith("$"):
        return _variable(spec[2:]) if spec.startswith("$$") else _field(spec[1:])
    if isinstance(spec, list):
        return _array([compile_expression(item) for item in spec])
    if isinstance(spec, dict):
        return _document(spec)
    return lambda _: spec


def _field(path: str) -> Expression:
    parts = path.split(".")
    if not all(parts) or any(part.startswith("$") for part in parts):
        raise Refused(16410, f"FieldPath '{path}' is not valid")
    if len(parts) > 1:
        return lambda scope: field(scope["CURRENT"], parts)

    def top(scope: Scope) -> Any:
        doc = scope["CURRENT"]
        return doc.get(path, MISSING) if isinstance(doc, dict) else field(doc, parts)

    return top


def _variable(path: str) -> Expression:
    name, *parts = path.split(".")
    if name == "REMOVE":
        return lambda _: MISSING

    def variable(scope: Scope) -> Any:
        if name not in scope:
            raise Refused(17276, f"Use of undefined variable: {name}")
        return field(scope[name], parts) if parts else scope[name]

    return variable


def _array(items: list[Expression]) -> Expression:
    return lambda scope: [null_if_missing(item(scope)) for item in items]


def _document(spec: dict[str, Any]) -> Expression:
    operator = next((name for name in spec if name.startswith("$")), None)
    if operator is not None:
        if len(spec) != 1:
            raise Refused(
                15983, "an expression specification must contain exactly one field, the name of it"
            )
        if operator not in operators:
            raise Refused(168, f"Unrecognized expression '{operator}'")
        return operators[operator](spec[operator])
    for name in spec:
        if not name or "." in name:
            raise Refused(16412, f"FieldPath field names may not contain '.': '{name}'")
    fields = [(name, compile_expression(value)) for name, value in spec.items()]

    def document(scope: Scope) -> dict[str, Any]:
        made = ((name, value(scope)) for name, value in fields)
        return {name: value for name, value in made if value is not MISSING}

    return document


def null_if_missing(value: Any) -> Any:
    """What an array or a group keeps of a value that is not there."""
    return None if value is MISSING else value


def arguments(spec: Any) -> list[Expression]:
    """The operands: a list of them, or one alone."""
    return [compile_expression(item) for item in (spec if isinstance(spec, list) else [spec])]


def function(
    name: str, least: int, most: int | None, call: Callable[..., Any], *, on_null: Any = None
) -> tuple[str, Maker]:
    """An operator that is a plain function of its operands, and null if one of them is.

    Args:
        name: With the dollar.
        least: How few operands it takes.
        most: How many, or ``None`` for any number.
        call: Gets the operands' values.
        on_null: The result if an operand is null or missing.
    """

    def make(spec: Any) -> Expression:
        operands = arguments(spec)
        check_count(name, operands, least, most)

        def evaluate(scope: Scope) -> Any:
            values = [operand(scope) for operand in operands]
            return on_null if any(map(is_null, values)) else call(*values)

        return evaluate

    return name, make


def check_count(name: str, operands: list[Expression], least: int, most: int | None) -> None:
    """Refuse a wrong number of operands with 16020."""
    if len(operands) < least or (most is not None and len(operands) > most):
        raise Refused(
            16020,
            f"Expression {name} takes {least}{'' if most == least else ' or more'} arguments. "
            f"{len(operands)} were passed in.",
        )


def named(
    name: str, spec: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The named arguments of an operator, none missing and none unknown.

    Raises:
        Refused: 9 otherwise.
    """
    if not isinstance(spec, dict):
        raise Refused(9, f"{name} only supports an object as its argument")
    for key in spec:
        if key not in required and key not in optional:
            raise Refused(9, f"Unrecognized argument to {name}: {key}")
    for key in required:
        if key not in spec:
            raise Refused(9, f"Missing '{key}' parameter to {name}")
    return spec


def optional_argument(spec: dict[str, Any], key: str) -> Expression | None:
    """The expression of an argument that may be left out."""
    return compile_expression(spec[key]) if key in spec else None
