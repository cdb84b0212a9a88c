"""Correcting single cards of the roster: ``/api/v1/admin/people/{person_id}``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from domain.audit_chain import Entry
from domain.people import Flag
from domain.permissions import Permission
from domain.roster import Card, CardState
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.people import CardView
from handlers.routing import route
from handlers.text import Draft, Email, Id, Line, Name

Version = Annotated[int, Field(ge=1)]


class CorrectionDraft(Draft):
    """What is wrong on a card that is still at version ``v``; what is not named stays."""

    v: Version
    name: Name | None = None
    post: Line | None = None
    work_unit: Line | None = None
    office_phone: Annotated[Line, Field(max_length=40)] | None = None
    email: Email | None = None
    state: CardState | None = None


class FlagsDraft(Draft):
    """What a deputy is besides being a deputy; ``v`` is the version of the card."""

    v: Version
    flags: Annotated[list[Flag], Field(max_length=len(Flag))]


class ProfessionsDraft(Draft):
    """The fields somebody is at home in: codes of the dictionary ``profession``."""

    v: Version
    professions: Annotated[list[Name], Field(max_length=5)]


class MemberView(CardView):
    """A card as administrators see it, with its version."""

    v: int

    @classmethod
    def at(cls, card: Card) -> MemberView:
        """Show a card with its version."""
        return cls(**CardView.of(card).model_dump(), v=card.v)


class ChangeEntryView(BaseModel):
    """One change of a person's record, as the audit keeps it at place ``seq`` of its chain."""

    seq: int
    at: datetime
    by: str
    action: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Show a change."""
        return cls(
            seq=entry.seq,
            at=entry.at,
            by=entry.by,
            action=entry.action,
            detail=dict(entry.detail),
        )


class PersonHandler(ApiHandler):
    """``/api/v1/admin/people/{person_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, person_id: Id, body: CorrectionDraft) -> MemberView:
        """Correct a card, or note that somebody left or came back."""
        fields = body.model_dump(exclude_none=True, exclude={"v"})
        members = self.services.house.membership
        return MemberView.at(await members.correct(person_id, fields, v=body.v, by=self.user))


class FlagsHandler(ApiHandler):
    """``/api/v1/admin/people/{person_id}/flags``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, person_id: Id, body: FlagsDraft) -> MemberView:
        """Say what a deputy is besides being a deputy: head, deputy head, convener, member."""
        members = self.services.house.membership
        return MemberView.at(
            await members.set_flags(person_id, frozenset(body.flags), v=body.v, by=self.user)
        )


class ProfessionsHandler(ApiHandler):
    """``/api/v1/admin/people/{person_id}/professions``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, person_id: Id, body: ProfessionsDraft) -> MemberView:
        """Say which fields somebody is at home in, in words of the dictionary ``profession``."""
        members = self.services.house.membership
        return MemberView.at(
            await members.set_professions(
                person_id, tuple(body.professions), v=body.v, by=self.user
            )
        )


class HistoryHandler(ApiHandler):
    """``/api/v1/admin/people/{person_id}/history``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, person_id: Id, query: PageQuery) -> Page[ChangeEntryView]:
        """Show how a record came to be what it is: card, memberships, account, roles."""
        after = self.after(query)
        found = await self.services.administration.audit.history(
            person_id, by=self.user, cursor=after[0] if after else None, limit=query.limit
        )
        shown = [ChangeEntryView.of(entry) for entry in found.entries]
        return self.page(shown, [found.next] if found.next else None)


_PERSON = r"/api/v1/admin/people/(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(_PERSON, PersonHandler),
    route(rf"{_PERSON}/flags", FlagsHandler),
    route(rf"{_PERSON}/history", HistoryHandler),
    route(rf"{_PERSON}/professions", ProfessionsHandler),
]
