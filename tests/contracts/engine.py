"""A ledger over a toy entity on a real journal: each test takes partitions of its own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, OffsetAndMetadata, TopicPartition
from faust.types import TP

from app.batches import Batch
from app.contracts import wire
from app.contracts.topics import COMMANDS, JOURNAL
from app.domain.decision import Context, Decision, Entity, FollowUp, Reply, kind_of_pages
from app.domain.policy import Policy
from app.kafka_access import KafkaAccess
from app.tills import Tills
from tables.draft import DeadLetter
from tables.journal import Appended, AppendUnknown, BrokerLink
from tables.ledger import Hooks, Ledger
from tables.opening import Site
from tables.partitioning import partition_of
from tables.store import SharedMemory

PARTITIONS = 128
_numbers = itertools.count()


class Account(msgspec.Struct, frozen=True, array_like=True):
    balance: int = 0
    seen: tuple[str, ...] = ()
    due: int | None = None
    fired: int = 0
    padding: str = ""
    at_due: int = 0


class Deposit(msgspec.Struct, frozen=True, array_like=True):
    amount: int
    due: int | None = None
    padding: int = 0
    fail: bool = False
    at_due: int = 0  # bytes that due work adds, below zero: it raises
    page: int | None = None  # gets the balance, too


class Read(msgspec.Struct, frozen=True, array_like=True):
    page: int | None = None


class Due(msgspec.Struct, frozen=True, array_like=True): ...


def decide(state: Account | None, command: Any, context: Context) -> Decision[Any]:
    known = state or Account()
    if isinstance(command, Due):
        if known.at_due < 0:
            raise ValueError("due work that raises")
        longer = known.padding + "x" * known.at_due
        fired = msgspec.structs.replace(known, due=None, fired=known.fired + 1, padding=longer)
        return Decision(fired, (("fired", context.now),))
    if isinstance(command, Read):
        told = known.balance if command.page is None else context.page(command.page)
        shown = {"balance": told, "now": context.now}
        return Decision(state, reply=Reply(200, None, context.id, shown))
    if command.fail:
        raise ValueError("a decision that raises")
    if context.id in known.seen:
        return Decision(state, reply=Reply(200, None, context.id, {"balance": known.balance}))
    after = Account(
        known.balance + command.amount,
        (*known.seen, context.id)[-50:],
        command.due if command.due is not None else known.due,
        known.fired,
        "x" * command.padding,
        command.at_due,
    )
    reply = Reply(200, None, context.id, {"balance": after.balance})
    echo = FollowUp("Deposit", "other", msgspec.Raw(msgspec.msgpack.encode(command)))
    pages = () if command.page is None else ((command.page, after.balance),)
    return Decision(after, (("deposited", command.amount),), (echo,), reply, pages)


def next_due(state: Account) -> int | None:
    return state.due


ENTITY = Entity(
    name="account",
    prefix=b"a",
    state=Account | None,
    event=Any,
    commands={"Deposit": Deposit, "Read": Read},
    decide=decide,
    next_due=next_due,
    due=Due(),
    pages=kind_of_pages("page", b"p", int),
)


@dataclass
class Worker:
    """One ledger as a worker process would hold it; `member` is the group's opinion of it."""

    ledger: Ledger
    link: BrokerLink
    member: bool = True
    refusals: int = 0
    dead: list[DeadLetter] = field(default_factory=list)
    fatal: list[BaseException] = field(default_factory=list)

    async def own(self, *partitions: int) -> None:
        await self.ledger.assign(frozenset(partitions), frozenset())

    async def serving(self, partition: int) -> None:
        await until(lambda: partition in self.ledger.open)

    async def deposit(self, key: str, amount: int, *, id: str, **more: Any) -> int:  # noqa: A002
        return await self.ask(key, Deposit(amount, **more), id)

    async def read(self, key: str, page: int | None = None) -> int:
        return await self.ask(key, Read(page), "read")

    async def ask(self, key: str, command: msgspec.Struct, command_id: str) -> int:
        deadline = asyncio.get_running_loop().time() + 5
        reply = await self.ledger.request(key, command, command_id=command_id, deadline=deadline)
        return int(reply.fields["balance"])


@asynccontextmanager
async def worker(
    kafka: str,
    path: Path,
    *,
    name: str = "w",
    pepper: str = "check",
    offset_ms: int = 0,
    renewal_s: float = 3_600,
) -> AsyncIterator[Worker]:
    access = KafkaAccess(kafka)
    link = BrokerLink(access)
    await link.start()
    made: list[Worker] = []

    async def prove(_partition: int) -> bool:
        made[0].refusals += not made[0].member
        return made[0].member

    async def opened(_partition: int, _watermark: int) -> None: ...

    async def bury(dead: list[DeadLetter]) -> None:
        made[0].dead.extend(dead)

    memory = SharedMemory()
    site = Site(access, path / name, "toy", name, pepper, link, memory, prove, offset_ms)

    def fatal(error: BaseException) -> None:
        made[0].fatal.append(error)

    hooks = Hooks(opened, lambda _p: None, bury, fatal, lambda _p: None)
    ledger = Ledger(
        site,
        hooks,
        partitions=PARTITIONS,
        entities=(ENTITY,),
        policy=Policy(),
        renewal_s=renewal_s,
        tills=Tills(),
    )
    made.append(Worker(ledger, link))
    try:
        yield made[0]
    finally:
        await ledger.stop()
        await link.stop()


