"""Keepers of personal data among the people's stores: what a copy holds and what erasure does.

Each implements ``domain.privacy.PersonalData``. A copy names objects by ``id`` and leaves out who
else was involved (who decided a change, who follows a card): that is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.consents import ConsentService
from domain.ports import Vault
from domain.privacy import Erased
from domain.profile import ProfileField
from domain.roster import Card, CardState, mobile_context
from storage.consents import ConsentStore
from storage.erasure import ErasureStore
from storage.favourites import FavouriteStore
from storage.people import PeopleStore
from storage.preferences import PreferenceStore
from storage.privacy import ExportStore, SealedBox
from storage.profile import ProfileChangeStore


class CardData:
    """The roster card. The name stays: it stands on what the person did in office."""

    name = "名册"
    collections = ("person",)

    def __init__(self, people: PeopleStore, vault: Vault) -> None:
        self._people = people
        self._vault = vault

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer the card with the mobile number in clear."""
        card = await self._people.get(person_id)
        if card is None:
            return []
        row = card.model_dump(mode="json", exclude={"mobile_h", "mobile_enc", *_STAFF})
        if card.mobile_enc is not None:
            row["mobile"] = self._vault.open(card.mobile_enc, context=mobile_context(card.id))
        return [row]

    async def erase(self, person_id: str) -> Erased:
        """Keep name, number and delegation; forget how to reach the person and where they work."""
        card = await self._people.get(person_id)
        if card is None:
            return Erased()
        bare = Card(
            id=card.id,
            kind=card.kind,
            name=card.name,
            deputy_no=card.deputy_no,
            delegation_id=card.delegation_id,
            state=CardState.LEFT,
            cls=card.cls,
            v=card.v,
            created_at=card.created_at,
            created_by=card.created_by,
            updated_at=card.updated_at,
            updated_by="system",
        )
        await self._people.put(bare)
        return Erased(
            removed=1,
            kept=("姓名、代表证号和所属代表团：履职和办理档案依法保存（档案法、代表法）",),
        )


class PreferenceData:
    """Settings."""

    name = "设置"
    collections = ("preference",)

    def __init__(self, preferences: PreferenceStore) -> None:
        self._preferences = preferences

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer the settings, if any were changed."""
        found = await self._preferences.get(person_id)
        if found is None:
            return []
        return [{"id": person_id, **found.model_dump(mode="json", exclude={"person_id"})}]

    async def erase(self, person_id: str) -> Erased:
        """Delete the settings."""
        return Erased(removed=await self._preferences.forget(person_id))


class ProfileData:
    """Asked-for changes of the profile."""

    name = "资料变更"
    collections = ("profile_change",)

    def __init__(self, changes: ProfileChangeStore, vault: Vault) -> None:
        self._changes = changes
        self._vault = vault

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every change with the value that was asked for."""
        rows = []
        for change in await self._changes.of(person_id):
            row = change.model_dump(mode="json", exclude={"value_enc", "decided_by"})
            if change.field is ProfileField.PHONE and change.value_enc is not None:
                context = f"profile_change.value:{change.id}"
                row["value"] = self._vault.open(change.value_enc, context=context)
            rows.append(row)
        return rows

    async def erase(self, person_id: str) -> Erased:
        """Delete the changes; the audit keeps that there were some."""
        return Erased(removed=await self._changes.forget(person_id))


class FavouriteData:
    """Favourites of the directory."""

    name = "常用联系人"
    collections = ("favourite",)

    def __init__(self, favourites: FavouriteStore, people: PeopleStore) -> None:
        self._favourites = favourites
        self._people = people

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer whose cards the person keeps, by name only."""
        kept = await self._favourites.of(person_id)
        cards = await self._people.many(frozenset(one.card_id for one in kept))
        return [
            {
                "id": f"favourite-{place}",
                "name": cards[one.card_id].name if one.card_id in cards else "",
                "since": one.since,
            }
            for place, one in enumerate(kept, start=1)
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete the person's favourites, and the person from everybody else's."""
        return Erased(removed=await self._favourites.forget(person_id))


class ConsentData:
    """Consents. The proof of what was agreed stays; what rested on it goes."""

    name = "同意记录"
    collections = ("consent",)

    def __init__(self, consents: ConsentStore, service: ConsentService) -> None:
        self._consents = consents
        self._service = service

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every consent with its history."""
        return [
            {
                "id": f"{consent.person_id}:{consent.purpose}",
                **consent.model_dump(mode="json", exclude={"cleanup", "person_id"}),
            }
            for consent in await self._consents.of(person_id)
        ]

    async def erase(self, person_id: str) -> Erased:
        """Withdraw every consent, which deletes what was kept for it."""
        removed = await self._service.withdraw_all(person_id)
        return Erased(
            removed=removed,
            kept=(
                "同意与撤回的记录：作为已取得同意的凭证保存三年以上（个人信息保护法第五十六条）",
            ),
        )


class RequestData:
    """Requests about one's data: copies and erasures."""

    name = "个人信息请求"
    collections = ("export_job", "erasure")

    def __init__(self, exports: ExportStore, erasures: ErasureStore, box: SealedBox) -> None:
        self._exports = exports
        self._box = box
        self._erasures = erasures

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every request and what became of it."""
        copies = await self._exports.of(person_id)
        erasures = await self._erasures.of(person_id)
        return [
            *(
                {"kind": "copy", **job.model_dump(mode="json", include=_OF_A_COPY)}
                for job in copies
            ),
            *(
                {"kind": "erasure", **request.model_dump(mode="json", exclude={"decided_by"})}
                for request in erasures
            ),
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete the archives that were made; what was asked for and answered stays."""
        jobs = await self._exports.of(person_id)
        for job in jobs:
            await self._box.drop(job.id)
        return Erased(removed=len(jobs), kept=("本次及以往请求的处理记录：用于证明已依法处理",))


_STAFF = {"created_by", "updated_by"}
_OF_A_COPY = {"id", "state", "asked_at", "finished_at", "expires_at"}
