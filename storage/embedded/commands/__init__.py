"""The commands of MongoDB that the engine answers, and how each may be run."""

from storage.embedded.commands import admin, reads, writes
from storage.embedded.commands.core import (
    Command,
    Kind,
    Request,
    command_of,
    commands,
    common_checks,
    kind_of,
)

__all__ = ["Command", "Kind", "Request", "command_of", "commands", "common_checks", "kind_of"]

for _module in (reads, writes, admin):
    commands.update(_module.COMMANDS)
