"""The templates that a process holds open, in step with the store within seconds."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clock import Clock
from domain.faces.matching import Gallery, Vector, vector
from domain.faces.templates import FaceStore, Template, TemplateState
from domain.ports import Vault

_log = logging.getLogger(__name__)

_STALE = timedelta(seconds=1)
_AT_ONCE = 200

_NOBODY = Gallery({})


class _Open(NamedTuple):
    """Somebody's vectors, and the version of the template they come from."""

    v: int
    vectors: tuple[Vector, ...]


class Galleries:
    """Opens sealed templates, and forgets them as soon as they are deleted.

    Args:
        store: Where templates are kept.
        vault: Seals them, under a key that is for faces alone.
        model: The engine's; templates of other models are left alone.
        clock: Tells how old what is held is.
    """

    def __init__(
        self, store: FaceStore, vault: Vault, *, model: Callable[[], str], clock: Clock
    ) -> None:
        self._store = store
        self._vault = vault
        self._model = model
        self._clock = clock
        self._open: Mapping[str, _Open] = {}
        self._gallery = _NOBODY
        self._mark: int | None = None
        self._asked: datetime | None = None

    async def current(self) -> Gallery:
        """Answer everybody who can be recognised, as of at most a second ago."""
        now = self._clock()
        if self._asked is None or not timedelta(0) <= now - self._asked < _STALE:
            await self.refresh()
        return self._gallery

    async def refresh(self) -> None:
        """Take up what has changed, and let go of what was deleted. A job, in each process."""
        now, mark = self._clock(), await self._store.mark()
        if mark != self._mark:
            versions = await self._store.versions()
            kept = {who: it for who, it in self._open.items() if versions.get(who) == it.v}
            missing = sorted(versions.keys() - kept.keys())
            for start in range(0, len(missing), _AT_ONCE):
                # Each portion waits for the store, so that others get their turn in between.
                for it in await self._store.many(missing[start : start + _AT_ONCE]):
                    if it.state is TemplateState.ACTIVE and it.model == self._model():
                        kept[it.person_id] = _Open(it.v, self.opened(it))
            self._open = kept
            self._gallery = Gallery({who: it.vectors for who, it in kept.items()})
            self._mark = mark
        self._asked = now

    def forget(self) -> None:
        """Hold nothing: the module is switched off."""
        self._open, self._gallery, self._mark, self._asked = {}, _NOBODY, None, None

    def opened(self, template: Template) -> tuple[Vector, ...]:
        """Open a template; empty, with a word in the log, if it was altered or its key is lost."""
        try:
            return tuple(
                vector(base64.b64decode(self._vault.open(it, context=context)))
                for it, context in zip(template.samples, template.sample_contexts, strict=True)
            )
        except ValueError:
            _log.error("the face template of %s cannot be opened", template.person_id)
            return ()

    def seal(self, template: Template, vectors: Sequence[bytes], reference: bytes) -> Template:
        """Answer the template with its samples, and the reference if there is one, sealed."""

        def seal(raw: bytes, context: str) -> bytes:
            return self._vault.seal(base64.b64encode(raw).decode(), context=context)

        kept = reference and seal(reference, template.reference_context)
        bare = template.model_copy(update={"samples": tuple(vectors)})
        samples = tuple(map(seal, vectors, bare.sample_contexts))
        return template.model_copy(update={"samples": samples, "reference": kept})

    def reference(self, template: Template) -> bytes:
        """Open the picture that a vendor compares with; empty if there is none.

        Raises:
            ValueError: It was altered, belongs to somebody else, or its key is not here.
        """
        if not template.reference:
            return b""
        opened = self._vault.open(template.reference, context=template.reference_context)
        return base64.b64decode(opened)
