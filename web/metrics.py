"""Counters of the HTTP edge; the labels of a route are bound once, not per request."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 3)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "giftmark_http_requests",
            "Answered requests",
            ["operation", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "giftmark_http_request_seconds",
            "From headers to answer",
            ["operation"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.refusals = Counter(
            "giftmark_http_refusals",
            "Refusals by true code",
            ["operation", "code"],
            registry=registry,
        )
        self.misses = Counter(
            "giftmark_code_misses", "Unknown or malformed codes", registry=registry
        )
        self.forwards = Counter(
            "giftmark_http_forwards",
            "Requests passed to another owner",
            ["outcome"],
            registry=registry,
        )


class RouteMetrics:
    """What one route counts."""

    def __init__(self, metrics: Metrics, operation: str) -> None:
        self._metrics, self._operation = metrics, operation
        self._seconds = metrics.seconds.labels(operation)
        self._statuses: dict[int, Counter] = {}

    def answered(self, status: int, seconds: float) -> None:
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._metrics.requests.labels(self._operation, str(status))
            self._statuses[status] = counter
        counter.inc()
        self._seconds.observe(seconds)

    def refused(self, code: str) -> None:
        self._metrics.refusals.labels(self._operation, code).inc()

    def missed(self) -> None:
        self._metrics.misses.inc()
