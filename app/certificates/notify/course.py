"""The law of one message: when it is sent, when its gateway is asked, when it is over.

Never more than two sends: a second message is better than a gift without code, a third is not.
A send counts when it is about to go out; it counts no more once the gateway certainly did not
take it.
"""

import enum

import msgspec

from app.integrations.sms import Accepted, NoAnswer, NotKnown, NotTaken, Refused, Sent, Told

SENDS_MOST = 2
DOUBLINGS_MOST = 20
TIME_OVER = "TimeOver"
OUTCOME_UNKNOWN = "OutcomeUnknown"


class State(enum.StrEnum):
    ASKED = "ASKED"
    SENDING = "SENDING"
    RETRY = "RETRY"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    FAILED = "FAILED"


ENDS = frozenset({State.SENT, State.FAILED})


class Pace(msgspec.Struct, frozen=True):
    """Milliseconds; `claim_ms`: after that a worker that says nothing counts as dead."""

    first_ms: int = 5_000
    most_ms: int = 600_000
    resend_ms: int = 600_000
    give_up_ms: int = 86_400_000
    claim_ms: int = 30_000

    def wait_ms(self, tries: int) -> int:
        """After that many tries: doubled each time."""
        doublings = min(max(tries - 1, 0), DOUBLINGS_MOST)
        return min(self.first_ms << doublings, self.most_ms)


class Course(msgspec.Struct, frozen=True):
    """How far a message is; times are ms of the database's clock, `next_at` None at the end.

    `since`: when we first knew of it. `sends` that may have reached somebody, `last_send` the
    time of the newest; `tries` counts sends and questions.
    """

    since: int
    next_at: int | None
    state: State = State.ASKED
    tries: int = 0
    sends: int = 0
    last_send: int | None = None
    gateway_id: str | None = None
    error: str | None = None


_replace = msgspec.structs.replace


def begun(course: Course, now: int, pace: Pace) -> Course:
    """How a message that is due is stored before anything is done: SENDING means send it,
    UNKNOWN ask about it.
    """
    match course.state:
        case State.SENDING | State.UNKNOWN:
            # Who was sending is dead or late: the gateway may have the message.
            return _replace(course, state=State.UNKNOWN, next_at=now + pace.claim_ms)
        case State.ASKED | State.RETRY:
            if now - course.since >= pace.give_up_ms:
                return failed(course, course.error or TIME_OVER)
            return sending(course, now, pace)
        case State.SENT | State.FAILED:
            raise AssertionError("what is over is never due")


def sending(course: Course, now: int, pace: Pace) -> Course:
    """Stored before the message goes out, so that a crash cannot make it forgotten."""
    assert course.sends < SENDS_MOST
    return _replace(
        course,
        state=State.SENDING,
        tries=course.tries + 1,
        sends=course.sends + 1,
        last_send=now,
        next_at=now + pace.claim_ms,
    )


def after_send(course: Course, sent: Sent, now: int, *, pace: Pace) -> Course:
    assert course.state is State.SENDING
    match sent:
        case Accepted(gateway_id=gateway_id):
            return _done(course, gateway_id)
        case Refused(cause=cause):
            return failed(course, cause)
        case NotTaken(cause=cause, after_s=after_s):
            return _not_taken(course, cause, now, wait_ms=_wait_ms(course, after_s, pace))
        case NoAnswer(cause=cause):
            soon = now + pace.wait_ms(1)
            return _replace(course, state=State.UNKNOWN, error=cause, next_at=soon)


def after_ask(course: Course, told: Told, now: int, *, pace: Pace) -> Course:
    """SENDING: send it once more now."""
    assert course.state is State.UNKNOWN
    match told:
        case Accepted(gateway_id=gateway_id):
            return _done(course, gateway_id)
        case Refused(cause=cause):
            return failed(course, cause)
        case NotKnown() | NoAnswer():
            return _untold(course, now, pace)


def failed(course: Course, cause: str) -> Course:
    return _replace(course, state=State.FAILED, error=cause, next_at=None)


def _untold(course: Course, now: int, pace: Pace) -> Course:
    """The gateway cannot tell: it may still have the message, so the second send waits."""
    if now - course.since >= pace.give_up_ms:
        return failed(course, OUTCOME_UNKNOWN)
    assert course.last_send is not None
    resend_at = course.last_send + pace.resend_ms
    if course.sends < SENDS_MOST and now >= resend_at:
        return sending(course, now, pace)
    tries = course.tries + 1
    next_at = now + pace.wait_ms(tries)
    if course.sends < SENDS_MOST:
        next_at = min(next_at, resend_at)
    return _replace(course, tries=tries, next_at=next_at)


def _not_taken(course: Course, cause: str, now: int, *, wait_ms: int) -> Course:
    """An earlier send may have reached somebody: then the gateway is asked before the next."""
    sends = course.sends - 1
    state = State.UNKNOWN if sends else State.RETRY
    return _replace(course, state=state, sends=sends, error=cause, next_at=now + wait_ms)


def _wait_ms(course: Course, after_s: float | None, pace: Pace) -> int:
    asked_ms = min(int((after_s or 0) * 1_000), pace.most_ms)
    return max(pace.wait_ms(course.tries), asked_ms)


def _done(course: Course, gateway_id: str | None) -> Course:
    return _replace(course, state=State.SENT, gateway_id=gateway_id, error=None, next_at=None)
