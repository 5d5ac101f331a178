"""How far behind a worker is with the partitions that it has now."""

from collections.abc import Callable, Sequence

from faust.types import TP
from prometheus_client import Gauge

from app.metrics import FLOW
from app.transport import BatchConsumer


class Lag:
    """`series`: of `gauges`, the one of a partition, if it has any."""

    def __init__(self, gauges: Sequence[Gauge], series: Callable[[TP], Gauge | None]) -> None:
        self._gauges = gauges
        self._series = series
        self._gaps_told = 0

    def tell(self, consumer: BatchConsumer) -> None:
        """Of a partition that stands still since it was assigned too; of none handed away."""
        FLOW.gaps.inc(consumer.gaps - self._gaps_told)
        self._gaps_told = consumer.gaps
        for gauge in self._gauges:
            gauge.clear()
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            if end is None or (shown := self._series(tp)) is None:
                continue
            done = consumer.finished.get(tp)
            position = consumer.committed_at.get(tp, 0) if done is None else done.offset
            shown.set(max(0, end - position))
