"""Puts the house and its people together: roster, directory, profile, privacy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.consents import ConsentService
from domain.directory import DirectoryService, Duties, ScrapingGuard
from domain.directory_export import DirectoryExport
from domain.erasure import Accounts, Deadlines, ErasureService
from domain.favourites import FavouriteService
from domain.house import House
from domain.identity.policy import LoginPolicy
from domain.membership import MembershipService, Words
from domain.organisation import OrganisationService
from domain.preferences import PreferenceService
from domain.privacy import ExportService, PersonalData
from domain.profile import PhoneBook, ProfileService
from domain.saved_views import SavedViewService
from domain.sheet_export import SheetExport
from server.ground import Ground
from storage.consents import ConsentStore
from storage.erasure import ErasureStore
from storage.favourites import FavouriteStore
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from storage.personal import (
    CardData,
    ConsentData,
    FavouriteData,
    PreferenceData,
    ProfileData,
    RequestData,
)
from storage.personal_login import AccountData, AccountPhones, DeviceData, SessionData
from storage.preferences import PreferenceStore
from storage.privacy import ExportStore, SealedBox
from storage.profile import ProfileChangeStore
from storage.saved_views import SavedViewData, SavedViewStore
from storage.spreadsheets import XlsxWriter

_POLICY = LoginPolicy()


def sheet_export(ground: Ground) -> SheetExport:
    """Answer what writes lists into spreadsheets."""
    return SheetExport(
        XlsxWriter(), audit=ground.audit, bus=ground.bus, clock=ground.clock, new_id=ground.new_id
    )


def build_house(
    ground: Ground,
    accounts: Accounts,
    rules: Deadlines,
    words: Words,
    *,
    archive: timedelta = _POLICY.archive,
    keepers: Sequence[PersonalData] = (),
    phones: Sequence[PhoneBook] = (),
    duties: Sequence[Duties] = (),
) -> House:
    """Construct everything about the house and its people.

    Args:
        ground: What services stand on.
        accounts: Ends accounts of people who are erased.
        rules: The clocks of the congress.
        words: The dictionaries.
        archive: How long an ended account stays before it can be erased.
        keepers: Further keepers of personal data: each feature that has some.
        phones: Who keeps phone numbers beside roster and accounts.
        duties: Features by which people deal with each other.
    """
    db, audit, bus = ground.db, ground.audit, ground.bus
    clock, new_id, vault = ground.clock, ground.new_id, ground.vault
    people, parts, favourites = PeopleStore(db), OrganisationStore(db), FavouriteStore(db)
    preferences, changes, consents = PreferenceStore(db), ProfileChangeStore(db), ConsentStore(db)
    copies, erasures, views = ExportStore(db), ErasureStore(db), SavedViewStore(db)
    box = SealedBox(ground.settings.data_dir / "exports", vault)

    guard = ScrapingGuard(ground.limiter, bus=bus, audit=audit, clock=clock, new_id=new_id)
    directory = DirectoryService(people, favourites, guard, vault=vault, audit=audit, duties=duties)
    kept = FavouriteService(directory, people, favourites, bus=bus, clock=clock, new_id=new_id)
    consent = ConsentService(consents, audit, clock=clock)
    data: tuple[PersonalData, ...] = (
        CardData(people, vault),
        PreferenceData(preferences),
        ProfileData(changes, vault),
        FavouriteData(favourites, people),
        ConsentData(consents, consent),
        RequestData(copies, erasures, box),
        AccountData(db, vault),
        DeviceData(db),
        SessionData(db),
        SavedViewData(views),
        *keepers,
    )
    return House(
        consents=consent,
        directory=directory,
        directory_export=DirectoryExport(
            people, parts, sheet_export(ground), vault=vault
        ),
        erasure=ErasureService(
            data, erasures, accounts, rules,
            archive=archive, audit=audit, clock=clock, new_id=new_id,
        ),
        exports=ExportService(
            data, copies, box, audit=audit, bus=bus, clock=clock, new_id=new_id
        ),
        favourites=kept,
        membership=MembershipService(
            people, parts, kept, words, audit=audit, bus=bus, clock=clock
        ),
        organisation=OrganisationService(parts, audit, clock=clock, new_id=new_id),
        preferences=PreferenceService(preferences, people, clock=clock),
        profile=ProfileService(
            people, changes,
            vault=vault, audit=audit, bus=bus, clock=clock, new_id=new_id,
            phones=(AccountPhones(db, vault, clock=clock), *phones),
        ),
        saved_views=SavedViewService(views, clock=clock, new_id=new_id),
    )  # fmt: skip
