"""One short story per durability step: it ends wrong as soon as the step is skipped."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agents.publishing import UnpublishedHole
from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.domain.decision import LostPage
from app.metrics import FLOW
from tables.errors import LedgerError, OutcomeUnknown
from tables.journal import AppendUnknown, Fenced, FencedWriter
from tests.contracts.engine import (
    Deposit,
    Feed,
    balances,
    command,
    cut,
    fresh_partition,
    journal,
    key_on,
    until,
    worker,
)
from tests.contracts.membership import drop, group, numbers, write
from tests.contracts.offsets import stored
from tests.contracts.publications import commit, handed_over, press
from tests.domain.certificates.certificate_desk import ACTIVATE, ALLOCATE, ISSUE, Desk

Directed = Callable[[str, Path], Awaitable[None]]


async def a_lost_append_is_answered_by_unknown_and_leaves_no_trace(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, path) as one:
        await one.own(partition)
        await one.serving(partition)
        await one.deposit(key, 1, id="d1")
        with cut(one.link), pytest.raises(OutcomeUnknown):
            await one.deposit(key, 5, id="d2")
        await until(lambda: partition not in one.ledger.open)
        await one.serving(partition)
        assert await one.read(key) == 1
    assert balances(await journal(kafka, partition)) == {b"a" + key.encode(): 1}


async def commands_read_again_change_nothing(kafka: str, path: Path) -> None:
    """More of them than the toy entity remembers ids of."""
    partition = fresh_partition()
    key, feed = key_on(partition), Feed()
    async with worker(kafka, path) as one:
        await one.own(partition)
        await one.serving(partition)
        values = [command(key, Deposit(1), id=f"e:{n}") for n in range(100)]
        one.ledger.submit(feed.batch(partition, *values))
        one.ledger.submit(feed.batch(partition, *values, at=0))
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:100"), at=100))
        await until(lambda: feed.done(partition) == 101)
        assert await one.read(key) == 101


async def a_former_owner_appends_nothing(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, path, name="a") as a, worker(kafka, path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 1, id="d1")
        a.member = False
        await b.own(partition)
        await b.serving(partition)
        with pytest.raises(LedgerError):
            await a.deposit(key, 1, id="d2")
    metas = [
        wire.decode_meta(record.value)
        for record in await journal(kafka, partition)
        if record.key in (wire.META_KEY, wire.EPOCH_KEY)
    ]
    owners = [meta.owner for meta in metas]
    assert "a" not in owners[owners.index("b") :]


async def a_former_owner_answers_no_read(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, path, name="a") as a, worker(kafka, path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 1, id="d1")
        a.member = False
        await b.own(partition)
        await b.serving(partition)
        await b.deposit(key, 1, id="d2")
        with pytest.raises(LedgerError):
            await a.read(key)


async def a_worker_cut_off_from_the_group_opens_nothing(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, path, name="a") as a, worker(kafka, path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        b.member = False
        await b.own(partition)
        await until(lambda: bool(b.refusals or b.ledger.open))
        assert not b.ledger.open
        assert await a.deposit(key, 1, id="d1") == 1


async def a_slipped_in_record_is_noticed_ignored_and_repaired(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    entity = b"a" + key.encode()
    async with worker(kafka, path) as one:
        await one.own(partition)
        await one.serving(partition)
        await one.deposit(key, 5, id="d1")
        stale = wire.encode([1, 0, 9, [1_000_000, []], [], []])
        foreign = FencedWriter(one.link, f"foreign-{partition}")
        await foreign.open()
        await foreign.append(JOURNAL, partition, [(entity, stale, ())])
        with pytest.raises(OutcomeUnknown):
            await one.deposit(key_on(partition, 1), 1, id="d2")
        await until(lambda: partition not in one.ledger.open)
        await one.serving(partition)
        assert await one.read(key) == 5
    assert balances(await journal(kafka, partition))[entity] == 5


async def a_gap_before_a_batch_is_read_again(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key, feed = key_on(partition), Feed()
    async with worker(kafka, path) as one:
        await one.own(partition)
        await one.serving(partition)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:0")))
        await until(lambda: feed.done(partition) == 1)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:7"), at=7))
        await until(lambda: bool(feed.rewound) or feed.done(partition) == 8)
        assert feed.rewound == [1]
        assert await one.read(key) == 1


async def an_event_dropped_on_the_way_is_read_again(kafka: str, path: Path) -> None:
    async with group(kafka, path) as one:
        member = await one.join()
        drop(member, 2)
        await write(kafka, one.topic.name, {0: numbers(4_000)})
        await until(lambda: one.handled(0)[-1:] == [3_999])
        assert one.handled(0) == list(range(4_000))


async def due_work_survives_the_loss_of_the_local_store(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, path, name="a") as a:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 1, id="d1", due=int(time.time() * 1_000) + 1_500)
    async with worker(kafka, path, name="b") as b:
        await b.own(partition)
        await b.serving(partition)
        await until(lambda: b.ledger.open[partition].store.first_due() is None)
    events = [
        wire.decode_journal(record.value).events
        for record in await journal(kafka, partition)
        if record.key[:1] == b"a"
    ]
    assert [bytes(told).count(b"fired") for told in events] == [0, 1]


async def a_page_survives_the_loss_of_the_local_store(kafka: str, path: Path) -> None:
    partition = fresh_partition()
    key, found = key_on(partition), 0
    async with worker(kafka, path, name="a") as a:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 5, id="d1", page=3)
        await a.deposit(key, 2, id="d2")
    async with worker(kafka, path, name="b") as b:
        await b.own(partition)
        await b.serving(partition)
        with contextlib.suppress(LostPage):
            found = await b.read(key, page=3)
    assert found == 5


async def a_repeated_authorization_holds_money_once(kafka: str, path: Path) -> None:
    desk = Desk(ISSUE, ALLOCATE, ACTIVATE)
    call = desk.call("authorize")
    first = desk.authorize(1_000, call=call, reference="ref-1")
    again = desk.authorize(1_000, call=call, reference="ref-1")
    assert (again.status, again.fields, again.replayed) == (first.status, first.fields, True)
    assert desk.certificate.held == 1_000


async def a_former_publisher_writes_nothing(kafka: str, path: Path) -> None:
    first, second = commit(1, ("c1", 1)), commit(2, ("c1", 2))
    async with press(kafka) as one:
        former, present = one.publishing(), one.publishing()
        theirs, ours = Feed(), Feed()
        await former.handle(handed_over(theirs, first, at=0))
        await present.handle(handed_over(ours, first, at=0))
        await present.handle(handed_over(ours, second, at=2))
        with pytest.raises(Fenced):
            await former.handle(handed_over(theirs, second, at=2))
        told = [record.value for record in await stored(kafka, one.topic)]
    assert told == [b"c1:1", b"c1:1", b"c1:2"]


async def what_was_not_acknowledged_is_published_again(kafka: str, path: Path) -> None:
    async with press(kafka) as one:
        publishing, feed = one.publishing(), Feed()
        await publishing.handle(handed_over(feed, commit(1, ("c1", 1)), at=0))
        batch = handed_over(feed, commit(2, ("c1", 2)), at=2)
        with cut(one.link), pytest.raises(AppendUnknown):
            await publishing.handle(batch)
        assert feed.finished[batch.tp].offset == 2
        await publishing.handle(batch)
        assert [record.value for record in await stored(kafka, one.topic)] == [b"c1:1", b"c1:2"]


async def a_compaction_hole_stops_publishing(kafka: str, path: Path) -> None:
    """Two commits were compacted away between what was published and what is left."""
    async with press(kafka) as one:
        publishing, feed = one.publishing(), Feed()
        await publishing.handle(handed_over(feed, commit(1, ("c1", 1)), at=0))
        left = handed_over(feed, commit(4, ("c1", 4)), at=6)
        left.follows = 2
        with pytest.raises(UnpublishedHole):
            await publishing.handle(left)
        assert feed.finished[left.tp].offset == 2
        assert [record.value for record in await stored(kafka, one.topic)] == [b"c1:1"]
        assert stopped(0) == 1
    FLOW.publishing_stopped.clear()


def stopped(partition: int) -> float:
    value: float = FLOW.publishing_stopped.labels(str(partition))._value.get()
    return value
