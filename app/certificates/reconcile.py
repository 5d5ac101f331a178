"""Reconciliation: the ledger's journal against the mart, certificate by certificate."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from app.certificates.audit_journal import JournalFold, domain_laws
from app.certificates.audit_reading import PartitionReader, Reach, partitions_of, reader
from app.certificates.database import Database, Row, Transaction
from app.certificates.mart import payload
from app.contracts.topics import JOURNAL
from app.kafka_access import KafkaAccess

PATIENCE_S = 60.0
POLL_S = 0.5
LATE_S = 600
SLICE = 5_000
ABSENT = "Absent"
Rows = list[dict[str, Any]]
FIELDS = (
    *("lifecycle", "currency", "nominal", "available", "held", "refund_held"),
    *("loaded", "captured", "restored", "refunded", "written_off", "shortfall"),
)

JOURNALED = """
CREATE TEMP TABLE journaled (
    certificate_id text PRIMARY KEY, sequence bigint, published bigint, at timestamptz,
    lifecycle text, currency text, nominal bigint, available bigint, held bigint,
    refund_held bigint, loaded bigint, captured bigint, restored bigint, refunded bigint,
    written_off bigint, shortfall bigint
) ON COMMIT DROP
"""
PUT = """
INSERT INTO journaled SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    certificate_id text, sequence bigint, published bigint, at timestamptz, lifecycle text,
    currency text, nominal bigint, available bigint, held bigint, refund_held bigint,
    loaded bigint, captured bigint, restored bigint, refunded bigint, written_off bigint,
    shortfall bigint
)
"""
BEHIND = """
SELECT count(*) AS behind FROM journaled j LEFT JOIN mart.certificate c USING (certificate_id)
WHERE coalesce(c.sequence, 0) < j.published
    OR NOT EXISTS (
        SELECT FROM mart.operation o
        WHERE o.certificate_id = j.certificate_id AND o.sequence >= j.published
    )
"""
# A certificate that moved on since the journal was read is left to the next run, its deltas
# are not: they are summed up to what was read.
DIFFERENCES = """
WITH sums AS (
    SELECT j.certificate_id, max(o.sequence) AS sequence,
        sum(o.d_available + o.d_held + o.d_refund_held)::bigint AS balance
    FROM journaled j JOIN mart.operation o
        ON o.certificate_id = j.certificate_id AND o.sequence <= j.sequence
    GROUP BY 1
), compared AS (
    SELECT j.certificate_id, j.at, j.published, j.sequence,
        coalesce(c.sequence, 0) AS shown,
        least(coalesce(c.sequence, 0), coalesce(s.sequence, 0)) AS seen,
        concat_ws(' ', j.lifecycle, j.currency, j.nominal, j.available, j.held, j.refund_held,
            j.loaded, j.captured, j.restored, j.refunded, j.written_off, j.shortfall) AS journal,
        concat_ws(' ', c.lifecycle, c.currency, c.nominal, c.available, c.held, c.refund_held,
            c.loaded, c.captured, c.restored, c.refunded, c.written_off, c.shortfall) AS mart,
        j.available + j.held + j.refund_held AS balance, s.balance AS moved
    FROM journaled j
    LEFT JOIN mart.certificate c USING (certificate_id)
    LEFT JOIN sums s USING (certificate_id)
)
SELECT certificate_id, CASE WHEN at < now() - %(late_s)s * interval '1 second' THEN 'late'
        ELSE 'behind' END AS kind, journal, mart
FROM compared WHERE shown > 0 AND seen < published
UNION ALL
SELECT certificate_id, CASE WHEN at < now() - %(late_s)s * interval '1 second' THEN 'missing'
        ELSE 'behind' END, journal, NULL
FROM compared WHERE shown = 0
UNION ALL
SELECT certificate_id, 'different', journal, mart
FROM compared WHERE shown BETWEEN published AND sequence AND journal <> mart
UNION ALL
SELECT certificate_id, 'delta', balance::text, coalesce(moved, 0)::text
FROM compared WHERE shown > 0 AND seen >= published AND moved <> balance
UNION ALL
SELECT c.certificate_id, 'unknown', NULL, c.lifecycle
FROM mart.certificate c LEFT JOIN journaled j USING (certificate_id)
WHERE j.certificate_id IS NULL AND c.sequence > 0
    AND c.last_operation_at < %(started_at)s::timestamptz - interval '1 minute'
"""
TOTALS = """
SELECT j.currency, count(*) AS certificates,
    sum(j.available + j.held + j.refund_held)::bigint AS journal,
    coalesce(sum(s.balance), 0)::bigint AS mart
