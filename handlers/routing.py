"""Addresses: a flat list of routes, found in constant time however many there are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from tornado.routing import URLSpec
from tornado.web import RequestHandler

_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\([^()]*\))*\)")


@dataclass(frozen=True)
class Route:
    """One address and the handler that answers there.

    Attributes:
        pattern: Regular expression of the whole path, groups named.
        template: The same with ``{name}`` for each group, as OpenAPI and metrics show it.
        given: Further arguments of the handler's ``initialize``.
        bare: The handler gets nothing else and speaks a protocol of its own: a transport of the
            real-time hub, not an endpoint of the API.
    """

    pattern: str
    handler: type[RequestHandler]
    template: str
    regex: re.Pattern[str] = field(repr=False, compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    bare: bool = False


def route(pattern: str, handler: type[RequestHandler], **given: Any) -> Route:
    """Declare an address; ``pattern`` must match the whole path.

    What else is given goes to the handler's ``initialize``.
    """
    template = _GROUP.sub(r"{\1}", pattern).replace("\\", "")
    return Route(pattern, handler, template, re.compile(pattern), given)


def bare(spec: URLSpec) -> Route:
    """Answer the route of a handler that is no endpoint, from the framework's own declaration."""
    pattern = spec.regex.pattern.removesuffix("$")
    given = spec.kwargs or {}
    template = _GROUP.sub(r"{\1}", pattern)
    return Route(pattern, spec.handler_class, template, spec.regex, given, bare=True)


class Routes:
    """Finds the route of a path: by the path itself, or by its first literal segments.

    Raises:
        ValueError: Two routes claim the same address.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._exact: dict[str, Route] = {}
        self._open: dict[tuple[str, ...], list[Route]] = defaultdict(list)
        shapes: set[str] = set()
        for it in self.all:
            shape = re.sub(r"\{\w+\}", "{}", it.template)
            if shape in shapes:
                raise ValueError(f"two routes claim {it.template}")
            shapes.add(shape)
            if "{" in it.template:
                self._open[_head(it.template)].append(it)
            else:
                self._exact[it.template] = it

    def match(self, path: str) -> tuple[Route, Mapping[str, bytes]] | None:
        """Answer the route of a path and its groups, percent-decoded, or ``None``."""
        found = self._exact.get(path)
        if found is not None:
            return found, {}
        segments = path.split("/")
        # The longest literal beginning first: it is the most specific.
        for length in range(min(len(segments), 8), 0, -1):
            for it in self._open.get(tuple(segments[:length]), ()):
                hit = it.regex.fullmatch(path)
                if hit is not None:
                    return it, {
                        name: unquote_to_bytes(value) for name, value in hit.groupdict("").items()
                    }
        return None


def _head(template: str) -> tuple[str, ...]:
    segments = template.split("/")
    first = next(i for i, segment in enumerate(segments) if "{" in segment)
    return tuple(segments[:first])
