"""What the clients tell about their calls: never a token, a code, a GTIN or an ИНН."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.integrations.breaker import BreakerState
from app.integrations.errors import Outcome, Upstream


class Observer(Protocol):
    def called(
        self, upstream: Upstream, operation: str, *, outcome: Outcome, seconds: float
    ) -> None: ...

    def waited(self, upstream: Upstream, seconds: float) -> None: ...

    def unknown_word(self, upstream: Upstream, word_list: str) -> None: ...

    def breaker(self, upstream: Upstream, state: BreakerState) -> None: ...


class PrometheusObserver:
    """The metrics of calls; make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "marking_calls",
            "Calls to Chestny ZNAK",
            ["upstream", "operation", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "marking_call_seconds",
            "Time of a call",
            ["upstream", "operation"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180),
            registry=registry,
        )
        self._waits = Histogram(
            "marking_limiter_wait_seconds", "Wait for a turn", ["upstream"], registry=registry
        )
        self._unknown = Counter(
            "marking_unknown_values",
            "Remote words that are not in our lists",
            ["upstream"],
            registry=registry,
        )
        self._breaker = Gauge(
            "marking_breaker_state", "0 closed, 1 probing, 2 open", ["upstream"], registry=registry
        )

    def called(
        self, upstream: Upstream, operation: str, *, outcome: Outcome, seconds: float
    ) -> None:
        self._calls.labels(upstream, operation, outcome).inc()
        self._seconds.labels(upstream, operation).observe(seconds)

    def waited(self, upstream: Upstream, seconds: float) -> None:
        self._waits.labels(upstream).observe(seconds)

    def unknown_word(self, upstream: Upstream, word_list: str) -> None:
        del word_list
        self._unknown.labels(upstream).inc()

    def breaker(self, upstream: Upstream, state: BreakerState) -> None:
        self._breaker.labels(upstream).set(state)


class Silent:
    """Tells nobody: for tools and tests."""

    def called(
        self, upstream: Upstream, operation: str, *, outcome: Outcome, seconds: float
    ) -> None:
        pass

    def waited(self, upstream: Upstream, seconds: float) -> None:
        pass

    def unknown_word(self, upstream: Upstream, word_list: str) -> None:
        pass

    def breaker(self, upstream: Upstream, state: BreakerState) -> None:
        pass
