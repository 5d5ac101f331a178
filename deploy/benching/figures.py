"""Figures of the rows: medians over rounds, their spread, and the ratios that are judged."""

import statistics
from collections.abc import Callable, Sequence

import msgspec

NOISY = 0.10


class Pace(msgspec.Struct, frozen=True):
    """One round of a row: what was done between two instants of one process."""

    done: float
    wall_s: float
    cpu_s: float
    peak_kb: int = 0

    @property
    def per_s(self) -> float:
        return self.done / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def per_cpu_s(self) -> float:
        return self.done / self.cpu_s if self.cpu_s > 0 else 0.0


class Row(msgspec.Struct):
    """`load`: the machine's load average beside each round; `failed`: why there is no figure."""

    name: str
    unit: str
    rounds: list[Pace] = []
    load: list[float] = []
    failed: str = ""
    note: str = ""

    def per_s(self) -> float:
        return self._median(lambda pace: pace.per_s)

    def per_cpu_s(self) -> float:
        return self._median(lambda pace: pace.per_cpu_s)

    def spread(self) -> float:
        """(highest - lowest) / median of the rate per CPU second."""
        rates = [pace.per_cpu_s for pace in self.rounds]
        middle = self.per_cpu_s()
        return (max(rates) - min(rates)) / middle if middle else 0.0

    def noisy(self) -> bool:
        return len(self.rounds) > 1 and self.spread() > NOISY

    def peak_mb(self) -> float:
        return max((pace.peak_kb for pace in self.rounds), default=0) / 1024

    def _median(self, of: Callable[[Pace], float]) -> float:
        return statistics.median(of(pace) for pace in self.rounds) if self.rounds else 0.0


class Latency(msgspec.Struct):
    """Requests at one rate (0: as fast as they are answered) or a lag; milliseconds."""

    name: str
    rate: int
    connections: int
    done: int
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failures: int = 0
    server_cpu_s: float = 0.0
    load: float = 0.0


class Bar(msgspec.Struct, frozen=True):
    """What must hold; `value` None: a row it needs has no figure."""

    name: str
    value: float | None
    bound: float
    stretch: float
    at_least: bool = True

    @property
    def holds(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


class Report(msgspec.Struct):
    """Everything one invocation found; the JSON file is exactly this."""

    began: str
    seconds: float
    quick: bool
    seed: int
    machine: dict[str, str]
    rows: list[Row] = []
    latencies: list[Latency] = []
    single: dict[str, float] = {}
    bars: list[Bar] = []
    unequal: list[str] = []
    skipped: dict[str, str] = {}


def ratio(one: float, other: float) -> float | None:
    return one / other if one and other else None


def latency(name: str, taken_s: Sequence[float], *, rate: int, connections: int) -> Latency:
    """Percentiles of what was taken; `per_s` is for the caller to fill."""
    ordered = sorted(taken_s)
    if not ordered:
        return Latency(name, rate, connections, 0, 0.0, 0.0, 0.0, 0.0)
    return Latency(
        name,
        rate,
        connections,
        len(ordered),
        0.0,
        _at(ordered, 0.50),
        _at(ordered, 0.99),
        ordered[-1] * 1_000,
    )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000
