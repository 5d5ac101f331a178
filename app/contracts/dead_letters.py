"""Headers of a dead letter: cause and place as Kafka Connect writes them (KIP-298), and ours."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Stage = Literal["DECODE", "VALIDATE", "DECIDE", "DELIVER"]
Headers = list[tuple[str, bytes]]
CONNECT = "__connect.errors."
TOPIC = CONNECT + "topic"
PARTITION = CONNECT + "partition"
OFFSET = CONNECT + "offset"
STAGE = CONNECT + "stage"
CODE = CONNECT + "exception.class.name"
REASON = CONNECT + "exception.message"
SEALED = "gc.sealed"
ENTITY = "gc.entity"
LAST4 = "gc.last4"
ROW = "gc.row"
CHUNK = "gc.chunk"
AT = "gc.at"
FORMAT = "gc.format"
REPLAYED = "gc.replayed"
COMMAND_FORMAT = "certificate-commands"
REASON_MAX = 256


class Place(msgspec.Struct, frozen=True):
    """Where the faulty record lay."""

    topic: str
    partition: int
    offset: int


class Cause(msgspec.Struct, frozen=True):
    """`reason` must be masked already: no code, phone or e-mail in it.

    `chunk`: of a batch row, `<batchId>:<chunk>:<attempt>`.
    """

    stage: Stage
    code: str
    reason: str
    at: int
    entity: str | None = None
    last4: str | None = None
    row: int | None = None
    chunk: str | None = None


def headers(place: Place, cause: Cause, *, sealed: str | None, kept: str | None = None) -> Headers:
    """`sealed`: id of the key that sealed the value; `kept`: what it is if not the original."""
    texts = {
        TOPIC: place.topic,
        PARTITION: str(place.partition),
        OFFSET: str(place.offset),
        STAGE: cause.stage,
        CODE: cause.code,
        REASON: cause.reason[:REASON_MAX],
        SEALED: sealed,
        ENTITY: cause.entity,
        LAST4: cause.last4,
        ROW: None if cause.row is None else str(cause.row),
        CHUNK: cause.chunk,
        AT: str(cause.at),
        FORMAT: kept,
    }
    return [(name, text.encode()) for name, text in texts.items() if text is not None]


def code_of(written: Sequence[tuple[str, bytes]]) -> str:
    """The cause in the headers of a letter."""
    return next((value.decode() for name, value in written if name == CODE), "")


class Handled(msgspec.Struct, frozen=True):
    """A mark in `dead-letters-handled`; its key is the letter's `<topic>/<partition>/<offset>`."""

    what: Literal["replayed", "discarded"]
    at: int
    client: str
    actor: str
    reason: str | None = None
