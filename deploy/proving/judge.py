"""Compares what clients heard with what the public topics say; trusts only the topics."""

from collections import Counter, defaultdict
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.contracts.topics import TRANSACTION
from deploy.proving.history import History, Operation

FACTS = {"authorize": "Authorized", "capture": "Captured", "void": "Voided", "reverse": "Reversed"}


class Event(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    n: int
    data: dict[str, Any]


class Verdict(msgspec.Struct):
    """Counts of what must not be; all zero is the promise."""

    lost: int = 0
    doubled: int = 0
    contradicted: int = 0
    out_of_order: int = 0
    examples: list[str] = []

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.contradicted or self.out_of_order)


async def events_of(bootstrap: str) -> list[Event]:
    """Every transaction once, by id, in the order of each certificate."""
    decode = msgspec.json.Decoder(Event).decode
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = await _partitions(consumer)
        tps = [TopicPartition(TRANSACTION, number) for number in numbers]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp, first in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, first)
        found: dict[str, Event] = {}
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update((event.id, event) for event in (decode(r.value) for r in records))
        return list(found.values())
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer) -> list[int]:
    await consumer._client._wait_on_metadata(TRANSACTION)  # noqa: SLF001 - it has no public form
    return sorted(consumer.partitions_for_topic(TRANSACTION))


def judge(history: History, events: list[Event]) -> Verdict:
    """Each acknowledged mutation is exactly one event with its amounts; nothing else is there
    but what unclear operations may have done; the order of events agrees with real time.
    """
    verdict = Verdict(examples=[])
    by_hold: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        by_hold[event.data["transactionType"], event.data.get("authorizationId", "")].append(event)
    for operation in history.of(*FACTS):
        _facts(verdict, operation, by_hold)
    _strangers(verdict, history, by_hold)
    _real_time(verdict, history, by_hold)
    return verdict


def _facts(
    verdict: Verdict, operation: Operation, by_hold: dict[tuple[str, str], list[Event]]
) -> None:
    if not operation.acknowledged or operation.answer.get("outcome") not in (None, "reversed"):
        return
    found = by_hold.get((FACTS[operation.kind], _hold(operation)), [])
    if operation.kind == "reverse":
        found = [
            e for k, v in by_hold.items() if k[0] == "Reversed" for e in v if _same(operation, e)
        ]
    if not found:
        verdict.lost += 1
        verdict.examples.append(f"lost {operation.kind} {_hold(operation)}")
    elif len(found) > 1:
        verdict.doubled += 1
        verdict.examples.append(f"doubled {operation.kind} {_hold(operation)}")
    elif operation.kind == "authorize" and found[0].data["amount"] != operation.answer["approved"]:
        verdict.contradicted += 1
        verdict.examples.append(f"other amount {_hold(operation)}")


def _same(operation: Operation, event: Event) -> bool:
    return bool(event.data.get("reference") == operation.body["reference"])


def _hold(operation: Operation) -> str:
    if operation.kind == "authorize":
        return str(operation.answer.get("authorizationId", ""))
    path: str = operation.body["path"]
    return path.split("/")[3] if operation.kind in ("capture", "void") else ""


def _strangers(
    verdict: Verdict, history: History, by_hold: dict[tuple[str, str], list[Event]]
) -> None:
    """An authorization nobody asked for, or one refused and made all the same."""
    asked = Counter(one.body["reference"] for one in history.of("authorize"))
    refused = {
        one.body["reference"]
        for one in history.of("authorize")
        if one.status and not one.acknowledged
    }
    for (kind, _), events in by_hold.items():
        for event in events:
            reference = event.data.get("reference")
            if kind == "Authorized" and (reference not in asked or reference in refused):
                verdict.contradicted += 1
                verdict.examples.append(f"nobody was told of {event.id}")


def _real_time(
    verdict: Verdict, history: History, by_hold: dict[tuple[str, str], list[Event]]
) -> None:
    """If one operation ended before another began, its event comes first."""
    timed: dict[int, list[tuple[float, float, tuple[int, int]]]] = defaultdict(list)
    for operation in history.of("authorize", "capture", "void"):
        events = by_hold.get((FACTS[operation.kind], _hold(operation)), [])
        if operation.acknowledged and len(events) == 1:
            place = (events[0].sequence, events[0].n)
            timed[operation.code_index].append((operation.began, operation.ended, place))
    for spans in timed.values():
        spans.sort(key=lambda span: span[2])
        latest_began = 0.0
        for began, ended, _ in spans:
            # An earlier event's operation began after this one had ended: impossible.
            if ended < latest_began:
                verdict.out_of_order += 1
            latest_began = max(latest_began, began)
