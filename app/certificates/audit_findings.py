"""What an audit finds: differences, counts and the totals of each currency."""

from collections import Counter

import msgspec

KEPT_DIFFERENCES = 1_000


class Difference(msgspec.Struct, frozen=True):
    kind: str
    entity: str
    detail: str


class Totals(msgspec.Struct):
    """Sums of one currency, in minor units: by events, by shown states, by the journal."""

    certificates: int = 0
    by_events: int = 0
    by_states: int = 0
    by_journal: int = 0


class AuditResult(msgspec.Struct, frozen=True):
    """`kinds`: differences by kind, all of them; `differences`: the first thousand."""

    certificates: int
    events: int
    states: int
    repetitions: int
    totals: dict[str, Totals]
    kinds: dict[str, int]
    differences: tuple[Difference, ...]

    @property
    def difference_count(self) -> int:
        return sum(self.kinds.values())


class Findings:
    """Collects while the partitions are read."""

    def __init__(self) -> None:
        self.certificates = 0
        self.events = 0
        self.states = 0
        self.repetitions = 0
        self._totals: dict[str, Totals] = {}
        self._kinds: Counter[str] = Counter()
        self._differences: list[Difference] = []

    def add(self, kind: str, entity: str, detail: str) -> None:
        self._kinds[kind] += 1
        if len(self._differences) < KEPT_DIFFERENCES:
            self._differences.append(Difference(kind, entity, detail))

    def totals(self, currency: str) -> Totals:
        return self._totals.setdefault(currency, Totals())

    def result(self) -> AuditResult:
        for currency, sums in self._totals.items():
            if not sums.by_events == sums.by_states == sums.by_journal:
                detail = f"events {sums.by_events}, states {sums.by_states}"
                self.add("total", currency, f"{detail}, journal {sums.by_journal}")
        return AuditResult(
            self.certificates,
            self.events,
            self.states,
            self.repetitions,
            self._totals,
            dict(self._kinds),
            tuple(self._differences),
        )
