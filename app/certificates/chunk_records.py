"""What the rows of a chunk become: commands, dead letters, rows of the registry."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from app.certificates.batch_rows import BadRow, GoodRow
from app.certificates.chunk_store import ChunkId
from app.certificates.emission import Output
from app.certificates.publishing_internal import SealDeadLetter
from app.contracts import dead_letters, tracing
from app.contracts.topics import BATCHES, COMMANDS, dead_letters_of
from app.contracts.wire import command_record
from app.domain.certificates.commands import CancelCertificate, Command, IssueCertificate

_json = msgspec.json.Encoder().encode
NOWHERE = -1  # a row that came by HTTP lay at no offset


class Rejected(msgspec.Struct, frozen=True):
    """A row that goes no further; `original` is its content and may hold a code."""

    row: int
    code: str
    reason: str
    certificate_id: str | None
    last4: str | None
    original: Any


def rejected_row(bad: BadRow, original: Any) -> Rejected:
    return Rejected(bad.row, bad.code, bad.reason, bad.certificate_id, bad.last4, original)


def issue_output(key: str, command: IssueCertificate, now: int) -> Output:
    place = f"{command.batch_id}/{command.chunk}/{command.attempt}/{command.row}"
    return _command(key, command, command_id=place, now=now)


def cancel_output(key: str, issued: IssueCertificate, *, reason: str, now: int) -> Output:
    command = CancelCertificate(reason, issued.batch_id, issued.row)
    place = f"{issued.batch_id}/{issued.chunk}/{issued.attempt}/{issued.row}/cancel"
    return _command(key, command, command_id=place, now=now)


def buried(rejected: Rejected, chunk: ChunkId, *, seal: SealDeadLetter, now: int) -> Output:
    topic = BATCHES
    place = dead_letters.Place(topic, NOWHERE, NOWHERE)
    entity = rejected.certificate_id or chunk.batch_id
    cause = dead_letters.Cause(
        "VALIDATE",
        rejected.code,
        rejected.reason,
        now,
        entity,
        rejected.last4,
        rejected.row,
        f"{chunk.batch_id}:{chunk.chunk}:{chunk.attempt}",
    )
    kid, box = seal(_json(rejected.original))
    headers = dead_letters.headers(place, cause, sealed=kid)
    return Output(dead_letters_of(topic), chunk.batch_id.encode(), box, headers)


def registry_rows(good: Iterable[GoodRow], rejected: Iterable[Rejected]) -> list[dict[str, Any]]:
    """One entry per row number: a good row stands before a bad one of the same number."""
    rows = {row.row: _queued(row) for row in good}
    for one in rejected:
        rows.setdefault(
            one.row,
            {
                "row_no": one.row,
                "certificate_id": one.certificate_id,
                "last4": one.last4,
                "outcome": "rejected",
                "code": one.code,
                "reason": one.reason,
            },
        )
    return list(rows.values())


def command_of(batch_id: str, row: Any) -> IssueCertificate:
    """The command again, from the registry's row."""
    fields = row["fields"]
    return IssueCertificate(
        row["last4"],
        fields["weak"],
        fields["nominal"],
        fields["currency"],
        fields["validUntil"],
        fields["validityDays"],
        fields["productId"],
        fields["metadata"],
        batch_id,
        row["chunk"],
        row["row_no"],
        row["attempt"],
    )


def numbers_of(outcomes: Sequence[GoodRow | BadRow]) -> list[int]:
    return [outcome.row for outcome in outcomes]


def _queued(row: GoodRow) -> dict[str, Any]:
    command = row.command
    return {
        "row_no": row.row,
        "certificate_id": row.certificate_id,
        "last4": command.last4,
        "outcome": "queued",
        "fields": {
            "weak": command.weak,
            "nominal": command.nominal,
            "currency": command.currency,
            "validUntil": command.valid_until,
            "validityDays": command.validity_days,
            "productId": command.product_id,
            "metadata": command.metadata,
        },
    }


def _command(key: str, command: Command, *, command_id: str, now: int) -> Output:
    trace = tracing.current()
    value = command_record(key, command, command_id=command_id, now=now, trace=trace)
    return Output(COMMANDS, key.encode(), value, [])
