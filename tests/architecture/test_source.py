"""What the source may not contain, whoever writes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("demo", "domain", "gateways", "handlers", "realtime", "server", "storage")
GENERATED = {"realtime/codec/client_pb2.py"}
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
MOST_LINES = 400
TABLES = {"realtime/codec/messages.py": "the protocol's messages, one after the other"}

# Where tasks may be made: each of these keeps them, and waits for them at its end.
TASK_KEEPERS = {
    "realtime/tasks.py": "the hub's own tasks; finished at close",
    "server/supervise.py": "the supervisor",
    "storage/embedded/__main__.py": "the engine's housekeeping; cancelled before it ends",
    "storage/embedded/process.py": "watches the engine's process; cancelled by stop",
    "storage/files.py": "work in a thread, waited for even when cancelled",
    "storage/leases.py": "renews a lease while a block runs; cancelled at its end",
}

MODULES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if str(path.relative_to(ROOT)) not in GENERATED
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def each(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every node of some kinds in every module, with the place where it stands."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kinds):
                yield f"{name(path)}:{node.lineno}", node


def called(call: ast.Call) -> str:
    """The last part of what is called."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def test_a_module_is_read_in_one_sitting() -> None:
    long = {
        name(path): lines
        for path in MODULES
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
        and name(path) not in TABLES
    }
    assert long == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert [name(path) for path in MODULES if path.stem in FORBIDDEN_NAMES] == []


def test_every_module_opens_with_a_sentence() -> None:
    silent = [
        name(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


def test_every_queue_has_a_bound() -> None:
    unbounded = [
        place
        for place, node in each(ast.Call)
        if called(node) in {"Queue", "LifoQueue", "PriorityQueue"}
        and not node.args
        and not any(keyword.arg == "maxsize" for keyword in node.keywords)
    ]
    assert unbounded == []


def test_tasks_are_made_only_by_those_who_keep_them() -> None:
    bare = [
        place
        for place, node in each(ast.Call)
        if called(node) in {"create_task", "ensure_future"}
        and place.rpartition(":")[0] not in TASK_KEEPERS
        and not _in_group(node)
    ]
    assert bare == []
    making = ("create_task", "ensure_future")
    stale = [
        path
        for path in TASK_KEEPERS
        if not any(word in (ROOT / path).read_text("utf-8") for word in making)
    ]
    assert stale == []


def _in_group(call: ast.Call) -> bool:
    """Whether a task belongs to a ``TaskGroup``, which waits for it."""
    owner = getattr(call.func, "value", None)
    return isinstance(owner, ast.Name) and owner.id == "group"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_keeps_no_state_of_its_own(path: Path) -> None:
    """Lists, dictionaries and sets at the top of a module are tables: nothing writes to them."""
    tree = ast.parse(path.read_text("utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)] == []
    mutable = {
        target.id
        for node in tree.body
        for target in _targets(node)
        if isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp)
        or (isinstance(node.value, ast.Call) and called(node.value) in {"dict", "list", "set"})
    }
    written = [
        f"{place}: {what}"
        for place, what in _writes(tree)
        if what in mutable and not _shadowed(tree, what)
    ]
    assert written == []


def _targets(node: ast.stmt) -> Iterator[ast.Name]:
    if isinstance(node, ast.Assign):
        yield from (target for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
        yield node.target


def _writes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    changing = {"append", "add", "update", "extend", "insert", "pop", "popitem", "clear", "remove"}
    changing |= {"setdefault", "discard", "sort", "reverse"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr in changing and isinstance(owner, ast.Name):
                yield node.lineno, owner.id
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and isinstance(node.value, ast.Name)
        ):
            yield node.lineno, node.value.id


def _shadowed(tree: ast.Module, what: str) -> bool:
    """Whether a function has a name of its own that hides the module's."""
    return any(
        isinstance(node, ast.Name) and node.id == what and isinstance(node.ctx, ast.Store)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    )


def test_chinese_stands_only_where_people_see_it() -> None:
    """The lower layers have no words for people; what they refuse is said by the domain."""
    spoken = [
        place
        for place, node in each(ast.Raise)
        if place.startswith("realtime/")
        and any(
            isinstance(it, ast.Constant) and isinstance(it.value, str) and not it.value.isascii()
            for it in ast.walk(node)
        )
    ]
    assert spoken == []
