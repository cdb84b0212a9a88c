"""One's own settings, changes of one's profile, and what waits: ``/api/v1/me/…``."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from domain.permissions import Permission
from domain.preferences import Settings
from domain.profile import ChangeState, ProfileChange, ProfileField
from domain.todo import TodoList
from handlers.base import ApiHandler
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Id, Line, Note, Phone


def _whole(at: time) -> time:
    if at.tzinfo is not None or at.second or at.microsecond:
        raise PydanticCustomError("minute", "请用“时:分”表示")
    return at


Minute = Annotated[
    time,
    AfterValidator(_whole),
    PlainSerializer(lambda at: at.isoformat("minutes"), return_type=str, when_used="json"),
]
"""A time of day in Shanghai, ``HH:MM``."""


class PreferencesDraft(Draft):
    """Settings to change; what is not named stays."""

    v: Annotated[int, Field(ge=0)]
    large_text: bool | None = None
    read_aloud: bool | None = None
    wechat: bool | None = None
    sms: bool | None = None
    digest: bool | None = None
    quiet_from: Minute | None = None
    quiet_until: Minute | None = None
    show_mobile: bool | None = None


class PreferencesView(BaseModel):
    """One's settings."""

    large_text: bool
    read_aloud: bool
    wechat: bool
    sms: bool
    digest: bool
    quiet_from: Minute
    quiet_until: Minute
    show_mobile: bool
    v: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Show settings."""
        fields: dict[str, Any] = settings.preferences.model_dump(
            exclude={"person_id", "updated_at"}
        )
        return cls(**fields, show_mobile=settings.show_mobile)


class WorkUnitDraft(Draft):
    """Another work unit or post."""

    field: Literal["work_unit", "post"]
    value: Annotated[Line, Field(min_length=1, max_length=100)]


class PhoneDraft(Draft):
    """Another phone number."""

    field: Literal["phone"]
    value: Phone


class ProfileChangeDraft(Draft):
    """A change to ask for: ``field`` is ``work_unit``, ``post`` or ``phone``."""

    field: ProfileField
    value: Annotated[Line, Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        model = PhoneDraft if self.field is ProfileField.PHONE else WorkUnitDraft
        model.model_validate({"field": self.field.value, "value": self.value})
        return self


class ProfileChangeView(BaseModel):
    """An asked-for change, for the person and for who verifies it."""

    id: str
    person_id: str
    person_name: str
    field: ProfileField
    value: str
    state: ChangeState
    asked_at: datetime
    decided_at: datetime | None
    reason: str
    v: int

    @classmethod
    def of(cls, change: ProfileChange, value: str) -> Self:
        """Show a change with its value in clear."""
        fields = change.model_dump(include=set(cls.model_fields) - {"value"})
        return cls(**fields, value=value)


class DecisionDraft(Draft):
    """Whether the change is right; a refusal says why."""

    accept: bool
    reason: Note = ""
    v: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.accept and not self.reason:
            raise ValueError("请填写不予通过的理由")
        return self


class TodoView(BaseModel):
    """One thing that waits."""

    kind: str
    obj: str
    title: str
    since: datetime
    due: datetime | None


class TodoListView(BaseModel):
    """Everything that waits; ``counts`` are the lengths of the lists by kind."""

    items: list[TodoView]
    counts: dict[str, int]
    total: int

    @classmethod
    def of(cls, todo: TodoList) -> Self:
        """Show what waits."""
        items = [TodoView(**item.model_dump()) for item in todo.items]
        return cls(items=items, counts=dict(todo.counts), total=todo.total)


class PreferencesHandler(ApiHandler):
    """``/api/v1/me/preferences``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> PreferencesView:
        """Answer one's settings."""
        return PreferencesView.of(await self.services.house.preferences.get(by=self.user))

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def patch(self, body: PreferencesDraft) -> PreferencesView:
        """Change some of one's settings; they follow to every device."""
        fields = body.model_dump(exclude={"v"}, exclude_none=True)
        settings = await self.services.house.preferences.change(fields, v=body.v, by=self.user)
        return PreferencesView.of(settings)


class MyChangesHandler(ApiHandler):
    """``/api/v1/me/profile-changes``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> list[ProfileChangeView]:
        """Answer the changes one asked for, newest first."""
        profile = self.services.house.profile
        changes = await profile.mine(by=self.user)
        return [
            ProfileChangeView.of(change, profile.reveal(change, by=self.user)) for change in changes
        ]

    @operation(SIGNED_IN, status=201, flag="profile.change")
    async def post(self, body: ProfileChangeDraft) -> ProfileChangeView:
        """Ask for another work unit, post or phone number; the old one stays until verified."""
        profile = self.services.house.profile
        change = await profile.ask(body.field, body.value, by=self.user)
        return ProfileChangeView.of(change, profile.reveal(change, by=self.user))


class ChangesHandler(ApiHandler):
    """``/api/v1/profile-changes``."""

    @operation(Permission.PROFILE_VERIFY)
    async def get(self) -> list[ProfileChangeView]:
        """Answer the changes that wait for this person to verify, oldest first."""
        profile = self.services.house.profile
        return [
            ProfileChangeView.of(change, profile.reveal(change, by=self.user))
            for change in await profile.waiting(by=self.user)
        ]


class ChangeDecisionHandler(ApiHandler):
    """``/api/v1/profile-changes/{change_id}/decision``."""

    @operation(Permission.PROFILE_VERIFY)
    async def post(self, change_id: Id, body: DecisionDraft) -> ProfileChangeView:
        """Verify a change and put it on the card, or refuse it."""
        profile = self.services.house.profile
        change = await profile.decide(
            change_id, accept=body.accept, reason=body.reason, v=body.v, by=self.user
        )
        return ProfileChangeView.of(change, profile.reveal(change, by=self.user))


class TodoHandler(ApiHandler):
    """``/api/v1/me/todo``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> TodoListView:
        """Answer what waits for this person, the most urgent first."""
        return TodoListView.of(await self.services.todo.of(self.user))


ROUTES = [
    route(r"/api/v1/me/preferences", PreferencesHandler),
    route(r"/api/v1/me/profile-changes", MyChangesHandler),
    route(r"/api/v1/me/todo", TodoHandler),
    route(r"/api/v1/profile-changes", ChangesHandler),
    route(r"/api/v1/profile-changes/(?P<change_id>[0-9A-Z]{26})/decision", ChangeDecisionHandler),
]
