"""A notice and the map of its states (F02).

::

    draft ─submit→ in_review ─approve→ approved ─schedule→ scheduled ─┐
      ↑  ↖─edit──── rejected ←─reject┘    └────────publish──────────→ published
      └──────────────withdraw───────────────────────────────────┘        │
                       recalled ←recall─┤ superseded ←supersede─┤ expired ←expire┘

Where one person is enough, a draft is published or scheduled at once. A published notice is never
changed: a new version of the same lineage takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from domain.errors import BadState
from domain.notices.audience import Audience


class Kind(StrEnum):
    """What sort of notice it is."""

    MEETING = "会议通知"
    ACTIVITY = "活动通知"
    ANNOUNCEMENT = "公告"
    URGENT = "紧急通知"
    PAPERS = "资料通知"
    SYSTEM = "系统通知"


class Priority(StrEnum):
    """How far the notification ladder (PRODUCT.md §2.6) goes."""

    NORMAL = "普通"
    IMPORTANT = "重要"
    URGENT = "紧急"


class Mode(StrEnum):
    """What is asked of the reader."""

    NONE = "none"
    READ = "read"
    CONFIRM = "confirm"


class State(StrEnum):
    """States of a notice, F02."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    REJECTED = "rejected"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    RECALLED = "recalled"
    EXPIRED = "expired"


class Act(StrEnum):
    """What moves a notice from state to state."""

    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SCHEDULE = "schedule"
    PUBLISH = "publish"
    SUPERSEDE = "supersede"
    RECALL = "recall"
    EXPIRE = "expire"


_S = State

MAP: Mapping[Act, tuple[frozenset[State], State]] = {
    Act.EDIT: (frozenset({_S.DRAFT, _S.REJECTED}), _S.DRAFT),
    Act.SUBMIT: (frozenset({_S.DRAFT, _S.REJECTED}), _S.IN_REVIEW),
    Act.APPROVE: (frozenset({_S.IN_REVIEW}), _S.APPROVED),
    Act.REJECT: (frozenset({_S.IN_REVIEW}), _S.REJECTED),
    Act.WITHDRAW: (frozenset({_S.IN_REVIEW, _S.APPROVED, _S.SCHEDULED}), _S.DRAFT),
    Act.SCHEDULE: (frozenset({_S.DRAFT, _S.APPROVED}), _S.SCHEDULED),
    Act.PUBLISH: (frozenset({_S.DRAFT, _S.APPROVED, _S.SCHEDULED}), _S.PUBLISHED),
    Act.SUPERSEDE: (frozenset({_S.PUBLISHED}), _S.SUPERSEDED),
    Act.RECALL: (frozenset({_S.PUBLISHED}), _S.RECALLED),
    Act.EXPIRE: (frozenset({_S.PUBLISHED}), _S.EXPIRED),
}
"""From where each act leads where; a draft needs ``APPROVED`` first where two persons decide."""

OWN = frozenset({_S.DRAFT, _S.REJECTED})
"""States in which it is its author's alone."""

OUT = frozenset({_S.PUBLISHED, _S.SUPERSEDED, _S.RECALLED, _S.EXPIRED})
"""States in which it has reached its readers."""


class FieldKind(StrEnum):
    """What a reply form asks for."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"


Choice = Annotated[str, Field(min_length=1, max_length=60)]


class FormField(BaseModel):
    """One question of a reply form; ``choices`` belong to ``choice`` alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    label: Annotated[str, Field(min_length=1, max_length=60)]
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    choices: Annotated[tuple[Choice, ...], Field(max_length=20)] = ()


class Content(BaseModel):
    """What somebody writes: everything of a notice that can be edited while it is a draft.

    Attributes:
        body: Formatted text, cleaned.
        confirm_by: Last instant at which a reader may confirm; only with mode ``confirm``.
        form: Questions that go with the confirmation.
        attachments: File ids.
        related: What it is about, ``<kind>:<id>``, or empty.
        meeting_id: The meeting it belongs to; its staff follow the receipts.
        publish_at: When to publish by itself; empty: when somebody says so.
        expire_at: When it stops being of interest.
        change_note: What a new version corrects, for the readers.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    title: str
    body: str
    priority: Priority = Priority.NORMAL
    audience: Audience
    mode: Mode = Mode.READ
    confirm_by: datetime | None = None
    form: tuple[FormField, ...] = ()
    attachments: tuple[str, ...] = ()
    related: str = ""
    meeting_id: str | None = None
    publish_at: datetime | None = None
    expire_at: datetime | None = None
    change_note: str = ""


class Notice(Content):
    """One version of a notice, as it is kept.

    Attributes:
        lineage: Id of the first version.
        supersedes: Id of the version before this one.
        scopes: The parts its audience and meeting lie in, whose staff manage it.
        second: Whether a second person had to approve when it last moved.
        approver_id: Who approved; the author where one person was enough.
        recipients: How many it went to; 0 before it is published.
        reason: Why it was rejected, recalled or could not be published.
        fan_done: Whether everybody it is for has been told of its present state.
        v: Version of the record, for optimistic locking.
    """

    id: str
    no: str = ""
    lineage: str
    version: int = 1
    supersedes: str | None = None
    superseded_by: str | None = None
    state: State = State.DRAFT
    scopes: frozenset[str] = frozenset()
    second: bool = False
    author_id: str
    approver_id: str | None = None
    template_id: str | None = None
    recipients: int = 0
    reason: str = ""
    published_at: datetime | None = None
    ended_at: datetime | None = None
    nudged_at: datetime | None = None
    fan_done: bool = True
    v: int = 1
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str

    def after(self, act: Act) -> State:
        """Answer the state an act leads to.

        Raises:
            BadState: It does not start from here.
        """
        sources, target = MAP[act]
        if self.state not in sources:
            raise BadState(
                f"当前状态（{WORDS[self.state]}）不能进行此操作", allowed=allowed(self.state)
            )
        return target


def allowed(state: State) -> list[str]:
    """Answer the acts that start from a state, sorted."""
    return sorted(act.value for act, (sources, _) in MAP.items() if state in sources)


WORDS: Mapping[State, str] = {
    State.DRAFT: "草稿",
    State.IN_REVIEW: "待审批",
    State.REJECTED: "已驳回",
    State.APPROVED: "已批准",
    State.SCHEDULED: "待发布",
    State.PUBLISHED: "已发布",
    State.SUPERSEDED: "已被新版本代替",
    State.RECALLED: "已撤回",
    State.EXPIRED: "已过期",
}
