"""The books of the public topics alone: each event once, balances that follow, money kept."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.contracts.topics import STATE, TRANSACTION

EXAMPLES = 10


class Balances(msgspec.Struct, frozen=True, rename="camel"):
    available: int
    held: int
    refund_held: int

    @property
    def total(self) -> int:
        return self.available + self.held + self.refund_held

    def plus(self, other: "Balances") -> "Balances":
        return Balances(
            self.available + other.available,
            self.held + other.held,
            self.refund_held + other.refund_held,
        )


class Moved(msgspec.Struct, frozen=True, rename="camel"):
    certificate_id: str
    transaction_type: str
    amount: int
    delta: Balances
    after: Balances
    released: int = 0
    authorization_id: str | None = None
    reference: str | None = None
    receipt_number: str | None = None
    refund_request_id: str | None = None


class Shown(msgspec.Struct, frozen=True, rename="camel"):
    certificate_id: str
    nominal: int
    available: int
    held: int
    refund_held: int


class Event(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    n: int
    data: Moved


class State(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    data: Shown


class Books(msgspec.Struct):
    """`events`: each once; `states`: the last of each certificate; `retold`: repetitions."""

    events: dict[str, Event] = {}
    states: dict[str, State] = {}
    retold: int = 0
    changed: int = 0

    def take(self, event: Event) -> None:
        known = self.events.setdefault(event.id, event)
        if known is not event:
            self.retold += 1
            self.changed += known != event


class Balance(msgspec.Struct):
    """What the books say; all but `events` and `retold` must be zero.

    `created`: minor units that are there without a cause; `vanished`: those that are not.
    """

    events: int = 0
    retold: int = 0
    changed: int = 0
    broken_chains: int = 0
    negative: int = 0
    other_states: int = 0
    created: int = 0
    vanished: int = 0
    examples: list[str] = []

    @property
    def clean(self) -> bool:
        wrong = (self.changed, self.broken_chains, self.negative, self.other_states)
        return not any((*wrong, self.created, self.vanished))


async def read_books(bootstrap: str) -> Books:
    books = Books()
    decode_event, decode_state = msgspec.json.Decoder(Event), msgspec.json.Decoder(State)
    async for record in records_of(bootstrap, TRANSACTION):
        books.take(decode_event.decode(record.value))
    async for record in records_of(bootstrap, STATE):
        state = decode_state.decode(record.value)
        books.states[state.data.certificate_id] = state
    return books


async def records_of(bootstrap: str, topic: str) -> AsyncIterator[ConsumerRecord]:
    """All that is there now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    async with consumer:
        await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - it has no public form
        numbers = sorted(consumer.partitions_for_topic(topic))
        tps = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp, first in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, first)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            found = await consumer.getmany(timeout_ms=500)
            for record in chain.from_iterable(found.values()):
                yield record


def balanced(books: Books) -> Balance:
    found = Balance(len(books.events), books.retold, books.changed, examples=[])
    chains: dict[str, list[Event]] = {}
    for event in books.events.values():
        chains.setdefault(event.data.certificate_id, []).append(event)
    for certificate_id, events in chains.items():
        events.sort(key=lambda event: (event.sequence, event.n))
        wrong = _chain(found, events)
        wrong += _last_state(found, events, books.states.get(certificate_id))
        if wrong and len(found.examples) < EXAMPLES:
            found.examples.append(f"{certificate_id}: {', '.join(wrong)}")
    return found


class Kept(msgspec.Struct, frozen=True):
    """Of what was asked for by topics: not done, done again, done and not asked for."""

    lost: int
    doubled: int
    unasked: int

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.unasked)


def kept(books: Books, asked: Mapping[str, AbstractSet[str]]) -> Kept:
    """`asked`: by type of transaction, the certificates that topics asked it for, once each."""
    done: dict[str, Counter[str]] = {type_: Counter() for type_ in asked}
    for event in books.events.values():
        if event.data.transaction_type in done:
            done[event.data.transaction_type][event.data.certificate_id] += 1
    return Kept(
        lost=sum(len(wanted - done[type_].keys()) for type_, wanted in asked.items()),
        doubled=sum(found.total() - len(found) for found in done.values()),
        unasked=sum(len(done[type_].keys() - wanted) for type_, wanted in asked.items()),
    )


def _chain(found: Balance, events: list[Event]) -> list[str]:
    """`after[k] + delta[k+1] = after[k+1]` from nothing on, and never below zero."""
    wrong = []
    before = Balances(0, 0, 0)
    for event in events:
        data = event.data
        if before.plus(data.delta) != data.after:
            found.broken_chains += 1
            wrong.append(f"chain broken at {event.id}")
        if min(data.after.available, data.after.held, data.after.refund_held) < 0:
            found.negative += 1
            wrong.append(f"below zero at {event.id}")
        before = data.after
    return wrong


def _last_state(found: Balance, events: list[Event], state: State | None) -> list[str]:
    last = events[-1]
    if state is None or state.sequence < last.sequence or _shown(state) != last.data.after:
        found.other_states += 1
        return [f"the last state is not that after {last.id}"]
    excess = _held_and_spent(events) - state.data.nominal * _activated(events)
    found.created += max(0, excess)
    found.vanished += max(0, -excess)
    return [f"{excess} minor units too many"] if excess else []


def _shown(state: State) -> Balances:
    return Balances(state.data.available, state.data.held, state.data.refund_held)


def _activated(events: list[Event]) -> bool:
    """A certificate is loaded once, however often it is told."""
    return any(event.data.transaction_type == "Activated" for event in events)


def _held_and_spent(events: list[Event]) -> int:
    """What is there, and what is not there because it was taken for something."""
    return events[-1].data.after.total + sum(_spent(event.data) for event in events)


def _spent(moved: Moved) -> int:
    match moved.transaction_type:
        case "Captured" | "Refund":
            return moved.amount
        case "Restored":
            return -moved.amount
        case "Reversed":
            return moved.released - moved.amount
        case _:
            return 0
