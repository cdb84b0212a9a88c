"""Refusals: what the house says when it cannot do what was asked.

Every refusal is a ``DomainError`` with a stable ``code`` (PRODUCT.md §2.7), a sentence in Chinese
for the person who asked, and, where it helps, the ``field`` at fault and a ``detail`` mapping that
a program can read. ``handlers.errors`` is the only place that turns them into status codes.

::

    DomainError
    ├── Malformed             bad_json, bad_type     the request cannot be read
    ├── Invalid               invalid                a field is missing or not acceptable
    │   └── RuleViolation     rule_violation         a rule of the congress says no
    ├── Unauthenticated       unauthenticated, code_used, …   we do not know who is asking
    ├── StepUpRequired        step_up_required       known, but must prove it once more
    ├── Forbidden             forbidden              known, and may not
    ├── NotFound              not_found              is not there, or may not be known
    ├── Gone                  gone, recalled         it was there and has been taken back
    ├── Conflict              conflict               somebody else was faster
    │   └── BadState          bad_state              the transition is not on the map
    ├── TooLarge              too_large
    ├── TypeRefused           type_refused
    ├── ContentRefused        infected, secret_marked
    ├── RateLimited           rate_limited           slower, please
    ├── UpstreamDown          upstream_down          a neighbour does not answer
    │   ├── NotConfigured     not_configured         nobody has told us about the neighbour
    │   ├── Unsent            upstream_down          the neighbour never got the request
    │   └── UpstreamRefused   upstream_down          the neighbour answered, and said no
    └── StorageFull           storage_full           no room to keep what was said
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class DomainError(Exception):
    """A refusal that the caller may be told about.

    Attributes:
        code: Stable machine-readable name of the refusal.
        msg: One Chinese sentence for the person who asked.
        field: Name of the field at fault, dotted for nested ones, or ``None``.
        detail: Further facts a program may use; empty when there are none.
    """

    code = "error"

    def __init__(
        self,
        msg: str,
        *,
        code: str | None = None,
        field: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(msg)
        self.msg = msg
        self.code = code or type(self).code
        self.field = field
        self.detail = dict(detail or {})


class Malformed(DomainError):
    """The request cannot be read: ``bad_json``, or ``bad_type`` with the field."""

    code = "bad_json"


class Invalid(DomainError):
    """A field is missing or its value is not acceptable."""

    code = "invalid"


class RuleViolation(Invalid):
    """A rule of the congress says no.

    ``detail`` names the ``rule_param`` key and its legal source.
    """

    code = "rule_violation"

    def __init__(
        self, msg: str, *, rule: str, source: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(msg, detail={"rule_param": rule, "source": source, **(detail or {})})


class Unauthenticated(DomainError):
    """We do not know who is asking, or no longer believe it."""

    code = "unauthenticated"


class StepUpRequired(DomainError):
    """The person is known, but this act needs a fresh proof. ``detail.methods`` lists the ways."""

    code = "step_up_required"


class Forbidden(DomainError):
    """The person is known and may not do this."""

    code = "forbidden"

    def __init__(self, msg: str = "没有权限", **more: Any) -> None:
        super().__init__(msg, **more)


class NotFound(DomainError):
    """It is not there, or the person asking may not know that it is: the answer is the same."""

    code = "not_found"

    def __init__(self, msg: str = "未找到") -> None:
        super().__init__(msg)


class Gone(DomainError):
    """It was there, this person had it, and it has been taken back. ``detail.reason`` says why."""

    code = "gone"


class Conflict(DomainError):
    """Somebody else was faster. ``detail.v`` holds the current version where there is one."""

    code = "conflict"


class BadState(Conflict):
    """The transition is not allowed from here. ``detail.allowed`` lists those that are."""

    code = "bad_state"

    def __init__(self, msg: str, *, allowed: Iterable[str] = (), **more: Any) -> None:
        super().__init__(msg, detail={"allowed": sorted(allowed)}, **more)


class TooLarge(DomainError):
    """The body or file is larger than the limit in ``detail.limit`` (bytes)."""

    code = "too_large"


class TypeRefused(DomainError):
    """The file's type is not on the list, or its content is not what its name says."""

    code = "type_refused"


class ContentRefused(DomainError):
    """The content itself may not enter: ``infected`` or ``secret_marked``."""

    code = "secret_marked"


class RateLimited(DomainError):
    """Too fast. ``retry_after`` is in seconds."""

    code = "rate_limited"

    def __init__(self, msg: str = "操作过于频繁，请稍后再试", *, retry_after: float = 1.0) -> None:
        super().__init__(msg, detail={"retry_after": max(1, round(retry_after))})
        self.retry_after = max(1, round(retry_after))


class UpstreamDown(DomainError):
    """A neighbour does not answer. ``detail.upstream`` says which; ``retry_after`` in seconds."""

    code = "upstream_down"

    def __init__(self, msg: str, *, upstream: str, retry_after: float = 5.0) -> None:
        super().__init__(msg, detail={"upstream": upstream})
        self.retry_after = max(1, round(retry_after))


class NotConfigured(UpstreamDown):
    """Nobody has told this installation how to reach the neighbour."""

    code = "not_configured"


class Unsent(UpstreamDown):
    """The neighbour never got the request, so asking again does nothing twice."""


class UpstreamRefused(UpstreamDown):
    """The neighbour understood and said no; asking again would bring the same answer."""


class StorageFull(DomainError):
    """There is no room to keep what was said; reading still works."""

    code = "storage_full"
