"""Puts check-in together: keys, codes and badges, the doors."""

from __future__ import annotations

from domain.passes.keys import KeyBook
from domain.passes.services import Passes
from domain.rules import RuleBook
from server.ground import Ground
from storage.passes import PassKeyStore


def build_passes(ground: Ground, rules: RuleBook) -> Passes:
    """Construct what makes codes."""
    keys = KeyBook(
        PassKeyStore(ground.db),
        rules,
        vault=ground.vault,
        audit=ground.audit,
        clock=ground.clock,
    )
    return Passes(keys=keys)
