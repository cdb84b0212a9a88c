"""Contacts that come with what somebody handles (F15: units see only those)."""

import pytest

from domain.directory import DirectoryService, ScrapingGuard, may_see_mobile
from domain.errors import NotFound
from domain.people import Grant, Person
from domain.permissions import Role
from domain.roster import Card, Kind, mobile_context
from storage.favourites import FavouriteStore
from storage.limiter import MemoryLimiter
from storage.people import PeopleStore
from storage.vault import KeyVault

wu = Person(
    id="u1", name="邬嘉树", org_id="jtw",
    grants=(Grant(role=Role.UNIT, scopes=frozenset({"unit:jtw"})),),
)  # fmt: skip


class Handled:
    """A feature that says whom a unit deals with."""

    def __init__(self, *people: str) -> None:
        self.people = frozenset(people)

    async def contacts(self, person):
        return self.people


class Silent:
    """Audit and bus that nobody listens to."""

    async def record(self, *args, **kwargs) -> None: ...

    async def publish(self, *args, **kwargs) -> None: ...


@pytest.fixture
async def directory(db, clock, new_id):
    vault, people = KeyVault([b"k" * 32]), PeopleStore(db)
    for person_id, name in (("d1", "骆叙白"), ("d2", "苗听澜")):
        await people.put(
            Card(
                id=person_id, name=name, kind=Kind.DEPUTY,
                mobile_enc=vault.seal("19900000009", context=mobile_context(person_id)),
            )
        )  # fmt: skip
    await people.put(Card(id="u1", name="邬嘉树", kind=Kind.STAFF, org_id="jtw"))

    def build(*duties):
        guard = ScrapingGuard(
            MemoryLimiter(clock), bus=Silent(), audit=Silent(), clock=clock, new_id=new_id
        )
        return DirectoryService(
            people, FavouriteStore(db), guard, vault=vault, audit=Silent(), duties=duties
        )

    return build


async def test_a_unit_sees_the_deputies_of_its_items_and_may_call_them(directory):
    handling = directory(Handled("d1"), Handled())
    cards, last = await handling.search("", by=wu)
    assert ([card.name for card in cards], last) == (["骆叙白", "邬嘉树"], None)
    assert (await handling.view("d1", by=wu)).mobile == "19900000009"
    with pytest.raises(NotFound):
        await handling.view("d2", by=wu)


async def test_a_unit_without_items_sees_its_own_people_only(directory):
    idle = directory()
    cards, _ = await idle.search("", by=wu)
    assert [card.name for card in cards] == ["邬嘉树"]
    with pytest.raises(NotFound):
        await idle.view("d1", by=wu)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OPS, Role.EDITOR, Role.GOV_DISPATCH])
def test_roles_without_the_right_never_see_a_number_that_is_hidden(role):
    somebody = Person(id="x", name="某人", grants=(Grant(role=role),))
    assert not may_see_mobile(somebody, Card(id="d1", name="骆叙白", kind=Kind.DEPUTY))
