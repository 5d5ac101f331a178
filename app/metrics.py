"""Metrics of the ledger and its transport, in seconds and base units, with bounded labels."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECORDS = (1, 2, 5, 10, 50, 100, 500, 1_000, 2_000, 5_000)
_BYTES = tuple(1 << power for power in range(8, 24, 2))


def at_zero(counter: Counter, *labels: str) -> None:
    """Shows what has not happened yet: the first time would be no increase otherwise."""
    for label in labels:
        counter.labels(label)


class LedgerMetrics:
    """One per process; partitions are a bounded label (their number never changes)."""

    def __init__(self) -> None:
        self.commit_seconds = Histogram(
            "giftmark_ledger_commit_seconds",
            "Append of one commit until acknowledged",
            buckets=_FAST,
        )
        self.commit_records = Histogram(
            "giftmark_ledger_commit_records", "Journal records of one commit", buckets=_RECORDS
        )
        self.commit_bytes = Histogram(
            "giftmark_ledger_commit_bytes", "Values of one commit's records", buckets=_BYTES
        )
        self.commits = Counter("giftmark_ledger_commits", "Commits acknowledged")
        self.commands = Counter("giftmark_ledger_commands", "Commands and requests decided")
        self.refused = Counter(
            "giftmark_ledger_commands_refused",
            "Commands of the topic that were ignored or refused",
            ["command", "code"],
        )
        self.replays_skipped = Counter(
            "giftmark_ledger_replays_skipped", "Commands below the watermark, read again"
        )
        self.repaired = Counter(
            "giftmark_ledger_repaired_entities", "Entities appended again after a stale record"
        )
        self.fenced = Counter("giftmark_ledger_fenced", "Owners refused by the broker")
        self.unknown = Counter("giftmark_ledger_outcome_unknown", "Appends without an answer")
        self.opened = Counter("giftmark_ledger_opened", "Partitions opened")
        self.owned = Gauge("giftmark_ledger_owned_partitions", "Partitions assigned here")
        self.open = Gauge("giftmark_ledger_open_partitions", "Partitions that serve")
        self.restore_left = Gauge(
            "giftmark_ledger_restore_records_left", "Journal records still to replay", ["partition"]
        )
        self.standby_lag = Gauge(
            "giftmark_ledger_standby_lag_records", "Journal records a standby lacks", ["partition"]
        )
        self.watermark_lag = Gauge(
            "giftmark_ledger_watermark_lag_records", "Commands not yet decided", ["partition"]
        )
        self.due_backlog_seconds = Gauge(
            "giftmark_ledger_due_backlog_seconds", "Age of the oldest due work", ["partition"]
        )


class FlowMetrics:
    """Agents: batches, records, dead letters, gaps."""

    def __init__(self) -> None:
        self.records = Counter("giftmark_agent_records", "Records handled", ["topic"])
        self.batch_seconds = Histogram(
            "giftmark_agent_batch_seconds", "Handling of one batch", ["topic"], buckets=_FAST
        )
        self.dead_letters = Counter(
            "giftmark_dead_letters", "Records written to a dead-letter topic", ["topic", "code"]
        )
        self.ignored = Counter(
            "giftmark_messages_ignored",
            "Company-wide messages that are not ours",
            ["topic", "reason"],
        )
        self.lag = Gauge(
            "giftmark_agent_lag_records", "Records not yet handled", ["topic", "partition"]
        )
        self.gaps = Counter("giftmark_transport_gaps_reread", "Batches lost and read again")
        self.lost = Counter(
            "giftmark_records_lost", "Records that retention took before we read them", ["topic"]
        )
        self.published = Counter("giftmark_published_records", "Records published", ["topic"])
        self.publish_lag = Gauge(
            "giftmark_publishing_lag_records", "Journal records not yet published", ["partition"]
        )
        self.publish_age = Gauge(
            "giftmark_publishing_age_seconds",
            "Age of the oldest journal record not yet published",
            ["partition"],
        )
        self.publishing_stopped = Gauge(
            "giftmark_publishing_stopped",
            "1: compaction ate unpublished records, or one needs newer code",
            ["partition"],
        )
        self.alerts = Counter("giftmark_alerts", "What an operator has to see", ["name"])
        self.contradictions = Counter(
            "giftmark_settlement_contradictions", "Payments that say settled and not settled"
        )


class MartMetrics:
    """The last night of the mart, the same in every services worker."""

    def __init__(self) -> None:
        self.night_timestamp = Gauge(
            "giftmark_mart_night_timestamp_seconds", "When the last night's work ended"
        )
        self.night_seconds = Gauge("giftmark_mart_night_seconds", "How long that work took")
        self.differences = Gauge(
            "giftmark_mart_reconciliation_differences",
            "Certificates that journal and mart disagree on",
        )
        self.behind = Gauge(
            "giftmark_mart_reconciliation_behind", "Certificates that the mart had not yet copied"
        )


LEDGER = LedgerMetrics()
FLOW = FlowMetrics()
MART = MartMetrics()