FROM journaled j LEFT JOIN LATERAL (
    SELECT sum(o.d_available + o.d_held + o.d_refund_held) AS balance FROM mart.operation o
    WHERE o.certificate_id = j.certificate_id AND o.sequence <= j.sequence
) s ON true
GROUP BY 1 ORDER BY 1
"""
RUN = """
INSERT INTO mart.recon_run (started_at, ended_at, certificates, behind, differences, totals)
VALUES (%(started_at)s::timestamptz, clock_timestamp(), %(certificates)s, %(behind)s,
    %(differences)s, %(totals)s::jsonb)
RETURNING run_id
"""
KEEP = """
INSERT INTO mart.recon_difference (run_id, certificate_id, kind, journal, mart)
SELECT %(run_id)s, r.certificate_id, r.kind, r.journal, r.mart
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS r(certificate_id text, kind text, journal text, mart text)
ON CONFLICT DO NOTHING
"""


class Reconciled(msgspec.Struct, frozen=True):
    """`behind`: not copied yet, but younger than ten minutes; `totals` in minor units."""

    run_id: int
    certificates: int
    behind: int
    differences: list[dict[str, Any]]
    totals: list[dict[str, Any]]


async def reconcile(
    kafka: KafkaAccess, database: Database, *, patience_s: float = PATIENCE_S, late_s: int = LATE_S
) -> Reconciled:
    """Reads the journal up to its present end, waits for the mart to come that far, compares.

    Raises StorageUnavailable and what reading the journal raises.
    """
    started_at = datetime.now(UTC).isoformat()
    async with database.transaction() as tx:
        await tx.may_take(600)
        await tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await tx.execute(JOURNALED)
        broken = await _read_journal(kafka, tx)
        await _caught_up(tx, patience_s)
        found = await tx.rows(DIFFERENCES, late_s=late_s, started_at=started_at)
        totals = await tx.rows(TOTALS)
        behind = [row for row in found if row["kind"] == "behind"]
        differences = broken + [row for row in found if row["kind"] != "behind"]
        certificates = sum(row["certificates"] for row in totals)
        run = await tx.one(
            RUN,
            started_at=started_at,
            certificates=certificates,
            behind=len(behind),
            differences=len(differences),
            totals=payload(totals),
        )
        assert run is not None
        if differences:
            await tx.execute(KEEP, run_id=run["run_id"], rows=payload(differences))
    return Reconciled(run["run_id"], certificates, len(behind), differences, totals)


async def _read_journal(kafka: KafkaAccess, tx: Transaction) -> list[dict[str, Any]]:
    """Fills the table of the journal; returns the laws that its states break."""
    broken: list[dict[str, Any]] = []
    async with reader(kafka, lambda _count: None) as reading:
        for number in await partitions_of(kafka, JOURNAL):
            partition = _Partition()
            await partition.read(reading, TopicPartition(JOURNAL, number))
            broken += partition.broken
            rows = partition.rows()
            for start in range(0, len(rows), SLICE):
                await tx.execute(PUT, rows=payload(rows[start : start + SLICE]))
    return broken


class _Partition:
    """One partition's certificates as the journal has them."""

    def __init__(self) -> None:
        self.broken: list[dict[str, Any]] = []
        self._fold = JournalFold(domain_laws)
        self._times: dict[str, int] = {}

    async def read(self, reading: PartitionReader, partition: TopicPartition) -> None:
        reach = Reach(await reading.ends([partition]), PATIENCE_S)
        await reading.read({partition: self._take}, reach)

    def _take(self, record: ConsumerRecord) -> None:
        key = record.key or b""
        certificate_id = key[1:].decode(errors="replace")
        try:
            broken = self._fold.take(key, record.value or b"")
        except msgspec.DecodeError as error:
            broken = [f"record {record.partition}/{record.offset}: {error}"]
        for law in broken:
            self.broken.append(
                {"certificate_id": certificate_id, "kind": "law", "journal": law, "mart": None}
            )
        self._times[certificate_id] = record.timestamp

    def rows(self) -> Rows:
        return [
            {
                "certificate_id": key,
                "sequence": one.sequence,
                # 0: compaction took the record that changed it last, days ago.
                "published": max(1, one.published),
                "at": datetime.fromtimestamp(self._times[key] / 1_000, UTC).isoformat(),
                **{name: getattr(one.money, name) for name in FIELDS},
            }
            for key, one in self._fold.certificates.items()
            if one.money.lifecycle != ABSENT
        ]


async def _caught_up(tx: Transaction, patience_s: float) -> None:
    """Until the mart is as far as the journal was, or has not moved for the whole patience."""
    loop = asyncio.get_running_loop()
    moved, left = loop.time(), -1
    while True:
        row: Row | None = await tx.one(BEHIND)
        assert row is not None
        if not row["behind"]:
            return
        if row["behind"] != left:
            moved, left = loop.time(), row["behind"]
        if loop.time() - moved > patience_s:
            return
        await asyncio.sleep(POLL_S)
