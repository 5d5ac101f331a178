"""The law of one message: never a third send, nothing forgotten, an end within its time."""

import random

import msgspec
import pytest

from app.certificates.notify.course import (
    ENDS,
    OUTCOME_UNKNOWN,
    TIME_OVER,
    Course,
    Pace,
    State,
    after_ask,
    after_send,
    begun,
)
from app.integrations.sms import Accepted, NoAnswer, NotKnown, NotTaken, Refused, Sent, Told

T = 1_000_000_000
PACE = Pace()
MINUTE = 60_000


def asked(state: State = State.ASKED, **fields: object) -> Course:
    return msgspec.structs.replace(Course(T, T, state), **fields)


def unknown(*, sends: int = 1, last_send: int = T) -> Course:
    return asked(State.UNKNOWN, sends=sends, last_send=last_send, tries=1)


SENDS: list[tuple[Sent, State, int]] = [
    (Accepted("g-1"), State.SENT, 1),
    (Refused("Http422"), State.FAILED, 1),
    (NotTaken("Http429"), State.RETRY, 0),
    (NoAnswer("ReadTimeout"), State.UNKNOWN, 1),
]


@pytest.mark.parametrize(("sent", "state", "sends"), SENDS)
def test_what_the_gateway_says_to_a_first_send_decides(
    sent: Sent, state: State, sends: int
) -> None:
    course = after_send(begun(asked(), T, PACE), sent, T, pace=PACE)
    assert (course.state, course.sends) == (state, sends)
    assert (course.next_at is None) == (state in ENDS)


ASKS: list[tuple[Told, int, State]] = [
    (Accepted("g-1"), T, State.SENT),
    (Refused("RefusedLater"), T, State.FAILED),
    (NotKnown(), T + 9 * MINUTE, State.UNKNOWN),
    (NoAnswer("ReadTimeout"), T + 9 * MINUTE, State.UNKNOWN),
    (NotKnown(), T + 10 * MINUTE, State.SENDING),
    (NoAnswer("ReadTimeout"), T + 10 * MINUTE, State.SENDING),
]


@pytest.mark.parametrize(("told", "now", "state"), ASKS)
def test_what_the_gateway_says_to_a_question_decides(told: Told, now: int, state: State) -> None:
    assert after_ask(unknown(), told, now, pace=PACE).state is state


def test_who_died_while_sending_is_asked_about_and_not_sent_again() -> None:
    sending = begun(asked(), T, PACE)
    assert sending.next_at == T + PACE.claim_ms
    taken_over = begun(sending, T + PACE.claim_ms, PACE)
    assert (taken_over.state, taken_over.sends) == (State.UNKNOWN, 1)


def test_after_two_sends_it_is_only_asked_about_until_its_time_is_over() -> None:
    course = unknown(sends=2, last_send=T + 10 * MINUTE)
    later = after_ask(course, NotKnown(), T + 60 * MINUTE, pace=PACE)
    assert later.state is State.UNKNOWN
    over = after_ask(course, NotKnown(), T + PACE.give_up_ms, pace=PACE)
    assert (over.state, over.error) == (State.FAILED, OUTCOME_UNKNOWN)


def test_a_second_send_that_was_not_taken_leaves_the_first_in_doubt() -> None:
    second = after_ask(unknown(), NotKnown(), T + 10 * MINUTE, pace=PACE)
    course = after_send(second, NotTaken("ConnectError"), T + 10 * MINUTE, pace=PACE)
    assert (course.state, course.sends) == (State.UNKNOWN, 1)
    assert begun(course, T + 11 * MINUTE, PACE).state is State.UNKNOWN


def test_pauses_double_up_to_ten_minutes_and_grow_when_the_gateway_asks_for_it() -> None:
    course, waits = asked(), []
    for _ in range(10):
        course = after_send(begun(course, T, PACE), NotTaken("Http503"), T, pace=PACE)
        assert course.next_at is not None
        waits.append((course.next_at - T) // 1_000)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    asked_to_wait = after_send(begun(asked(), T, PACE), NotTaken("Http429", 60), T, pace=PACE)
    assert asked_to_wait.next_at == T + MINUTE


def test_what_nobody_took_for_a_day_has_failed() -> None:
    retry = after_send(begun(asked(), T, PACE), NotTaken("Http503"), T, pace=PACE)
    assert begun(retry, T + PACE.give_up_ms, PACE).state is State.FAILED
    assert begun(asked(), T + PACE.give_up_ms, PACE).error == TIME_OVER


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_nobody_gets_a_third_message_and_there_is_an_end(seed: int) -> None:
    """Any answers, crashes at any step, late questions: `reached` counts what may have arrived."""
    rng = random.Random(seed)
    course, now, reached = asked(), T, 0
    answers: list[Sent] = [Accepted(), Refused("x"), NotTaken("x"), NoAnswer("x"), NoAnswer("y")]
    said: list[Told] = [Accepted(), NotKnown(), NoAnswer("x"), NotKnown()]
    for _ in range(2_000):
        if course.next_at is None:
            break
        now = max(now, course.next_at) + rng.choice([0, 0, 1, 30_000, 20 * MINUTE])
        course = begun(course, now, PACE)
        if course.state is State.UNKNOWN and rng.random() < 0.8:
            course = after_ask(course, rng.choice(said), now, pace=PACE)
        if course.state is State.SENDING:
            sent = rng.choice(answers)
            reached += not isinstance(sent, NotTaken | Refused)
            if rng.random() < 0.7:
                course = after_send(course, sent, now, pace=PACE)
        assert reached <= 2
    assert course.state in ENDS
