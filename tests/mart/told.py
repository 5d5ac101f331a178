"""Published events of a few certificates and orders, as the mart reads them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.certificates.database import Database
from app.certificates.mart import SOURCES, Mart
from app.certificates.publishing import Publisher
from app.contracts import wire
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    Call,
    Capture,
    Command,
    IssueCertificate,
)
from app.domain.certificates.entities import ENTITIES
from app.domain.certificates.times import rfc3339
from app.domain.decision import Context, Entity
from app.domain.policy import Policy

START = 1_788_256_931_005
COPIED = (
    "mart.certificate",
    "mart.operation",
    "mart.sale_order",
    "mart.order_certificate_allocation",
    "mart.refund_request",
    "mart.audit",
    "certificates.batch_row",
)
_pack = msgspec.msgpack.Encoder().encode


class Record(msgspec.Struct, frozen=True):
    topic: str
    offset: int
    key: bytes
    value: bytes | None


class Law:
    """Decides commands one after the other and publishes what they change."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.now = START
        self.states: dict[str, object] = {}
        self._pages: dict[str, dict[int, Any]] = {}
        self._sequences: dict[str, int] = {}
        self._publisher = Publisher(Policy(), lambda value: ("k", value))
        self._commands = 0

    def tell(self, key: str, *commands: Command) -> None:
        for command in commands:
            self._one(key, command)

    def _one(self, key: str, command: Command) -> None:
        self._commands += 1
        self.now += 1_000
        entity = _entity_of(command)
        pages = self._pages.setdefault(key, {})
        name = f"test/{self._commands}"
        context = Context(key, name, self.now, Policy(), pages.__getitem__)
        state = self.states.get(key)
        decision = entity.decide(state, command, context)
        pages.update(decision.pages)
        if decision.state is state and not decision.events and not decision.follow_ups:
            return
        self.states[key] = decision.state
        sequence = self._sequences[key] = self._sequences.get(key, 0) + 1
        journal = wire.JournalRecord(
            1,
            1,
            sequence,
            msgspec.Raw(_pack(decision.state)),
            msgspec.Raw(_pack(decision.events)),
        )
        outputs = self._publisher.outputs(entity.prefix + key.encode(), journal, self.now)
        self.records += [
            Record(output.topic, len(self.records) + n, output.key, output.value)
            for n, output in enumerate(outputs)
        ]

    def of(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]

    @property
    def at(self) -> str:
        return rfc3339(self.now)


async def taken(mart: Mart, records: Iterable[Record], *, size: int = 1_000) -> None:
    """Every topic in its own order, in batches of that size."""
    told = list(records)
    for topic in SOURCES:
        mine = [record for record in told if record.topic == topic]
        for start in range(0, len(mine), size):
            await mart.take(topic, mine[start : start + size])


async def content(database: Database, *tables: str) -> dict[str, list[str]]:
    """The rows of each table as sorted texts."""
    queries = {table: f"SELECT t::text AS row FROM {table} t ORDER BY 1" for table in tables}
    return {
        table: [row["row"] for row in await database.rows(query)]
        for table, query in queries.items()
    }


async def dump(database: Database) -> dict[str, list[str]]:
    """All that the mart copies from the topics."""
    return await content(database, *COPIED)


def _entity_of(command: Command) -> Entity:
    (entity,) = [one for one in ENTITIES if type(command).__name__ in one.commands]
    return entity


def a_life(law: Law, certificate_id: str = "gc_1", *, metadata: str | None = None) -> None:
    """Issued, sold, activated, 1 000 of 3 000 spent in store S17."""
    row = int(certificate_id.rpartition("_")[2])
    issue = IssueCertificate(
        "R6N4", False, 3_000, "RUB", None, None, "GC-3000", metadata, "B-1", 1, row, 1
    )
    hold = Authorize(1_200, "RUB", f"ref-{row}", False, 600, call("authorize", row))
    capture = Capture(1, 1_000, True, "4711", call("capture", row))
    line = ("SO-1", str(row), 1)
    allocate = AllocateCertificate(*line, 3_000, "RUB")
    law.tell(certificate_id, issue, allocate, ActivateCertificate(*line), hold, capture)


def call(operation: str, n: int = 1) -> Call:
    key = f"{operation}-{n}".encode()
    return Call("till", "POS", operation, key, key, f"req_{n}", "cashier-5", "S17", "T2")
