"""Recomputes every balance from the public topics and compares it with the journal."""

from collections.abc import Callable
from functools import partial

import msgspec
from aiokafka import ConsumerRecord, TopicPartition
from rich.table import Table

from app.certificates.audit_findings import AuditResult, Findings
from app.certificates.audit_journal import JournalFold, Laws, domain_laws
from app.certificates.audit_partition import PartitionAudit
from app.certificates.audit_reading import PartitionReader, Reach, Take, partitions_of, reader
from app.contracts.topics import JOURNAL, STATE, TRANSACTION
from app.kafka_access import KafkaAccess

PATIENCE_S = 30.0
SHOWN_DIFFERENCES = 20


class AuditTopics(msgspec.Struct, frozen=True):
    journal: str = JOURNAL
    state: str = STATE
    transaction: str = TRANSACTION


AUDIT_TOPICS = AuditTopics()


async def audit(
    kafka: KafkaAccess,
    *,
    topics: AuditTopics = AUDIT_TOPICS,
    patience_s: float = PATIENCE_S,
    laws: Laws = domain_laws,
    progress: Callable[[int], None] = lambda _records: None,
) -> AuditResult:
    """Safe beside running workers: checks what is in the journal at the start, waiting up to
    `patience_s` without news for publishing to catch up. `progress` gets counts of records.

    Memory: what one partition's certificates need. Raises `TopicMissing`, `ReadingStopped`,
    `NewerSchema` (written by a newer worker than this) and errors of the broker.
    """
    partitions = await partitions_of(kafka, topics.journal)
    async with reader(kafka, progress) as reading:
        auditor = _Auditor(reading, topics, patience_s=patience_s, laws=laws)
        for number in partitions:
            await auditor.partition(number)
    return auditor.findings.result()


class _Auditor:
    """Goes through the partitions one by one, so that memory is what one of them needs."""

    def __init__(
        self, reading: PartitionReader, topics: AuditTopics, *, patience_s: float, laws: Laws
    ) -> None:
        self.findings = Findings()
        self._reading = reading
        self._topics = topics
        self._patience_s = patience_s
        self._laws = laws

    async def partition(self, number: int) -> None:
        journal = TopicPartition(self._topics.journal, number)
        end = await self._ends(journal)
        fold = JournalFold(self._laws)
        await self._reading.read({journal: partial(self._take_journal, fold)}, end)
        audited = PartitionAudit(fold, self.findings)
        await self._published(number, audited)
        if audited.strangers:
            known = partial(_take_known, audited.strangers)
            more = await self._ends(journal)
            await self._reading.read({journal: known}, more, starts=end.ends)
        transaction = TopicPartition(self._topics.transaction, number)
        audited.close(complete=await self._reading.begins_at_zero(transaction))

    async def _published(self, number: int, audited: PartitionAudit) -> None:
        state = TopicPartition(self._topics.state, number)
        transaction = TopicPartition(self._topics.transaction, number)
        takes: dict[TopicPartition, Take] = {
            state: lambda record: audited.state(record.value or b""),
            transaction: lambda record: audited.transaction(record.value or b""),
        }
        ends = await self._ends(state, transaction)
        reach = msgspec.structs.replace(ends, missing=lambda: audited.behind)
        await self._reading.read(takes, reach)

    async def _ends(self, *partitions: TopicPartition) -> Reach:
        return Reach(await self._reading.ends(partitions), self._patience_s)

    def _take_journal(self, fold: JournalFold, record: ConsumerRecord) -> None:
        key = record.key or b""
        try:
            broken = fold.take(key, record.value or b"")
        except msgspec.DecodeError as error:
            self.findings.add("unreadable", f"journal offset {record.offset}", str(error))
            return
        for law in broken:
            self.findings.add("law", key[1:].decode(), law)


def _take_known(strangers: set[str], record: ConsumerRecord) -> None:
    """A certificate journaled after the audit's start is no stranger."""
    strangers.discard((record.key or b"")[1:].decode())


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
