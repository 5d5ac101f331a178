"""A small true history of certificates: journal records and the messages they become."""

import asyncio
import uuid
from collections.abc import Iterable

import msgspec
from aiokafka import AIOKafkaProducer

from app.certificates.auditor import AuditTopics
from app.certificates.publishing import Publisher
from app.contracts import wire
from app.contracts.messages import Envelope, GiftCertificateState, GiftCertificateTransaction
from app.contracts.topics import STATE, TRANSACTION, Topic
from app.domain.certificates.events import Audit, Moved
from app.domain.certificates.state import Certificate, Lifecycle
from app.domain.policy import Policy
from app.kafka_access import KafkaAccess
from app.topics_admin import ensure_topics

NOMINAL = 3_000
# type, amount, deltas of available, held and refundHeld, totals that change
STEPS: tuple[tuple[str, int, tuple[int, int, int], dict[str, int]], ...] = (
    ("Issued", 0, (0, 0, 0), {}),
    ("Allocated", 0, (0, 0, 0), {}),
    ("Activated", NOMINAL, (NOMINAL, 0, 0), {"loaded": NOMINAL}),
    ("Authorized", 1_200, (-1_200, 1_200, 0), {}),
    ("Captured", 1_000, (200, -1_200, 0), {"captured": 1_000}),
    ("Reversed", 1_000, (1_000, 0, 0), {"restored": 1_000}),
    ("RefundRequested", 3_000, (-3_000, 0, 3_000), {}),
    ("Refund", 3_000, (0, 0, -3_000), {"refunded": 3_000}),
    ("RefundFailed", 3_000, (3_000, 0, 0), {"refunded": -3_000}),
    ("Cancelled", 3_000, (-3_000, 0, 0), {"written_off": 3_000}),
)
Record = tuple[str, bytes, bytes]
Transaction = Envelope[GiftCertificateTransaction]
State = Envelope[GiftCertificateState]


class History:
    """`records`: (topic, key, value) in order, to be spoiled before they are sent."""

    def __init__(self, certificates: Iterable[str], steps: int = len(STEPS)) -> None:
        suffix = uuid.uuid4().hex
        self.topics = AuditTopics(f"journal-{suffix}", f"state-{suffix}", f"transaction-{suffix}")
        self.records: list[Record] = []
        self._publisher = Publisher(Policy(), lambda value: ("k", value))
        for certificate_id in certificates:
            self._live(certificate_id, steps)
        self._meta()

    def _live(self, certificate_id: str, steps: int) -> None:
        state = Certificate(
            lifecycle=Lifecycle.ISSUED, last4="R6N4", nominal=NOMINAL, currency="RUB", batch_id="B"
        )
        for sequence, (kind, amount, deltas, totals) in enumerate(STEPS[:steps], 1):
            available, held, refund_held = (
                before + delta
                for before, delta in zip(
                    (state.available, state.held, state.refund_held), deltas, strict=True
                )
            )
            changed = {name: getattr(state, name) + more for name, more in totals.items()}
            state = msgspec.structs.replace(
                state, available=available, held=held, refund_held=refund_held, **changed
            )
            bounced = kind == "RefundFailed"
            balances = (available, held, refund_held)
            event = Moved(kind, sequence, amount, *deltas, *balances, Audit("Any"), bounced=bounced)
            self.journal(certificate_id, sequence, state, event)

    def journal(
        self, certificate_id: str, sequence: int, state: Certificate, *events: Moved
    ) -> None:
        record = wire.JournalRecord(1, 1, sequence, raw(state), raw(events))
        key = wire.CERTIFICATE + certificate_id.encode()
        self.records.append((self.topics.journal, key, wire.encode(record)))
        names = {STATE: self.topics.state, TRANSACTION: self.topics.transaction}
        for output in self._publisher.outputs(key, record, sequence):
            if output.topic in names:
                self.records.append((names[output.topic], output.key, output.value))

    def _meta(self) -> None:
        meta = wire.MetaRecord(1, 1, "worker-1", 5, 1)
        self.records.append((self.topics.journal, wire.META_KEY, wire.encode(meta)))

    def find(self, topic: str, sequence: int) -> int:
        """The place of the first record of the topic with this sequence."""
        mark = f'"sequence":{sequence},'.encode()
        places = [
            place
            for place, (name, _, value) in enumerate(self.records)
            if name == topic and mark in value
        ]
        return places[0]

    def transaction(self, sequence: int) -> tuple[int, Transaction]:
        place = self.find(self.topics.transaction, sequence)
        return place, msgspec.json.decode(self.records[place][2], type=Transaction)

    def state(self, sequence: int) -> tuple[int, State]:
        place = self.find(self.topics.state, sequence)
        return place, msgspec.json.decode(self.records[place][2], type=State)

    def put(self, place: int, message: msgspec.Struct) -> None:
        topic, key, _ = self.records[place]
        self.records[place] = (topic, key, msgspec.json.encode(message))

    async def create(self, bootstrap: str) -> None:
        names = (self.topics.journal, self.topics.state, self.topics.transaction)
        await ensure_topics(KafkaAccess(bootstrap), [Topic(name, 1, {}) for name in names])

    async def send(self, bootstrap: str) -> None:
        await self.create(bootstrap)
        await produce(bootstrap, self.records)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


async def produce(bootstrap: str, records: Iterable[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value, key=key, partition=0) for topic, key, value in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
