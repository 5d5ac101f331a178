"""Everything that can go wrong at the border with Chestny ZNAK, told apart by what is known.

UpstreamError
├── NotSent              the request was not processed: the call goes back to PLANNED
│   ├── Unreachable          connect, DNS, TLS, pool time-out
│   ├── SendWindowPassed     the worker came too late to write the headers
│   ├── BreakerOpen          the upstream failed often, nothing is sent for a while
│   ├── TurnFarAway          the limiter gives a turn too far in the future to wait for
│   ├── Unauthorized         401 in JSON or XML, SUZ 400/1140
│   └── RateLimited          429
├── Refused              the upstream looked at the request and said no
│   ├── InvalidRequest       400, 422, with texts by field
│   ├── NotFound             404, 410
│   ├── SignatureRefused     SUZ 413, a 400 or 422 that names the signature
│   ├── ChallengeGone        sign-in with an unknown, used or late challenge
│   ├── Forbidden            402, 403
│   └── Unexpected           406, 414 and every other 4xx: our mistake or a new rule of theirs
└── OutcomeUnknown       it may have been processed: reconcile, never repeat blindly
    ├── AnswerLate           the deadline or a read or write time-out passed
    ├── ConnectionBroken     reset, protocol violation, closed in the middle
    ├── ServerFailed         5xx, 408, a redirect
    ├── Contradicted         409, 425: a former request may have been taken
    └── AnswerUnreadable     2xx that is not what was promised
"""

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct


class Upstream(StrEnum):
    NK = "nk"
    TRUE_API = "true_api"
    SUZ = "suz"


class RetryClass(StrEnum):
    """`safe` repeats freely, `reconcile` asks first, `never` is not repeated by the program."""

    SAFE = "safe"
    RECONCILE = "reconcile"
    NEVER = "never"


class Outcome(StrEnum):
    OK = "ok"
    NOT_SENT = "not_sent"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    BUG = "bug"
    LIMITED = "limited"
    OPEN = "open"


class FieldProblem(Struct, frozen=True):
    field: str
    text: str
    code: int | None = None


class Failure(Struct, frozen=True):
    """What is known about a failed call; every text in it is already redacted."""

    upstream: Upstream
    operation: str
    retry_class: RetryClass
    text: str
    http_status: int | None = None
    request_id: str | None = None
    remote_date_ms: int | None = None
    retry_after_s: float | None = None
    fields: tuple[FieldProblem, ...] = ()
    codes: tuple[int, ...] = ()


class UpstreamError(Exception):
    """A call failed; `failure` says everything that may be shown."""

    outcome_of_class: ClassVar[Outcome]
    counts_for_breaker: ClassVar[bool] = False

    def __init__(self, failure: Failure) -> None:
        status = f" {failure.http_status}" if failure.http_status else ""
        super().__init__(f"{failure.upstream} {failure.operation}{status}: {failure.text}")
        self.failure = failure

    @property
    def outcome(self) -> Outcome:
        return self.outcome_of_class

    @property
    def retry_after_s(self) -> float | None:
        return self.failure.retry_after_s


class NotSent(UpstreamError):
    outcome_of_class = Outcome.NOT_SENT


class Unreachable(NotSent):
    counts_for_breaker = True


class SendWindowPassed(NotSent):
    pass


class BreakerOpen(NotSent):
    outcome_of_class = Outcome.OPEN


class TurnFarAway(NotSent):
    outcome_of_class = Outcome.LIMITED


class Unauthorized(NotSent):
    outcome_of_class = Outcome.UNAUTHORIZED


class RateLimited(NotSent):
    outcome_of_class = Outcome.LIMITED


class Refused(UpstreamError):
    outcome_of_class = Outcome.REFUSED


class InvalidRequest(Refused):
    pass


class NotFound(Refused):
    pass


class SignatureRefused(Refused):
    pass


class ChallengeGone(Refused):
    pass


class Forbidden(Refused):
    outcome_of_class = Outcome.FORBIDDEN


class Unexpected(Refused):
    outcome_of_class = Outcome.BUG


class OutcomeUnknown(UpstreamError):
    outcome_of_class = Outcome.UNKNOWN

    @property
    def outcome(self) -> Outcome:
        safe = self.failure.retry_class is RetryClass.SAFE
        return Outcome.UNAVAILABLE if safe else self.outcome_of_class


class AnswerLate(OutcomeUnknown):
    counts_for_breaker = True


class ConnectionBroken(OutcomeUnknown):
    counts_for_breaker = True


class ServerFailed(OutcomeUnknown):
    counts_for_breaker = True


class Contradicted(OutcomeUnknown):
    pass


class AnswerUnreadable(OutcomeUnknown):
    counts_for_breaker = True
