"""The use cases of the house and its people in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.consents import ConsentService
from domain.directory import DirectoryService
from domain.directory_export import DirectoryExport
from domain.erasure import ErasureService
from domain.favourites import FavouriteService
from domain.membership import MembershipService
from domain.organisation import OrganisationService
from domain.preferences import PreferenceService
from domain.privacy import ExportService
from domain.profile import ProfileService
from domain.saved_views import SavedViewService


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything a handler may ask about the house and its people."""

    consents: ConsentService
    directory: DirectoryService
    directory_export: DirectoryExport
    erasure: ErasureService
    exports: ExportService
    favourites: FavouriteService
    membership: MembershipService
    organisation: OrganisationService
    preferences: PreferenceService
    profile: ProfileService
    saved_views: SavedViewService
