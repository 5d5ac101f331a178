"""What hardly ever happens is shown before its first time, else `increase` would miss that."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from prometheus_client import Counter

from agents.handling import agent_for
from agents.publishing import Publishing, take_note
from app.certificates.notify.figures import NOTIFY
from app.certificates.notify.texts import TEMPLATES
from app.certificates.publishing import ALERTS, Publisher
from app.contracts.dead_letters import Cause, Place, headers
from app.contracts.topics import BATCHES, COMMANDS, DEAD_LETTERS, STATE, dead_letters_of, manifest
from app.domain.certificates.events import ORDER_STATE_CHANGED, SETTLEMENT_CONTRADICTION
from app.domain.policy import Policy
from app.metrics import FLOW
from app.tills import Tills
from tables.draft import DUE_WORK_FAILED
from tables.journal import AppendUnknown, BrokerLink, FencedWriter, Record
from tables.outlet import Outlet, send_fenced

SOURCE = Path(__file__).parents[2]
RAISED = re.compile(r'(?:\bnote\(\s*|dead_letter\([^)"]*)"(\w+)"')
GRAVE = TopicPartition(dead_letters_of(BATCHES), 0)
CAUSE = headers(Place(BATCHES, 0, 7), Cause("VALIDATE", "CodeMalformed", "code: 1", 1), sealed="k")
LETTER: Record = (b"b", b"sealed", CAUSE)
NOWHERE = cast("BrokerLink", None)


def shown(counter: Counter, label: str) -> set[str]:
    (metric,) = counter.collect()
    return {sample.labels[label] for sample in metric.samples if sample.name.endswith("_total")}


def value(counter: Counter, *labels: str) -> float:
    found: float = (counter.labels(*labels) if labels else counter)._value.get()
    return found


def test_every_name_that_the_law_can_raise_is_a_known_alert() -> None:
    law = (SOURCE / "app" / "domain" / "certificates").glob("*.py")
    raised = {name for path in law for name in RAISED.findall(path.read_text())}
    assert {"Unanswered", "PaidNotDeliverable", "VersionConflict", "RefundUnknown"} <= raised
    assert raised | {"RefundOverdue", "RefundConflict"} == set(ALERTS)
    assert not {ORDER_STATE_CHANGED, SETTLEMENT_CONTRADICTION} & set(ALERTS)


def test_a_publisher_shows_every_alert_at_once() -> None:
    for name in set(ALERTS) & shown(FLOW.alerts, "name"):
        FLOW.alerts.remove(name)
    Publishing(
        NOWHERE,
        Publisher(Policy(), lambda box: ("k", box)),
        app_name="a",
        partitions=1,
        tills=Tills(),
    )
    assert shown(FLOW.alerts, "name") == {*ALERTS, DUE_WORK_FAILED}


def test_topics_and_ends_are_shown_before_anything_happened() -> None:
    async def nothing(_batch: Any) -> None: ...

    agent_for("some-topic", nothing, lambda _error: None)
    assert "some-topic" in shown(FLOW.lost, "topic")
    kept = {topic.name for topic in manifest(1, 1) if topic.name.endswith(".DLQ")}
    assert kept - {"marking.DLQ"} == set(DEAD_LETTERS)


def test_a_contradiction_is_counted_and_rings_nobody() -> None:
    before = value(FLOW.contradictions), value(FLOW.alerts, "PaidAfterCancel")
    take_note(SETTLEMENT_CONTRADICTION, "SO-1")
    assert SETTLEMENT_CONTRADICTION not in shown(FLOW.alerts, "name")
    take_note("PaidAfterCancel", "SO-1")
    after = value(FLOW.contradictions), value(FLOW.alerts, "PaidAfterCancel")
    assert after == (before[0] + 1, before[1] + 1)


class Link:
    """Takes so many batches, then nobody answers any more."""

    def __init__(self, answers: int) -> None:
        self._left = answers

    async def leader(self, _topic: str, _partition: int) -> int:
        return 1

    def put(self, _node: int, _tp: TopicPartition, _batch: bytes) -> "asyncio.Future[None]":
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left -= 1
        if self._left < 0:
            answer.set_exception(AppendUnknown("no answer"))
        else:
            answer.set_result(None)
        return answer

    async def append(self, topic: str, partition: int, _records: Sequence[Record]) -> None:
        await self.put(1, TopicPartition(topic, partition), b"")


@pytest.mark.parametrize("fenced", [True, False])
async def test_a_dead_letter_counts_when_it_is_written_whoever_wrote_it(*, fenced: bool) -> None:
    async def send(link: Link, topics: Sequence[TopicPartition], record: Record = LETTER) -> None:
        targets = {tp: [record, record] for tp in topics}
        if fenced:
            await send_fenced(cast("FencedWriter", link), targets)
        else:
            await Outlet(cast("BrokerLink", link)).send(targets)

    before = value(FLOW.dead_letters, GRAVE.topic, "CodeMalformed")
    await send(Link(3), [GRAVE, TopicPartition(COMMANDS, 0), TopicPartition(STATE, 0)])
    assert value(FLOW.dead_letters, GRAVE.topic, "CodeMalformed") == before + 2
    with pytest.raises(AppendUnknown):
        await send(Link(0), [GRAVE])
    assert value(FLOW.dead_letters, GRAVE.topic, "CodeMalformed") == before + 2
    with pytest.raises(AppendUnknown):
        await send(Link(1), [GRAVE], (b"b", bytes(600 << 10), CAUSE))
    assert value(FLOW.dead_letters, GRAVE.topic, "CodeMalformed") == before + 3
    assert shown(FLOW.dead_letters, "topic") <= set(DEAD_LETTERS)


def test_a_message_of_any_template_has_not_failed_yet() -> None:
    (metric,) = NOTIFY.ended.collect()
    failed = [sample for sample in metric.samples if sample.labels.get("state") == "FAILED"]
    assert {sample.labels["template"] for sample in failed} >= TEMPLATES
