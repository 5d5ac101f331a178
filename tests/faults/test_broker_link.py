"""The link to the broker when connections die untold or errors come that nobody expected."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition

from app.contracts.topics import JOURNAL, manifest
from app.kafka_access import KafkaAccess
from app.topics_admin import ensure_topics
from deploy.proving.links import LinkedBroker, Links, Mode
from tables import journal
from tables.journal import AppendUnknown, BrokerLink, FencedWriter, Record, build_batch

NAME = "worker"
TIMEOUT_S = 2
RECORDS: list[Record] = [(b"key", b"value", ())]


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    links = Links([NAME])
    broker = LinkedBroker(tmp_path_factory.mktemp("broker"), links)
    links.start()
    try:
        address = broker.start()
        topics = [topic for topic in manifest(1, 1) if topic.name == JOURNAL]
        asyncio.run(ensure_topics(KafkaAccess(address), topics))
        yield links
    finally:
        broker.stop()
        links.stop()


@pytest.fixture
async def link(links: Links, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BrokerLink]:
    monkeypatch.setattr(journal, "TIMEOUT_MS", TIMEOUT_S * 1_000)
    link = BrokerLink(KafkaAccess(f"127.0.0.1:{links.by_name[NAME].port}"))
    await link.start()
    yield link
    await link.stop()


async def test_an_error_nobody_expected_leaves_no_append_waiting(
    link: BrokerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one partition: the second waits behind the first."""
    node = await link.leader(JOURNAL, 0)
    batch = build_batch(RECORDS, (-1, -1), -1)

    async def broken(*_: Any, **__: Any) -> Any:
        raise KeyError(node)

    monkeypatch.setattr(link._client, "send", broken)
    appends = [link.put(node, TopicPartition(JOURNAL, 0), batch) for _ in range(2)]
    async with asyncio.timeout(60):
        told = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(one) for one in told] == [AppendUnknown, AppendUnknown]


async def test_after_one_unanswered_append_the_next_opening_goes_through(
    links: Links, link: BrokerLink
) -> None:
    writer = FencedWriter(link, "half-open")
    await writer.open()
    await writer.append(JOURNAL, 0, RECORDS)
    links.become(NAME, Mode.HALF_OPEN)
    links.become(NAME, Mode.OPEN)
    began = time.monotonic()
    with pytest.raises(AppendUnknown):
        await writer.append(JOURNAL, 0, RECORDS)
    waited = time.monotonic() - began
    await writer.open()
    appended = await writer.append(JOURNAL, 0, RECORDS)
    again = time.monotonic() - began - waited
    assert appended.offset == 2, "the unanswered append had arrived"
    assert again < waited, "another dead connection was waited for"
