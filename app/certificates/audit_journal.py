"""The journal as the auditor reads it: the last record of each certificate, by plain position."""

from collections.abc import Callable
from sys import intern
from typing import Any

import msgspec

from app.contracts.wire import (
    CERTIFICATE,
    EPOCH_KEY,
    META_KEY,
    STATE_SCHEMA,
    JournalRecord,
    decode_journal,
    decode_meta,
)
from app.domain.certificates.invariants import broken
from app.domain.certificates.kept_holds import upgraded
from app.domain.certificates.state import Certificate


class StoredMoney(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first fields of the stored certificate; what follows them is not read."""

    lifecycle: str
    last4: str
    weak: bool
    nominal: int
    currency: str
    batch_id: str
    row: int
    row_attempt: int
    row_digest: bytes
    product_id: str | None
    valid_until: int | None
    validity_days: int | None
    order: Any
    loaded: int
    captured: int
    restored: int
    refunded: int
    written_off: int
    available: int
    held: int
    refund_held: int
    shortfall: int


class ShownMoney(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What a certificate is worth, as the journal or a GiftCertificateState shows it."""

    certificate_id: str
    lifecycle: str
    currency: str
    nominal: int
    available: int
    held: int
    refund_held: int
    balance: int
    loaded: int
    captured: int
    restored: int
    refunded: int
    written_off: int
    shortfall: int


MOVED = "m"


class _Tagged(msgspec.Struct, frozen=True, array_like=True, gc=False):
    tag: str


class Journaled(msgspec.Struct, frozen=True, gc=False):
    """`published`: the last sequence that changed something public, 0 if none is known;
    `moves`: how many changes there were in all, None if compaction has taken some.
    """

    money: ShownMoney
    sequence: int
    published: int
    moves: int | None


Laws = Callable[[JournalRecord], list[str]]
NOT_YET = Journaled(ShownMoney("", "", "", *(0,) * 11), 0, 0, 0)
_certificate = msgspec.msgpack.Decoder(Certificate)
_money = msgspec.msgpack.Decoder(StoredMoney)
_tags = msgspec.msgpack.Decoder(list[_Tagged])


def domain_laws(record: JournalRecord) -> list[str]:
    """What the law itself demands of every state, beside the auditor's own arithmetic."""
    state = _certificate.decode(record.state)
    return broken(upgraded(state) if record.schema < STATE_SCHEMA else state)


class JournalFold:
    """Fed with one partition in order; records of an epoch already passed are not history."""

    def __init__(self, laws: Laws) -> None:
        self.certificates: dict[str, Journaled] = {}
        self.ignored = 0
        self._epoch = 0
        self._laws = laws

    def take(self, key: bytes, value: bytes) -> list[str]:
        """The laws that the record breaks. Raises `msgspec.DecodeError` for a damaged record
        and `NewerSchema` for a newer one.
        """
        if key in {META_KEY, EPOCH_KEY}:
            self._epoch = max(self._epoch, decode_meta(value).epoch)
            return []
        record = decode_journal(value)
        if record.epoch < self._epoch:
            self.ignored += 1
            return []
        self._epoch = record.epoch
        if key[:1] != CERTIFICATE:
            return []
        moves = sum(event.tag == MOVED for event in _tags.decode(record.events))
        self._put(key[1:].decode(), record, moves)
        return self._laws(record)

    def _put(self, certificate_id: str, record: JournalRecord, moves: int) -> None:
        before = self.certificates.get(certificate_id, NOT_YET)
        sequence = record.sequence
        all_moves = before.moves
        if sequence > before.sequence + 1:
            all_moves = None
        elif sequence > before.sequence and all_moves is not None:
            all_moves += moves
        self.certificates[certificate_id] = Journaled(
            _shown(certificate_id, _money.decode(record.state)),
            max(sequence, before.sequence),
            sequence if moves else before.published,
            all_moves,
        )


def _shown(certificate_id: str, stored: StoredMoney) -> ShownMoney:
    return ShownMoney(
        certificate_id,
        intern(stored.lifecycle),
        intern(stored.currency),
        stored.nominal,
        stored.available,
        stored.held,
        stored.refund_held,
        stored.available + stored.held + stored.refund_held,
        stored.loaded,
        stored.captured,
        stored.restored,
        stored.refunded,
        stored.written_off,
        stored.shortfall,
    )
