"""The internal wire keeps its array form and tells newer records from poison."""

import msgspec
import pytest

from app.contracts import wire
from app.domain.certificates.commands import ActivateCertificate
from app.domain.decision import follow_up

PACK = msgspec.msgpack.encode
UNPACK = msgspec.msgpack.decode


def test_a_command_is_the_documented_array() -> None:
    activate = ActivateCertificate("SO-1", "1", 1)
    record = wire.CommandRecord(1, "SO-1:4:0", 5, "ActivateCertificate", "gc_x", raw(activate))
    value = wire.command_record("gc_x", activate, command_id="SO-1:4:0", now=5)
    assert UNPACK(value) == [
        1, "SO-1:4:0", 5, "ActivateCertificate", "gc_x", ["SO-1", "1", 1], None,
    ]  # fmt: skip
    assert wire.decode_command(value) == record


def test_a_journal_record_keeps_state_and_events_encoded() -> None:
    sent = follow_up("gc_x", ActivateCertificate("SO-1", "1", 1))
    record = wire.JournalRecord(1, 7, 3, raw(["state"]), raw([["m", 1]]), (sent,))
    read = wire.decode_journal(wire.encode(record))
    assert UNPACK(read.state) == ["state"]
    assert UNPACK(read.events) == [["m", 1]]
    assert msgspec.msgpack.decode(read.follow_ups[0].fields, type=ActivateCertificate).attempt == 1


def test_a_record_without_later_fields_is_read() -> None:
    value = PACK([1, "id", 5, "Due", "gc_x", []])
    assert wire.decode_command(value).traceparent is None


@pytest.mark.parametrize("value", [[2, "id", 5, "Due", "gc_x", []], [2, {"another": "form"}]])
def test_a_newer_record_is_not_poison(value: object) -> None:
    with pytest.raises(wire.NewerSchema, match="schema 2"):
        wire.decode_command(PACK(value))


@pytest.mark.parametrize("value", [b"", b"not msgpack", PACK([1, 2]), PACK({"a": 1})])
def test_poison_is_a_decode_error(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode_command(value)


def test_meta_sorts_before_every_entity() -> None:
    assert min(wire.CERTIFICATE, wire.ORDER) > wire.META_KEY
    meta = wire.MetaRecord(1, 7, "worker-1", 10, 2)
    assert wire.decode_meta(wire.encode(meta)) == meta


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(PACK(value))
