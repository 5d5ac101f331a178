"""Durability steps of the product and how to skip each: one replaced line of its source."""

import asyncio
import inspect
import textwrap
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from agents import publishing
from agents.publishing import Publishing
from app.domain.certificates import certificate
from app.transport import BatchConsumer
from tables import opening
from tables.draft import Draft
from tables.inbox import Inbox
from tables.journal import Appended, FencedWriter
from tables.partition import Partition
from tables.recovery import Fold
from tables.store import Changes


@dataclass(frozen=True)
class Mutation:
    """`old` must stand in the function's source exactly once, so no mutation goes stale."""

    step: str
    owner: type | ModuleType
    function: str
    old: str
    new: str
    names: dict[str, Any] = field(default_factory=dict)

    def skip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = vars(self.owner)[self.function]
        source = textwrap.dedent(inspect.getsource(original))
        assert source.count(self.old) == 1, f"{self.step}: the product's source has changed"
        scope = {**original.__globals__, **self.names}
        code = compile(source.replace(self.old, self.new), inspect.getfile(original), "exec")
        exec(code, scope)
        monkeypatch.setattr(self.owner, self.function, scope[self.function])


ACK = Mutation(
    "waiting for the acknowledgement",
    Partition,
    "_append",
    "appended = await self._writer.append(JOURNAL, self.number, records)",
    "asyncio.ensure_future(self._writer.append(JOURNAL, self.number, records)); "
    "appended = Appended(before.next_offset, -1)",
    {"Appended": Appended},
)
WATERMARK = Mutation(
    "watermark", Partition, "_take_commands", "if record.offset < watermark:", "if False:"
)
FENCE = Mutation(
    "producer epoch",
    FencedWriter,
    "append",
    "build_batch(records, self._producer, sequence)",
    "build_batch(records, (-1, -1), -1)",
)
MEMBERSHIP = Mutation(
    "proof of membership",
    opening,
    "_take_over",
    "if not await site.prove(partition):",
    "if False:",
)
CONTIGUITY = Mutation(
    "contiguity of appends",
    Partition,
    "_append",
    "if appended.offset != before.next_offset:",
    "if False:",
)
STALE = Mutation(
    "older epochs ignored in a replay",
    Fold,
    "_entity",
    "if record.epoch < self._epoch:",
    "if False:",
)
REPAIR = Mutation(
    "repair of what a stale record touched", Partition, "run", "await self._repair()", "pass"
)
CHAIN_INBOX = Mutation(
    "position chain of the sequencer",
    Inbox,
    "commands",
    "if batch.follows > watermark:",
    "if False:",
)
CHAIN_AGENTS = Mutation(
    "position chain of the agents",
    BatchConsumer,
    "follows_on",
    "if expected is not None and batch.follows != expected:",
    "if False:",
)
PUBLISHING_FENCE = Mutation(
    "fence of publishing", Publishing, "_lane", "await writer.open()", "pass"
)
PUBLISHED_FIRST = Mutation(
    "published before its position is done",
    Publishing,
    "handle",
    "await send_fenced(writer, targets)",
    "asyncio.ensure_future(send_fenced(writer, targets))",
    {"asyncio": asyncio},
)
PUBLISHING_HOLE = Mutation(
    "holes stop publishing",
    publishing,
    "_advance",
    "if mark.commit and meta.commit > mark.commit + 1:",
    "if False:",
)
READ = Mutation(
    "append before a read is answered",
    Partition,
    "_append",
    "if not (encoded.records or draft.answers or moved):",
    "if not (encoded.records or moved):",
)
STORE_LAST = Mutation(
    "local store after the acknowledgement",
    Partition,
    "_append",
    "with LEDGER.commit_seconds.time():",
    "early = Changes(); [early.put(key, value) for key, value, _ in encoded.records]; "
    "self.store.apply(early, before)\n    with LEDGER.commit_seconds.time():",
    {"Changes": Changes},
)
DUE = Mutation(
    "due index on replay",
    Fold,
    "_entity",
    "self._changes.due(key, old=None, new=record.next_due)",
    "pass",
)
IDEMPOTENCY = Mutation(
    "idempotency record",
    certificate,
    "_done",
    "_keep(step, call, result)",
    "del result",
)
PAGE = Mutation(
    "page beside its state",
    Draft,
    "_decide",
    "page.state, page.changed = content, True",
    "del content",
)
