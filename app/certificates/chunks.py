"""The words of batch upload: what is sent, who asks, what is answered or refused."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from app.certificates.batch_rows import BadRow, GoodRow
from app.certificates.chunk_records import Rejected, rejected_row
from app.certificates.chunk_store import ChunkId
from app.certificates.database import Row
from app.domain.certificates.codes import grouped

Outcomes = list[GoodRow | BadRow]
OUTCOMES = ("queued", "issued", "duplicate", "rejected", "cancelled")


class Generate(msgspec.Struct, frozen=True):
    """Rows to be made up here, with codes of ours; `fields` are those of every row."""

    count: int
    fields: dict[str, Any]


class Upload(msgspec.Struct, frozen=True):
    """One chunk as it was sent; `cells`: values are CSV texts; `wait_s`: for the outcomes."""

    batch_id: str
    chunk: int
    rows: Sequence[Any] | Generate
    first_row: int = 1
    rows_total: int | None = None
    cells: bool = False
    dry_run: bool = False
    wait_s: float = 0.0


class Asker(msgspec.Struct, frozen=True):
    """Who asks, under which key, with which content; hashes are MACs."""

    client: str
    key_hash: bytes
    body_hash: bytes


class Answer(msgspec.Struct, frozen=True):
    status: int
    fields: dict[str, Any]
    replayed: bool = False


class Refused(msgspec.Struct, frozen=True):
    """`code` is one of the refusal catalogue; `detail` names the field and the reason."""

    code: str
    detail: str | None = None


class Sorted(msgspec.Struct, frozen=True):
    """Rows of one chunk by what becomes of them.

    By row number: `originals` of the good ones as they came, `codes` in clear to be shown.
    """

    good: list[GoodRow]
    rejected: list[Rejected]
    originals: dict[int, Any]
    codes: dict[int, str]

    def without(self, numbers: set[int]) -> "Sorted":
        """Rows that already stand for other certificates are rejected too."""
        good = [row for row in self.good if row.row not in numbers]
        clashing = [_clash(row, self.originals[row.row]) for row in self.good if row.row in numbers]
        return Sorted(good, self.rejected + clashing, self.originals, self.codes)


def sort_rows(
    chunk: ChunkId, rows: Sequence[Any], outcomes: Outcomes, *, generated: bool
) -> Sorted:
    """The commands get the attempt, which was not known when the rows were read."""
    good, rejected, originals = [], [], {}
    for original, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, BadRow):
            rejected.append(rejected_row(outcome, original))
            continue
        command = msgspec.structs.replace(outcome.command, attempt=chunk.attempt)
        good.append(GoodRow(outcome.row, outcome.certificate_id, command))
        originals[outcome.row] = original
    codes = {row: one["code"] for row, one in originals.items()} if generated else {}
    return Sorted(good, rejected, originals, codes)


def validated(sent: Upload, outcomes: Outcomes) -> Answer:
    """The answer of a dry run: nothing was kept."""
    bad = [outcome for outcome in outcomes if isinstance(outcome, BadRow)]
    fields = {
        "batchId": sent.batch_id,
        "chunk": sent.chunk,
        "dryRun": True,
        "rows": len(outcomes),
        "rejected": len(bad),
        "rejectedRows": [told(rejected_row(one, None)) for one in bad],
    }
    return Answer(200, fields)


def queued(chunk: ChunkId, found: Sorted) -> Answer:
    counts = {"queued": len(found.good), "rejected": len(found.rejected)}
    fields = chunk_fields(chunk, counts, rows=len(found.good) + len(found.rejected))
    fields["rejectedRows"] = [told(one) for one in found.rejected]
    if found.codes:
        fields["codes"] = [
            {"row": row.row, "certificateId": row.certificate_id, "code": grouped(code)}
            for row in found.good
            if (code := found.codes.get(row.row))
        ]
    return Answer(202, fields)


def chunk_fields(chunk: ChunkId, counts: dict[str, int], *, rows: int) -> dict[str, Any]:
    named = {"batchId": chunk.batch_id, "chunk": chunk.chunk, "attempt": chunk.attempt}
    status_url = f"/certificates/batches/{chunk.batch_id}"
    return named | {"rows": rows} | all_outcomes(counts) | {"statusUrl": status_url}


def all_outcomes(counts: dict[str, int]) -> dict[str, int]:
    return {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}


def newer(answer: Answer, counts: dict[str, int], rejected: Iterable[Row]) -> Answer:
    """The same answer with the outcomes of now; 200 once no row is queued any more."""
    rows = {row["row"]: row for row in answer.fields["rejectedRows"]}
    rows |= {row["row_no"]: shown(row) for row in rejected}
    fields = answer.fields | all_outcomes(counts)
    fields |= {"rejected": len(rows), "rejectedRows": list(rows.values())}
    return Answer(202 if counts.get("queued") else 200, fields, answer.replayed)


def told(rejected: Rejected) -> dict[str, Any]:
    row = {"row": rejected.row, "code": rejected.code, "reason": rejected.reason}
    return row | {"certificateId": rejected.certificate_id, "last4": rejected.last4}


def shown(row: Row) -> dict[str, Any]:
    """A row of the registry as callers see it; `outcome` only if it was asked for."""
    named = {
        "row": row["row_no"],
        "certificateId": row["certificate_id"],
        "last4": row["last4"],
        "outcome": row.get("outcome"),
        "code": row["code"],
        "reason": row["reason"],
    }
    return {name: value for name, value in named.items() if value is not None}


def _clash(row: GoodRow, original: Any) -> Rejected:
    reason = "row: stands for another certificate of this batch"
    last4 = row.command.last4
    return Rejected(row.row, "RowChanged", reason, row.certificate_id, last4, original)
