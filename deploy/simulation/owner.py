"""The owner of one partition: real drafts over a played journal, ended between any two steps."""

import enum
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from app.contracts import wire
from app.domain.decision import Reply
from app.domain.policy import Policy
from deploy.simulation.post import Broken, Stored
from tables.draft import Draft
from tables.entities import Entities, Registry


class Crash(enum.Enum):
    NONE = "none"
    BEFORE_APPEND = "before the append"
    AFTER_APPEND = "after the append, before the answers"


class Request:
    """What the draft needs of a waiting request; `answer` is told once, or never."""

    def __init__(
        self, key: str, command: msgspec.Struct, request_id: str, /, *, answer: Callable[..., None]
    ) -> None:
        self.key = key
        self.command = command
        self.id = request_id
        self.taken = False
        self.trace = None
        self.answer = answer


class MemoryStore:
    """The local store; lost with a wiped disk, rebuilt from the journal."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)


class Owner:
    """`commands` and `journal` are durable; everything else is memory that a crash takes."""

    def __init__(self, registry: Registry, policy: Policy) -> None:
        self.commands: list[Stored] = []
        self.journal: list[Stored] = []
        self.watermark = 0
        self.requests: list[Request] = []
        self.dues: dict[bytes, int] = {}
        self._latest: dict[bytes, bytes] = {}
        self._registry = registry
        self._policy = policy
        self._sequences: dict[bytes, int] = {}
        self._forget()

    @property
    def waiting(self) -> bool:
        return bool(self.requests) or self.watermark < len(self.commands)

    def first_due(self) -> int | None:
        return min(self.dues.values(), default=None)

    def append_command(self, key: str, value: bytes) -> None:
        self.commands.append(Stored(value, len(self.commands), key.encode()))

    def state(self, key: bytes) -> Any:
        """As the journal has it."""
        value = self._latest.get(key)
        if value is None:
            return None
        record = wire.decode_journal(value)
        return self._registry.decode_state(key[:1], record.state)

    def entities(self, prefix: bytes) -> Iterator[tuple[str, Any]]:
        """All of one kind, as the journal has them."""
        for key in self._latest:
            if key.startswith(prefix):
                yield key[1:].decode(), self.state(key)

    def end(self) -> None:
        """The process dies: whoever waits hears nothing."""
        requests, self.requests = self.requests, []
        self._forget()
        for request in requests:
            request.answer(None)

    def commit(self, now: int, *, requests: int, commands: int, crash: Crash) -> None:
        upto = min(self.watermark + commands, len(self.commands))
        draft = self._drafted(now, requests=requests, upto=upto)
        encoded = draft.encode(epoch=1)
        if crash is Crash.BEFORE_APPEND:
            self.end()
            return
        written = {key: value or b"" for key, value, _ in encoded.records}
        for key, value in written.items():
            self._append(key, value, now)
        self.watermark = upto
        if crash is Crash.AFTER_APPEND:
            self.end()
            return
        for key, held in encoded.held:
            self._entities.keep(key, held)
        self._store.values.update(written)
        answered, self.requests = self.requests[:requests], self.requests[requests:]
        for request, (_, reply) in zip(answered, draft.answers, strict=True):
            if not isinstance(reply, Reply):
                raise reply
            request.answer(reply)

    def _drafted(self, now: int, *, requests: int, upto: int) -> Draft:
        draft = Draft(self._entities, self._registry, self._policy)
        for request in self.requests[:requests]:
            draft.answer(request, now)  # type: ignore[arg-type]
        for record in self.commands[self.watermark : upto]:
            draft.take(record, lambda stamped: min(stamped, now))
        for key, due_at in sorted(self.dues.items()):
            if due_at <= now:
                draft.due(due_at, key, now)
        if draft.dead:
            raise Broken(f"poison: {draft.dead[0].code} of {draft.dead[0].record.value!r}")
        return draft

    def _append(self, key: bytes, value: bytes, now: int) -> None:
        record = wire.decode_journal(value)
        if record.sequence != self._sequences.get(key, 0) + 1:
            raise Broken(f"{key!r}: sequence {record.sequence} follows another than its own")
        self._sequences[key] = record.sequence
        self._latest[key] = value
        self.journal.append(Stored(value, len(self.journal), key, timestamp=now))
        if record.next_due is None:
            self.dues.pop(key, None)
        else:
            self.dues[key] = record.next_due

    def _forget(self) -> None:
        self._store = MemoryStore(dict(self._latest))
        self._entities = Entities(self._store, self._registry)  # type: ignore[arg-type]
