"""Publishing in real apps on real topics: at least once, in order, stopped by a real hole."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord
from faust.types import TP

from agents.handling import TryAgain
from agents.publishing import Publishing, UnpublishedHole
from app.batches import Batch
from app.certificates.publishing import Publisher
from app.contracts import wire
from app.contracts.topics import BI, JOURNAL, NOTIFICATIONS, STATE, TRANSACTION, Topic
from app.domain.policy import Policy
from app.kafka_access import KafkaAccess
from app.tills import Tills
from app.topics_admin import ensure_topics
from tables.journal import BrokerLink
from tests.contracts.engine import Feed, until
from tests.contracts.fabricated import STEPS, History, produce, raw
from tests.contracts.membership import Group, Member, group
from tests.contracts.offsets import COMPACTED_SOON, clean_often, stored
from tests.contracts.publications import Elsewhere, commit, handed_over, press
from tests.faults.directed import (
    a_compaction_hole_stops_publishing,
    a_former_publisher_writes_nothing,
    stopped,
    what_was_not_acknowledged_is_published_again,
)

CERTIFICATES = 60


class Told(msgspec.Struct, frozen=True):
    id: str


async def test_a_publisher_that_ends_before_its_commit_leaves_equal_ids_only(
    kafka: str, tmp_path: Path
) -> None:
    link = BrokerLink(KafkaAccess(kafka))
    await link.start()
    async with group(kafka, tmp_path) as one:
        expected = await _journal_of_certificates(one)
        first = await _publisher(one, link)
        first.consumer.commit = _never  # type: ignore[method-assign]
        await until(lambda: len(first.consumer.finished) == 1)
        await one.leave()
        assert await one.committed() == {0: 0}, "the proof of membership only"
        second = await _publisher(one, link)
        end = 1 + CERTIFICATES * len(STEPS)
        await until(lambda: _done(second) == end)
        await one.leave()
        assert await one.committed() == {0: end}
    await link.stop()
    records = await stored(kafka, f"{one.id}-{TRANSACTION}")
    assert len(records) > expected
    _once_by_id_and_in_order(records, expected)


async def _journal_of_certificates(one: Group) -> int:
    """A true history on the group's topic; returns how many transactions it makes."""
    names = [Topic(f"{one.id}-{name}", 1, {}) for name in (STATE, TRANSACTION, BI, NOTIFICATIONS)]
    await ensure_topics(KafkaAccess(one.kafka), names)
    history = History(f"gc_{n}" for n in range(CERTIFICATES))
    records = [
        (one.topic.name, key, value)
        for topic, key, value in history.records
        if topic == history.topics.journal
    ]
    await produce(one.kafka, records)
    return sum(topic == history.topics.transaction for topic, _, _ in history.records)


async def _publisher(one: Group, link: BrokerLink) -> Member:
    publishing = Publishing(link, Elsewhere(one.id), app_name=one.id, partitions=1, tills=Tills())
    return await one.join(publishing.handle, whole=True)


async def _never(topics: Any = None, start_new_transaction: bool = True) -> bool:
    del topics, start_new_transaction
    return False


def _done(member: Member) -> int:
    position = member.consumer.finished.get(member.tp(0))
    return 0 if position is None else int(position.offset)


def _once_by_id_and_in_order(records: list[ConsumerRecord], expected: int) -> None:
    """Repetitions are byte for byte the same; first appearances keep each key's order."""
    first: dict[str, ConsumerRecord] = {}
    for record in records:
        known = first.setdefault(msgspec.json.decode(record.value, type=Told).id, record)
        assert (known.key, known.value) == (record.key, record.value)
    assert len(first) == expected
    sequences: dict[bytes, list[int]] = {}
    for id_, record in first.items():
        sequences.setdefault(record.key, []).append(int(id_.split(":")[1]))
    assert len(sequences) == CERTIFICATES
    assert all(a < b for lane in sequences.values() for a, b in itertools.pairwise(lane))


async def test_a_former_publisher_is_refused_by_the_broker(kafka: str, tmp_path: Path) -> None:
    await a_former_publisher_writes_nothing(kafka, tmp_path)


