"""Counters and gauges of the marking flow; no label names an order, a GTIN or a code."""

import time

from prometheus_client import Counter, Gauge, Histogram

from app.contracts.topics import MARKING_NOTIFICATIONS, MARKING_STATUSES, SUZ_ORDERS
from app.domain.marking.order import OrderStatus
from app.domain.marking.view import Operation
from app.marking.messages_ru import ESCALATION_TEXTS

CREATED = Counter("marking_orders_created", "Orders made", ["profile", "channel"])
TRANSITIONS = Counter("marking_transitions", "Moves of orders", ["from", "to"])
STAGE_SECONDS = Histogram(
    "marking_stage_seconds",
    "How long an order stood in a status it has left",
    ["stage"],
    buckets=(1, 5, 15, 30, 60, 300, 900, 3_600, 14_400, 86_400),
)
REFUSALS = Counter("marking_refusals", "Refused steps", ["step", "error"])
RECONCILIATIONS = Counter("marking_reconciliations", "Lookups", ["operation", "result"])
DOUBLES = Counter("marking_doubles", "One request found twice outside", ["operation"])
STALE_WRITES = Counter("marking_stale_writes", "Writes refused for a lost lease")
CODES_STORED = Counter("marking_codes_stored", "Codes stored")
CODES_RECOVERED = Counter("marking_codes_recovered", "Codes got by retry of a block")
CODES_DUPLICATE = Counter("marking_codes_duplicate", "Codes handed out in two blocks")
CODES_MALFORMED = Counter("marking_codes_malformed", "Codes against the pattern")
REFUSED_EARLY = Counter("marking_token_refused_early", "Tokens dead before their time", ["kind"])
SIGN_WAIT = Histogram("marking_sign_wait_seconds", "From request to signature", ["purpose"])
SWEEPS = Counter("marking_sweeps", "Orders put back on the queue by the sweeper")
ESCALATIONS = Counter("marking_escalations", "Orders without an answer for long", ["stage"])
CHECKS = Counter("marking_checks", "Mark checks", ["result"])
SLOTS_USED = Gauge("marking_runner_slots_used", "Orders and polls under way")
SLOTS_REFUSED = Counter("marking_slots_refused", "Messages left to the sweeper")
POLL_LAG = Gauge("marking_poll_lag_seconds", "Lateness of the latest poll", ["kind"])
DLQ = Counter("marking_dlq", "Dead letters", ["topic"])
ORDERS = Gauge("marking_orders", "Orders", ["status", "profile"])
HOLDS = Gauge("marking_holds", "Orders on hold", ["hold"])
CALLS_OPEN = Gauge("marking_calls_open", "Open intents", ["state"])
DOCUMENTS = Gauge("marking_documents", "Documents on their way", ["status", "purpose"])
SIGN_REQUESTS = Gauge("marking_sign_requests", "Requests that wait for a signature", ["purpose"])
TOKEN_LEFT = Gauge("marking_token_left_seconds", "Shortest life left of a live token", ["kind"])
CODES_EXPIRING = Gauge("marking_codes_expiring", "Codes to burn within so many days", ["days"])
OUTBOX_AGE = Gauge("marking_outbox_age_seconds", "Age of the oldest unpublished fact")
CODES_MISSING = Gauge("marking_codes_missing", "Codes handed out that no block returns")
RENEWALS_STOPPED = Gauge("marking_renewals_stopped", "Tokens that only a person's sign-in renews")
FOREIGN_ORDERS = Gauge("marking_foreign_orders", "Orders of SUZ without a record here, undecided")
CLOCK_SKEW = Gauge("marking_clock_skew_seconds", "Largest skew to a remote clock", ["upstream"])


class Since:
    """A gauge that grows with time until it is marked again."""

    def __init__(self, gauge: Gauge) -> None:
        self.gauge = gauge
        self._at = time.monotonic()
        gauge.set_function(lambda: time.monotonic() - self._at)

    def mark(self) -> None:
        self._at = time.monotonic()


TICK = Since(Gauge("marking_tick_age_seconds", "Since the polling timer last ran in this worker"))


def _tell_from_zero() -> None:
    """An increase is seen only from a former value: what is alerted on is told beforehand."""
    for operation in Operation:
        DOUBLES.labels(operation)
    for stage in ESCALATION_TEXTS:
        ESCALATIONS.labels(stage)
    for topic in (SUZ_ORDERS, MARKING_STATUSES, MARKING_NOTIFICATIONS):
        DLQ.labels(topic)
    for status in OrderStatus:
        REFUSALS.labels(status, "bug")


_tell_from_zero()
