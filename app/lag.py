"""How far behind a worker is with the partitions that it has now."""

from collections.abc import Callable, Mapping, Sequence

from faust.types import TP
from prometheus_client import Gauge

from app.contracts.topics import COMMANDS, JOURNAL
from app.metrics import FLOW, LEDGER
from app.transport import BatchConsumer


class Lag:
    """`series`: of `gauges`, the one of a partition, if it has any."""

    def __init__(self, gauges: Sequence[Gauge], series: Callable[[TP], Gauge | None]) -> None:
        self._gauges = gauges
        self._series = series
        self._gaps_told = 0

    def tell(self, consumer: BatchConsumer) -> dict[TP, int]:
        """Of a partition that stands still since it was assigned too; of none handed away."""
        FLOW.gaps.inc(consumer.gaps - self._gaps_told)
        self._gaps_told = consumer.gaps
        for gauge in self._gauges:
            gauge.clear()
        behind: dict[TP, int] = {}
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            if end is None or (shown := self._series(tp)) is None:
                continue
            done = consumer.finished.get(tp)
            position = consumer.committed_at.get(tp, 0) if done is None else done.offset
            behind[tp] = max(0, end - position)
            shown.set(behind[tp])
        return behind


class PublishingAge:
    """Since when the oldest unpublished record of each journal partition lies there.

    The broker's time of that record, once publishing has come to it; until then, when we saw
    it wait.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._since: dict[int, int] = {}

    def reached(self, partition: int, time_ms: int) -> None:
        """Whatever waits is not older than this."""
        self._since[partition] = time_ms

    def tell(self, behind: Mapping[TP, int]) -> None:
        now = self._now_ms()
        waiting = [tp.partition for tp, count in behind.items() if tp.topic == JOURNAL and count]
        self._since = {partition: self._since.get(partition, now) for partition in waiting}
        FLOW.publish_age.clear()
        for partition, since in self._since.items():
            FLOW.publish_age.labels(str(partition)).set(max(0, now - since) / 1_000)


def ledger_lag() -> Lag:
    series = {COMMANDS: LEDGER.watermark_lag, JOURNAL: FLOW.publish_lag}

    def of(tp: TP) -> Gauge | None:
        gauge = series.get(tp.topic)
        return gauge and gauge.labels(str(tp.partition))

    return Lag(tuple(series.values()), of)
