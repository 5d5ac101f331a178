"""The internal wire: command, journal and meta records as msgpack arrays.

NOTE: field order is storage format; add at the end, with a default, never change.
"""

from typing import TypeVar

import msgspec

from app.domain.certificates.events import NotificationAsked
from app.domain.decision import FollowUp

SCHEMA = 1
STATE_SCHEMA = 2  # of journal records: since 2, closed holds are packed, results stand on pages
META_KEY = b"\x00meta"
EPOCH_KEY = b"\x00epoch"
CERTIFICATE = b"c"
ORDER = b"o"
RESULTS = b"r"


class CommandRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of `certificate-commands`; `fields` is the command itself, decoded by `kind`."""

    schema: int
    id: str
    now: int
    kind: str
    key: str
    fields: msgspec.Raw
    traceparent: str | None = None


class JournalRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of `certificate-journal`: state, events and follow-ups of one touched entity."""

    schema: int
    epoch: int
    sequence: int
    state: msgspec.Raw
    events: msgspec.Raw
    follow_ups: tuple[FollowUp, ...] = ()
    traceparent: str | None = None
    next_due: int | None = None  # so that a replay need not decode the state


class MetaRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last record of each commit: who owns the partition and how far its input went."""

    schema: int
    epoch: int
    owner: str
    watermark: int
    commit: int
    ledger: str = ""  # check value of the code pepper: another one means other certificates


class NotificationRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of `notification-requests`; `asked.id` makes repetitions one message."""

    schema: int
    sequence: int
    asked: NotificationAsked
    traceparent: str | None = None


class NewerSchema(Exception):
    """The record was written by a newer worker: wait for one, it is not poison."""

    def __init__(self, schema: int, known: int) -> None:
        super().__init__(f"record of schema {schema}, this worker knows {known}")
        self.schema = schema


class _Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    schema: int


_Record = TypeVar("_Record", CommandRecord, JournalRecord, MetaRecord, NotificationRecord)

encode = msgspec.msgpack.Encoder().encode
_command = msgspec.msgpack.Decoder(CommandRecord)
_journal = msgspec.msgpack.Decoder(JournalRecord)
_meta = msgspec.msgpack.Decoder(MetaRecord)
_notification = msgspec.msgpack.Decoder(NotificationRecord)
_head = msgspec.msgpack.Decoder(_Head)


def command_record(
    key: str, command: msgspec.Struct, *, command_id: str, now: int, trace: str | None = None
) -> bytes:
    kind, fields = type(command).__name__, msgspec.Raw(encode(command))
    return encode(CommandRecord(SCHEMA, command_id, now, kind, key, fields, trace))


def decode_command(value: bytes) -> CommandRecord:
    """Raises `msgspec.DecodeError` for poison, `NewerSchema` for what is not."""
    return _decode(_command, value, SCHEMA)


def decode_journal(value: bytes) -> JournalRecord:
    return _decode(_journal, value, STATE_SCHEMA)


def decode_meta(value: bytes) -> MetaRecord:
    return _decode(_meta, value, SCHEMA)


def decode_notification(value: bytes) -> NotificationRecord:
    return _decode(_notification, value, SCHEMA)


def _decode(decoder: msgspec.msgpack.Decoder[_Record], value: bytes, known: int) -> _Record:
    try:
        record = decoder.decode(value)
    except msgspec.ValidationError:
        # A newer writer may have changed a type: its schema number says so first.
        schema = _head.decode(value).schema
        if schema > known:
            raise NewerSchema(schema, known) from None
        raise
    if record.schema > known:
        raise NewerSchema(record.schema, known)
    return record
