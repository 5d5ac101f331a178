"""The ratios that are judged, and what is unequal between us and the peers."""

import statistics

from deploy.benching.figures import Bar, Latency, Report, Row, ratio

UNEQUAL = tuple(
    " ".join(line.split())
    for line in """
Ours decides with the full certificate law (holds, stored answers, events, follow-ups, due index,
dead letters); the peers add one amount to one balance and skip malformed commands.

All read the same msgpack records of one topic. Ours and Kafka Streams read all of it, the night
before the day warms them; the others begin with the day, and Faust does the first part of it only.

Ours acknowledges each commit (some ms) before it moves on; peers flush once a second. Neither
waits for the disk: one broker, one replica, page cache. Our RocksDB keeps its log.

Kafka Streams collects changes of a key in its cache before it writes the changelog; ours does so
within a commit only.

CPU seconds are those of the process under test, all its threads; the broker's are nobody's.

Publishing and intake are not part of the step on either side; they are measured apart.

Authorize: our worker publishes, reads its journal and serves at the same time; the peer has no
events, no signed-in clients and no law. PostgreSQL with fsync off promises what our broker
promises (survives a killed process, not a power cut) and is judged; on is shown.

Load generator, broker or database and server share this machine's cores.
""".strip().split("\n\n")
)


def bars(report: Report) -> list[Bar]:
    rows = {row.name: row for row in report.rows}
    ours, single = rows.get("ours, full law"), report.single
    return [
        Bar("ledger step, a CPU second: × stock Faust", _per_cpu(ours, rows, "stock Faust table"),
            15, 25),
        Bar("ledger step, wall: × stock Faust", _wall(ours, rows, "stock Faust table"), 15, 25),
        Bar("ledger step, a CPU second: × Kafka Streams", _per_cpu(ours, rows, "Kafka Streams"),
            1, 1.5),
        Bar("authorize at 16 connections: × FastAPI + PostgreSQL", _authorize(report), 5, 8),
        Bar("authorize at 1 000/s: p99, ms", _p99(report), 15, 8, at_least=False),
        Bar("restore: s per million journal records", single.get("restore_s_per_million"), 15, 6,
            at_least=False),
        Bar("growth exponent", single.get("growth_exponent"), 0.12, 0.06, at_least=False),
        Bar("authorize p99 beside a topic load: ×", single.get("mixed_inflation"), 3, 1.5,
            at_least=False),
    ]  # fmt: skip


def _per_cpu(ours: Row | None, rows: dict[str, Row], peer: str) -> float | None:
    other = rows.get(peer)
    return None if ours is None or other is None else ratio(ours.per_cpu_s(), other.per_cpu_s())


def _wall(ours: Row | None, rows: dict[str, Row], peer: str) -> float | None:
    other = rows.get(peer)
    return None if ours is None or other is None else ratio(ours.per_s(), other.per_s())


def _authorize(report: Report) -> float | None:
    ours = _closed(report.latencies, "authorize, ours, 1 worker")
    peer = _closed(report.latencies, "authorize, FastAPI + PostgreSQL, fsync off")
    return ratio(ours, peer)


def _closed(latencies: list[Latency], name: str) -> float:
    found = [one.per_s for one in latencies if one.name == name and one.connections == 16]
    return statistics.median(found) if found else 0.0


def _p99(report: Report) -> float | None:
    found = [
        one.p99_ms
        for one in report.latencies
        if one.rate == 1_000 and one.name == "authorize, ours, 1 worker"
    ]
    return statistics.median(found) if found else None
