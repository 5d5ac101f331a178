"""From a message of `GiftCertificateBatch` to one command per good row."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from app.certificates.batch_rows import BadRow, Chunk, GoodRow, RowReader
from app.certificates.inbound import (
    UNREADABLE,
    Amounts,
    Fault,
    FieldFault,
    Id,
    faulty,
    members_of,
    printable,
    too_large,
)
from app.domain.policy import Policy

ROWS_MAX = 500
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class BatchMessage(msgspec.Struct, frozen=True, rename="camel"):
    batch_id: Id
    chunk: Count
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=ROWS_MAX)]
    attempt: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class BatchTranslated(msgspec.Struct, frozen=True):
    """`originals`: the bad rows as they came, in the order of `bad`, to be sealed."""

    chunk: Chunk
    good: list[GoodRow]
    bad: list[BadRow]
    originals: list[bytes]


_decode = msgspec.json.Decoder(BatchMessage).decode


def _loose(raw: msgspec.Raw) -> Any:
    """A row that is no JSON object is the reader's to refuse."""
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return None


class BatchIntake:
    def __init__(self, amounts: Amounts, *, pepper: bytes, policy: Policy) -> None:
        self._amounts = amounts
        self._pepper = pepper
        self._policy = policy

    def translate(self, value: bytes, now: int) -> BatchTranslated | Fault:
        large = too_large(value)
        if large is not None:
            return large
        try:
            message = _decode(value)
            printable((("batchId", message.batch_id),))
        except (*UNREADABLE, FieldFault) as error:
            members = members_of(value)
            if not isinstance(members, Mapping):
                return members
            return faulty(error, members.get("batchId"))
        return self._read(message, now)

    def _read(self, message: BatchMessage, now: int) -> BatchTranslated:
        chunk = Chunk(message.batch_id, message.chunk, message.attempt)
        reader = RowReader(self._amounts, pepper=self._pepper, policy=self._policy, now=now)
        outcomes = reader.read(chunk, map(_loose, message.rows))
        bad = [one for one in outcomes if isinstance(one, BadRow)]
        return BatchTranslated(
            chunk,
            [one for one in outcomes if isinstance(one, GoodRow)],
            bad,
            [bytes(message.rows[one.index]) for one in bad],
        )
