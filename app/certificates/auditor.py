"""Recomputes every balance from the public topics and compares it with the journal."""

from collections.abc import Callable
from functools import partial

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from rich.table import Table

from app.certificates.audit_findings import AuditResult, Findings
from app.certificates.audit_journal import JournalFold
from app.certificates.audit_partition import PartitionAudit
from app.certificates.audit_reading import PartitionReader, Reach, partitions_of, reader
from app.contracts.topics import JOURNAL, STATE, TRANSACTION

PATIENCE_S = 30.0
SHOWN_DIFFERENCES = 20


class AuditTopics(msgspec.Struct, frozen=True):
    journal: str = JOURNAL
    state: str = STATE
    transaction: str = TRANSACTION


AUDIT_TOPICS = AuditTopics()


async def audit(
    bootstrap: str,
    *,
    topics: AuditTopics = AUDIT_TOPICS,
    patience_s: float = PATIENCE_S,
    progress: Callable[[int], None] = lambda _records: None,
) -> AuditResult:
    """Safe beside running workers: checks what is in the journal at the start, waiting up to
    `patience_s` without news for publishing to catch up. `progress` gets counts of records.

    Memory: what one partition's certificates need. Raises `TopicMissing`, `ReadingStopped`,
    `NewerSchema` (written by a newer worker than this) and errors of the broker.
    """
    findings = Findings()
    partitions = await partitions_of(bootstrap, topics.journal)
    async with reader(bootstrap, progress) as reading:
        for number in partitions:
            await _partition(reading, topics, number, findings=findings, patience_s=patience_s)
    return findings.result()


async def _partition(
    reading: PartitionReader,
    topics: AuditTopics,
    number: int,
    *,
    findings: Findings,
    patience_s: float,
) -> None:
    journal, state, transaction = (
        TopicPartition(topic, number)
        for topic in (topics.journal, topics.state, topics.transaction)
    )
    fold = JournalFold()
    ends = await reading.ends([journal])
    take = partial(_take_journal, fold, findings)
    await reading.read({journal: take}, Reach(ends, patience_s))
    audited = PartitionAudit(fold, findings)
    published = Reach(
        await reading.ends([state, transaction]), patience_s, missing=lambda: audited.behind
    )
    takes = {
        state: lambda record: audited.state(record.value),
        transaction: lambda record: audited.transaction(record.value),
    }
    await reading.read(takes, published)
    if audited.strangers:
        late = Reach(await reading.ends([journal]), patience_s)
        known = partial(_take_known, audited.strangers)
        await reading.read({journal: known}, late, start=ends[journal])
    audited.close(complete=await reading.begins_at_zero(transaction))


def _take_journal(fold: JournalFold, findings: Findings, record: ConsumerRecord) -> None:
    try:
        fold.take(record.key, record.value)
    except msgspec.DecodeError as error:
        findings.add("unreadable", f"journal offset {record.offset}", str(error))


def _take_known(strangers: set[str], record: ConsumerRecord) -> None:
    """A certificate journaled after the audit's start is no stranger."""
    strangers.discard(record.key[1:].decode())


def audit_table(result: AuditResult) -> Table:
    table = Table("check", "found", "detail", title="Audit of the certificate ledger")
    table.add_row("certificates", f"{result.certificates:,}", "")
    table.add_row("transactions", f"{result.events:,}", f"{result.repetitions:,} repetitions")
    table.add_row("states", f"{result.states:,}", "")
    for currency, sums in sorted(result.totals.items()):
        detail = f"events {sums.by_events:,}, states {sums.by_states:,}"
        table.add_row(f"liability {currency}", f"{sums.by_journal:,}", f"{detail} (minor units)")
    for kind, count in sorted(result.kinds.items()):
        table.add_row(f"[red]{kind}", f"[red]{count:,}", "")
    for difference in result.differences[:SHOWN_DIFFERENCES]:
        table.add_row(f"[red]{difference.kind}", difference.entity, difference.detail)
    verdict = "[red]differences" if result.difference_count else "[green]differences"
    table.add_row(verdict, f"{result.difference_count:,}", "")
    return table
