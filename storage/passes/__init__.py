"""Keys that sign codes, and badges."""

from __future__ import annotations

from storage.passes.keys import PassKeyStore

__all__ = ["PassKeyStore"]