async def test_a_lost_append_is_published_again(kafka: str, tmp_path: Path) -> None:
    await what_was_not_acknowledged_is_published_again(kafka, tmp_path)


async def test_missing_commits_stop_publishing_with_an_alert(kafka: str, tmp_path: Path) -> None:
    await a_compaction_hole_stops_publishing(kafka, tmp_path)


@pytest.mark.parametrize(
    ("key", "events"), [(b"x1", []), (b"c1", [("no such event",)])], ids=["entity", "event"]
)
async def test_what_only_newer_code_knows_waits_for_it(
    kafka: str, key: bytes, events: list[Any]
) -> None:
    async with press(kafka) as one:
        feed, records = Feed(), commit(1, ("c1", 1))
        record = wire.JournalRecord(1, 1, 1, raw(None), raw(events))
        batch = handed_over(feed, [(key, wire.encode(record)), *records[1:]], at=0)
        publisher = Publisher(Policy(), lambda value: ("k", value))
        reached: list[tuple[int, int]] = []
        older = Publishing(
            one.link,
            publisher,
            app_name=one.name,
            partitions=1,
            tills=Tills(),
            reached=lambda partition, time_ms: reached.append((partition, time_ms)),
        )
        with pytest.raises(TryAgain, match="journal record 0"):
            await older.handle(batch)
        assert (stopped(0), feed.finished) == (1, {})
        assert reached == [(0, batch.records[0].timestamp)]
        await one.publishing().handle(batch)
        assert (stopped(0), feed.finished[batch.tp].offset) == (0, 2)


async def test_a_publisher_that_is_no_member_writes_nothing(kafka: str) -> None:
    async with press(kafka) as one:
        feed = Feed()
        feed.member = False
        with pytest.raises(TryAgain):
            await one.publishing().handle(handed_over(feed, commit(1, ("c1", 1)), at=0))
        assert await stored(kafka, one.topic) == []


async def test_records_of_a_fenced_owner_are_not_published(kafka: str) -> None:
    async with press(kafka) as one:
        feed, publishing = Feed(), one.publishing()
        records = [*commit(1, ("c1", 1), epoch=2), *commit(2, ("c1", 2), epoch=1)]
        records += commit(2, ("c2", 1), epoch=2)
        await publishing.handle(handed_over(feed, records, at=0))
        assert [r.value for r in await stored(kafka, one.topic)] == [b"c1:1", b"c2:1"]


async def test_a_hole_made_by_the_broker_s_cleaner_stops_the_next_publisher(
    kafka: str, tmp_path: Path
) -> None:
    """What the mark beside the committed position knows survives the publisher."""
    await clean_often(kafka)
    async with group(kafka, tmp_path, config=COMPACTED_SOON) as one, press(kafka) as prints:
        journal, feed = one.topic.name, Feed()
        await _append(one, 1, 2)
        for batch in _handed_over(feed, await stored(kafka, journal), upto=2):
            await prints.publishing().handle(batch)
            mark = feed.finished[TP(JOURNAL, 0)]
        feed.positions[TP(JOURNAL, 0)] = mark
        written = 1
        async with asyncio.timeout(90):
            while len(left := await stored(kafka, journal)) == 2 * written:
                await _append(one, written + 1, written + 21)
                written += 20
                await asyncio.sleep(0.15)
        (batch,) = _handed_over(feed, left, upto=left[-1].offset + 1, after=2)
        with pytest.raises(UnpublishedHole):
            await prints.publishing().handle(batch)
        assert [r.value for r in await stored(kafka, prints.topic)] == [b"c1:1"]


async def _append(one: Group, start: int, stop: int) -> None:
    """Commits `start` … `stop` - 1, each two records: the same entity again, and the meta."""
    pairs = [pair for number in range(start, stop) for pair in commit(number, ("c1", number))]
    await produce(one.kafka, [(one.topic.name, key, value) for key, value in pairs])


def _handed_over(
    feed: Feed, records: list[ConsumerRecord], *, upto: int, after: int = 0
) -> list[Batch]:
    kept = [record for record in records if after <= record.offset < upto]
    return [Batch(feed, TP(JOURNAL, 0), kept, follows=after)]
