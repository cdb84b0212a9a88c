"""A consent is to a text; when the text changes, the person is asked again."""

import pytest

from domain.consents import PURPOSES, ConsentService
from domain.errors import Conflict
from domain.people import Person
from storage.consents import ConsentStore

wen = Person(id="p1", name="闻予澄")


class Notes:
    """An audit that remembers."""

    def __init__(self) -> None:
        self.actions: list[str] = []

    async def record(self, action, *, by, obj, detail=None) -> None:
        self.actions.append(action)


def service(db, clock, *, version: str = "2026-01-01") -> ConsentService:
    purposes = [purpose.model_copy(update={"version": version}) for purpose in PURPOSES]
    return ConsentService(ConsentStore(db), Notes(), clock=clock, purposes=purposes)


async def test_a_changed_text_waits_to_be_read_again(db, clock):
    before = service(db, clock)
    await before.decide("voice", given=True, version="2026-01-01", by=wen)
    await before.decide("face", given=False, version="2026-01-01", by=wen)
    assert await before.todo(wen) == []

    after = service(db, clock, version="2026-06-01")
    (item,) = await after.todo(wen)
    assert (item.kind, item.obj) == ("consent.decide", "purpose:voice")
    with pytest.raises(Conflict):
        await after.decide("voice", given=True, version="2026-01-01", by=wen)
    await after.decide("voice", given=True, version="2026-06-01", by=wen)
    assert await after.todo(wen) == []


async def test_saying_the_same_again_changes_nothing(db, clock):
    consents = service(db, clock)
    first = await consents.decide("voice", given=True, version="2026-01-01", by=wen)
    assert await consents.decide("voice", given=True, version="2026-01-01", by=wen) == first
    await consents.withdraw("voice", by=wen)
    again = await consents.withdraw("voice", by=wen)
    assert [turn.decision for turn in again.history] == ["given", "withdrawn"]


async def test_withdrawing_everything_leaves_what_was_refused_as_it_was(db, clock):
    consents = service(db, clock)
    for purpose, given in (("voice", True), ("story", True), ("face", False)):
        await consents.decide(purpose, given=given, version="2026-01-01", by=wen)
    assert await consents.withdraw_all("p1") == 2
    assert await consents.withdraw_all("p1") == 0
    said = {purpose.key: consent for purpose, consent in await consents.overview(by=wen)}
    assert {key: consent.decision for key, consent in said.items() if consent} == {
        "voice": "withdrawn",
        "story": "withdrawn",
        "face": "refused",
    }
