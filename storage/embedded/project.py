"""Projections: which fields of a document a reader gets to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from storage.embedded.errors import Refused, unsupported
from storage.embedded.match import Variables, compile_element
from storage.embedded.paths import straight
from storage.embedded.positional import matching_index
from storage.embedded.values import MISSING, Doc, whole

Projection = Callable[[Doc], Doc]
Tree = dict[str, Any]
_SPECIAL = ("$slice", "$elemMatch", "$meta")


class _Plan:
    """What a projection document asks for, field by field."""

    def __init__(self, spec: Mapping[str, Any], *, for_find: bool) -> None:
        self.keep: list[str] = []
        self.drop: list[str] = []
        self.computed: dict[str, Any] = {}
        self.slices: dict[str, Any] = {}
        self.elements: dict[str, Any] = {}
        self.positional: str | None = None
        self.with_id: bool | None = None
        self._for_find = for_find
        for path, value in _flat(spec):
            self._add(path, value)

    @property
    def inclusive(self) -> bool:
        """Whether only what is named is shown."""
        if self.with_id and not (self.drop or self.slices):
            return True
        return bool(self.keep or self.computed or self.elements or self.positional)

    def _add(self, path: str, value: Any) -> None:
        if not path or path.startswith("$") or any(not part for part in path.split(".")):
            raise Refused(16410, f"FieldPath is not valid in a projection: {path!r}")
        special = isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _SPECIAL
        if special and (self._for_find or "$slice" not in value):
            self._add_special(path, value)
            return
        if path.endswith(".$"):
            self._add_positional(path)
        elif ".$" in path:
            raise Refused(31394, "positional projection is only allowed at the end of the path")
        elif isinstance(value, dict | str | list):
            self._computed(path, value)
        elif path == "_id":
            self.with_id = bool(value)
        elif value is None:
            self._computed(path, value)
        else:
            self._switch(path, on=bool(value))

    def _switch(self, path: str, *, on: bool) -> None:
        if on and self.drop:
            raise Refused(31253, f"Cannot do inclusion on field {path} in exclusion projection")
        if not on and (self.keep or self.computed or self.elements):
            raise Refused(31254, f"Cannot do exclusion on field {path} in inclusion projection")
        (self.keep if on else self.drop).append(path)

    def _computed(self, path: str, value: Any) -> None:
        if self.drop:
            raise Refused(31252, f"Cannot use an expression {path} in an exclusion projection")
        self.computed[path] = value

    def _add_special(self, path: str, value: Doc) -> None:
        ((operator, argument),) = value.items()
        if operator == "$meta":
            raise unsupported("$meta in a projection")
        if not self._for_find:
            raise Refused(168, f"{operator} is not an expression")
        if operator == "$slice":
            self.slices[path] = _slice(argument)
        elif "." in path:
            raise Refused(31275, "Cannot use $elemMatch projection on a nested field.")
        else:
            self.elements[path] = compile_element(argument)

    def _add_positional(self, path: str) -> None:
        if not self._for_find or self.positional or self.drop:
            raise Refused(31276, "Cannot specify more than one positional projection per query.")
        self.positional = path[:-2]
        self.keep.append(self.positional)


def compile_projection(
    spec: Any,
    query: Doc | None = None,
    variables: Variables | None = None,
    *,
    for_find: bool = True,
) -> Projection | None:
    """A function from a document to what is shown of it, or ``None`` if that is all of it.

    Args:
        spec: The projection of a find, or of ``$project``.
        query: The filter, which the positional ``l.$`` looks at.
        variables: What ``$$name`` stands for.
        for_find: ``$slice``, ``$elemMatch`` and ``l.$`` mean something else in ``$project``.

    Raises:
        Refused: It mixes inclusion and exclusion, or is not supported.
    """
    if spec is None or spec == {}:
        return None
    if not isinstance(spec, dict):
        raise Refused(14, "Expected field projection to be of type object")
    from storage.embedded.expressions import compile_expression

    plan = _Plan(spec, for_find=for_find)
    inclusive = plan.inclusive
    if inclusive and plan.slices:
        plan.keep += [path for path in plan.slices if path not in plan.keep]
    computed = {path: compile_expression(value) for path, value in plan.computed.items()}
    if plan.with_id and inclusive:
        plan.keep.append("_id")
    leaves: dict[str, Any] = dict.fromkeys(plan.keep if inclusive else plan.drop, True)
    tree = tree_of({**leaves, **computed})

    def project(doc: Doc) -> Doc:
        if inclusive:
            shown = _included(doc, tree, {**(variables or {}), "ROOT": doc, "CURRENT": doc})
            if plan.with_id is None and "_id" in doc and "_id" not in computed:
                shown = {"_id": doc["_id"], **shown}
        else:
            shown = without(doc, tree)
        if plan.with_id is False:
            shown.pop("_id", None)
        for path, cut in plan.slices.items():
            shown = _sliced(shown, path.split("."), cut)
        _show_elements(doc, shown, plan, query)
        return shown

    return project


def tree_of(leaves: Mapping[str, Any]) -> Tree:
    """Dotted paths as nested documents.

    Raises:
        Refused: 31249, a path and its own beginning.
    """
    root: Tree = {}
    for path, leaf in leaves.items():
        *parents, last = path.split(".")
        node = root
        for part in parents:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise Refused(31249, f"Path collision at {path}")
        if last in node:
            raise Refused(31250, f"Path collision at {path}")
        node[last] = leaf
    return root


def without(doc: Doc, tree: Tree) -> Doc:
    """The document without the fields of a tree; arrays on the way are mapped."""
    kept = {}
    for name, value in doc.items():
        inner = tree.get(name)
        if inner is None:
            kept[name] = value
        elif isinstance(inner, dict):
            kept[name] = _without_value(value, inner)
    return kept


def _without_value(value: Any, tree: Tree) -> Any:
    if isinstance(value, dict):
        return without(value, tree)
    if isinstance(value, list):
        return [_without_value(item, tree) for item in value]
    return value


def _flat(spec: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested documents of fields as dotted paths."""
    found: list[tuple[str, Any]] = []
    for name, value in spec.items():
        if isinstance(value, dict) and value and not next(iter(value)).startswith("$"):
            found += _flat(value, f"{prefix}{name}.")
        elif value == {} and isinstance(value, dict):
            raise Refused(51270, "An empty sub-projection is not a valid value.")
        else:
            found.append((prefix + name, value))
    return found


