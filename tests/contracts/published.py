"""A journal record put through the publisher, and its messages read back."""

import json
from typing import Any

import jsonschema
import msgspec

from app.certificates.emission import Output
from app.certificates.publishing import Note, Publisher
from app.contracts import wire
from app.contracts.asyncapi import SAMPLES
from app.contracts.schemas import json_schemas
from app.domain.certificates.order_state import Order
from app.domain.certificates.state import Certificate
from app.domain.decision import FollowUp
from app.domain.policy import Policy

ID = "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
JOURNALED_AT = 1_788_256_931_005


def published(
    state: Certificate | Order,
    *events: Any,
    sequence: int = 7,
    follow_ups: tuple[FollowUp, ...] = (),
    traceparent: str | None = None,
    note: Note | None = None,
) -> list[Output]:
    prefix, entity = (b"o", "SO-1001") if isinstance(state, Order) else (b"c", ID)
    record = wire.JournalRecord(1, 3, sequence, raw(state), raw(events), follow_ups, traceparent)
    stored = wire.decode_journal(wire.encode(record))
    publisher = Publisher(Policy(), lambda value: ("dlq-1", b"sealed " + value), note)
    return publisher.outputs(prefix + entity.encode(), stored, JOURNALED_AT)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def sample(topic: str) -> Any:
    return json.loads((SAMPLES / f"{topic}.json").read_bytes())


def read(output: Output) -> Any:
    message = json.loads(output.value)
    jsonschema.validate(message, json_schemas()[output.topic])
    return message


def shape(outputs: list[Output]) -> list[tuple[str, int, str | None]]:
    return [
        (one["type"], one["n"], one["data"].get("kind", one["data"].get("transactionType")))
        for one in map(read, outputs)
    ]
