"""Entities by key: commit-local changes over a bounded cache over the store."""

from collections import OrderedDict
from typing import Any

import msgspec

from app.contracts import wire
from app.domain.decision import Entity, FollowUp
from tables.store import Store

CACHE_BYTES = 16 << 20
_NIL = b"\xc0"


class Held(msgspec.Struct, gc=False):
    """An entity as last written: `size` of its record, `next_due` as indexed."""

    state: Any
    sequence: int
    size: int
    next_due: int | None


class Touched(msgspec.Struct):
    """An entity within one commit; `trace`: of the last command that changed it."""

    entity: Entity
    before: Held
    state: Any
    events: list[Any]
    follow_ups: list[FollowUp]
    changed: bool = False
    trace: str | None = None


class Registry:
    """What the engine knows of kinds of entities: prefixes, command decoders, codecs."""

    def __init__(self, entities: tuple[Entity, ...]) -> None:
        pages = [entity.pages for entity in entities if entity.pages is not None]
        self.by_prefix = {entity.prefix: entity for entity in (*entities, *pages)}
        self.by_command: dict[str, tuple[Entity, msgspec.msgpack.Decoder[Any]]] = {
            name: (entity, msgspec.msgpack.Decoder(command))
            for entity in entities
            for name, command in entity.commands.items()
        }
        self._states = {
            prefix: msgspec.msgpack.Decoder(entity.state)
            for prefix, entity in self.by_prefix.items()
        }

    def decode_state(self, prefix: bytes, raw: msgspec.Raw) -> Any:
        return None if bytes(raw) == _NIL else self._states[prefix].decode(raw)


class Entities:
    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._cache: OrderedDict[bytes, Held] = OrderedDict()
        self._bytes = 0

    def load(self, key: bytes, entity: Entity) -> Held:
        held = self._cache.get(key)
        if held is not None:
            return held
        value = self._store.get(key)
        if value is None:
            return Held(None, 0, 0, None)
        record = wire.decode_journal(value)
        state = self._registry.decode_state(entity.prefix, record.state)
        if state is not None and record.schema < wire.STATE_SCHEMA:
            state = entity.upgraded(state)
        held = Held(state, record.sequence, len(value), record.next_due)
        self.keep(key, held)
        return held

    def keep(self, key: bytes, held: Held) -> None:
        """Newest last; the oldest leave when the cache is full."""
        old = self._cache.pop(key, None)
        self._bytes += held.size - (old.size if old else 0)
        self._cache[key] = held
        while self._bytes > CACHE_BYTES and len(self._cache) > 1:
            self._bytes -= self._cache.popitem(last=False)[1].size