def _included(doc: Doc, tree: Tree, scope: dict[str, Any]) -> Doc:
    shown: Doc = {}
    for name, value in doc.items():
        inner = tree.get(name)
        if inner is True:
            shown[name] = value
        elif isinstance(inner, dict):
            found = _included_value(value, inner, scope)
            if found is not MISSING:
                shown[name] = found
    for name, inner in tree.items():
        if callable(inner):
            made = inner(scope)
            if made is not MISSING:
                shown[name] = made
        elif isinstance(inner, dict) and name not in doc and _computes(inner):
            shown[name] = _included({}, inner, scope)
    return shown


def _included_value(value: Any, tree: Tree, scope: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return _included(value, tree, scope)
    if isinstance(value, list):
        items = (_included_value(item, tree, scope) for item in value)
        return [item for item in items if item is not MISSING]
    return _included({}, tree, scope) if _computes(tree) else MISSING


def _computes(tree: Tree) -> bool:
    return any(
        callable(leaf) or (isinstance(leaf, dict) and _computes(leaf)) for leaf in tree.values()
    )


def _slice(argument: Any) -> Callable[[list[Any]], list[Any]]:
    values = argument if isinstance(argument, list) else [argument]
    numbers = [number for number in map(whole, values) if number is not None]
    if len(numbers) != len(values) or len(numbers) not in {1, 2}:
        raise Refused(28667, "Invalid $slice syntax. The given syntax did not match the find() one")
    if len(numbers) == 1:
        count = numbers[0]
        return lambda items: items[:count] if count >= 0 else items[count:]
    skip, limit = numbers
    if limit <= 0:
        raise Refused(28724, "$slice limit must be positive")

    def cut(items: list[Any]) -> list[Any]:
        start = max(len(items) + skip, 0) if skip < 0 else skip
        return items[start : start + limit]

    return cut


def _sliced(shown: Any, parts: list[str], cut: Callable[[list[Any]], list[Any]]) -> Any:
    if isinstance(shown, list):
        return [_sliced(item, parts, cut) for item in shown]
    if not isinstance(shown, dict) or parts[0] not in shown:
        return shown
    value = shown[parts[0]]
    if len(parts) > 1:
        return {**shown, parts[0]: _sliced(value, parts[1:], cut)}
    return {**shown, parts[0]: cut(value)} if isinstance(value, list) else shown


def _show_elements(doc: Doc, shown: Doc, plan: _Plan, query: Doc | None) -> None:
    for name, matches in plan.elements.items():
        items = doc.get(name)
        hit = [item for item in items if matches(item)][:1] if isinstance(items, list) else []
        shown.pop(name, None)
        if hit:
            shown[name] = hit
    if plan.positional is None:
        return
    parts = plan.positional.split(".")
    items = straight(doc, parts)
    if not isinstance(items, list):
        return
    at = matching_index(query or {}, plan.positional, doc)
    if at is None:
        raise Refused(
            51246, "positional operator '.$' couldn't find a matching element in the array"
        )
    holder = straight(shown, parts[:-1])
    holder[parts[-1]] = [items[at]]
