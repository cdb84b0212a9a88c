"""Saved views: private, named once, bounded, and never lost to a stale tab."""

from __future__ import annotations

import pytest

from domain.errors import Conflict, NotFound, RuleViolation
from domain.people import Person
from domain.saved_views import MOST, SavedViewService
from storage.saved_views import SavedViewStore

YIN, QI = Person(id="yin", name="尹川辞"), Person(id="qi", name="祁闻笛")


@pytest.fixture
def views(db, clock, new_id):
    return SavedViewService(SavedViewStore(db), clock=clock, new_id=new_id)


async def test_views_are_private_and_a_name_is_taken_once_per_list(views):
    kept = await views.save("accounts", "停用", {"state": "suspended"}, by=YIN)
    await views.save("grants", "停用", {}, by=YIN)
    await views.save("accounts", "停用", {}, by=QI)
    with pytest.raises(Conflict):
        await views.save("accounts", "停用", {}, by=YIN)
    assert [view.id for view in await views.mine("accounts", by=YIN)] == [kept.id]
    assert len(await views.mine(by=YIN)) == 2
    for attempt in (views.get(kept.id, by=QI), views.remove(kept.id, by=QI)):
        with pytest.raises(NotFound):
            await attempt


async def test_a_change_over_an_old_version_is_refused(views):
    kept = await views.save("accounts", "停用", {"state": "suspended"}, by=YIN)
    changed = await views.change(kept.id, "锁定", {"state": "locked"}, v=1, by=YIN)
    assert (changed.v, (await views.get(kept.id, by=YIN)).query) == (2, {"state": "locked"})
    with pytest.raises(Conflict):
        await views.change(kept.id, "晚到", {}, v=1, by=YIN)
    await views.remove(kept.id, by=YIN)
    assert await views.mine(by=YIN) == []


async def test_there_is_an_end_to_how_many_one_keeps(views):
    for n in range(MOST):
        await views.save("accounts", f"视图{n}", {}, by=YIN)
    with pytest.raises(RuleViolation):
        await views.save("accounts", "又一个", {}, by=YIN)
    await views.save("grants", "别的列表", {}, by=YIN)