@contextmanager
def cut(link: BrokerLink) -> Iterator[None]:
    """What is appended meanwhile never reaches the broker, and nobody knows."""

    def put(node: int, tp: TopicPartition, batch: bytes) -> "asyncio.Future[Appended]":
        del node, tp, batch
        lost: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        lost.set_exception(AppendUnknown("the link is cut"))
        return lost

    whole, link.put = link.put, put  # type: ignore[method-assign]
    try:
        yield
    finally:
        link.put = whole  # type: ignore[method-assign]


def fresh_partition() -> int:
    return next(_numbers)


def key_on(partition: int, n: int = 0) -> str:
    """The n-th key that lies on this partition."""
    fitting = (k for i in itertools.count() if partition_of(k := f"k{i}", PARTITIONS) == partition)
    return next(itertools.islice(fitting, n, None))


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def journal(kafka: str, partition: int) -> list[ConsumerRecord]:
    """All records of one journal partition, from the beginning to its present end."""
    tp = TopicPartition(JOURNAL, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    consumer.assign([tp])
    await consumer.start()
    try:
        end = (await consumer.end_offsets([tp]))[tp]
        consumer.seek(tp, (await consumer.beginning_offsets([tp]))[tp])
        records: list[ConsumerRecord] = []
        while await consumer.position(tp) < end:
            records += (await consumer.getmany(tp, timeout_ms=500)).get(tp, [])
        return records
    finally:
        await consumer.stop()


def accounts(records: list[ConsumerRecord]) -> dict[bytes, Account]:
    states = {r.key: wire.decode_journal(r.value) for r in records if r.key[:1] == b"a"}
    decoder = msgspec.msgpack.Decoder(Account | None)
    return {key: decoder.decode(r.state) or Account() for key, r in states.items()}


def balances(records: list[ConsumerRecord]) -> dict[bytes, int]:
    return {key: account.balance for key, account in accounts(records).items()}


class Feed:
    """Stands for the transport: hands records over as batches, remembers what was done."""

    def __init__(self) -> None:
        self.lives: dict[TP, int] = {}
        self.finished: dict[TP, OffsetAndMetadata] = {}
        self.positions: dict[TP, OffsetAndMetadata] = {}
        self.unfinished: set[asyncio.Task[None]] = set()
        self.member = True
        self.rewound: list[int] = []
        self._next = 0

    def leave(self, tp: TP) -> None:
        del tp

    def follows_on(self, batch: Batch) -> bool:
        return not batch.stale

    async def commit_positions(self, positions: Mapping[TP, OffsetAndMetadata]) -> bool:
        self.positions.update(positions)
        return self.member

    async def committed(self, tp: TP) -> OffsetAndMetadata | None:
        return self.positions.get(tp)

    def rewind(self, tp: TP, offset: int, *, hold_s: float = 0.0) -> None:
        del hold_s
        self.lives[tp] = self.lives.get(tp, 0) + 1
        self.rewound.append(offset)
        self._next = offset

    def batch(self, partition: int, *values: bytes, at: int | None = None, lost: int = 0) -> Batch:
        start = self._next if at is None else at
        tp = TP(COMMANDS, partition)
        records = [_record(tp, start + n, value) for n, value in enumerate(values)]
        self._next = start + len(values)
        return Batch(self, tp, records, follows=start, lost=lost)

    def done(self, partition: int) -> int:
        position = self.finished.get(TP(COMMANDS, partition))
        return 0 if position is None else int(position.offset)


def command(key: str, fields: msgspec.Struct, *, id: str, schema: int = 1) -> bytes:  # noqa: A002
    raw = msgspec.Raw(msgspec.msgpack.encode(fields))
    return wire.encode(wire.CommandRecord(schema, id, 1_000, type(fields).__name__, key, raw))


def _record(tp: TP, offset: int, value: bytes) -> ConsumerRecord:
    return ConsumerRecord(
        tp.topic, tp.partition, offset, 0, 0, b"k", value, None, 1, len(value), ()
    )


async def opened(one: Worker) -> tuple[int, str, Feed]:
    partition = fresh_partition()
    await one.own(partition)
    await one.serving(partition)
    return partition, key_on(partition), Feed()
