"""The checker of histories, held against one that tries every order."""

import math
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from deploy.proving.clerk import ABSENT, BY_TOPIC, RULES, Card, apply
from deploy.proving.history import Operation
from deploy.proving.linearizability import Undecided, explained

NOMINAL = 10
HISTORIES = 2_500
LATE = 1_000.0


def tried(calls: list[Operation], card: Card = ABSENT) -> bool:
    """Whether some order explains the answers: each next call began before any other ended."""
    if not any(call.is_answered for call in calls):
        return True
    first_end = min(call.ended for call in calls)
    for number, call in enumerate(calls):
        rest = calls[:number] + calls[number + 1 :]
        after = apply(card, call)
        if call.began <= first_end and after is not None and tried(rest, after):
            return True
    return False


def asked(kind: str, dice: random.Random) -> dict[str, Any]:
    """Amounts so large and holds so few that calls get into each other's way."""
    wanted: dict[str, Any] = {
        "nominal": NOMINAL,
        "reference": dice.choice("abc"),
        "partial": dice.random() < 0.3,
        "final": dice.random() < 0.5,
        "hold": dice.randint(1, 2),
        "refund": 1,
        "outcome": dice.choice(("Settled", "Failed")),
        "amount": dice.randint(1, 7),
    }
    if kind == "capture" and dice.random() < 0.5:
        del wanted["amount"]
    return wanted


def history(dice: random.Random) -> list[Operation]:
    """A history that an order of its calls explains: they had their effect one by one."""
    mutating = [kind for kind in RULES if kind not in BY_TOPIC]
    kinds = [*BY_TOPIC, *dice.choices(["authorize", "lookup", *mutating], k=dice.randint(2, 4))]
    if dice.random() < 0.5:
        kinds[1:3] = kinds[2:0:-1]
    card, calls = ABSENT, []
    for at, kind in enumerate(kinds):
        call = Operation(kind, 0, asked(kind, dice), at - dice.uniform(0, 3))
        after, status, told = RULES[kind](card, call.asked)
        is_heard = kind not in BY_TOPIC and dice.random() < 0.8
        if is_heard:
            call.status, call.answer, call.ended = status, told, at + dice.uniform(0, 3)
        if is_heard or dice.random() < 0.7:
            card = after
        calls.append(call)
    dice.shuffle(calls)
    return calls


def corrupted(calls: list[Operation], dice: random.Random) -> list[Operation]:
    """One answer changed, forgotten, or moved to another time."""
    calls = [msgspec.structs.replace(call) for call in calls]
    heard = [call for call in calls if call.is_answered]
    if not heard:
        return calls
    call = dice.choice(heard)
    numbers = [name for name, value in call.answer.items() if isinstance(value, int)]
    match dice.choice(("number", "other", "earlier", "later")):
        case "number" if numbers:
            name = dice.choice(numbers)
            call.answer = {**call.answer, name: call.answer[name] + dice.choice((-1, 1))}
        case "other":
            other = dice.choice(heard)
            call.status, call.answer = other.status, other.answer
        case "earlier":
            call.began, call.ended = call.began - LATE, call.ended - LATE
        case _:
            call.began, call.ended = call.began + LATE, call.ended + LATE
    return calls


def test_both_checkers_judge_small_histories_alike() -> None:
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(HISTORIES):
        dice = random.Random(seed)
        good = history(dice)
        for is_corrupted, calls in ((False, good), (True, corrupted(good, dice))):
            verdict = explained(calls, ABSENT, apply) is None
            assert verdict == tried(calls), (seed, is_corrupted, calls)
            verdicts[is_corrupted, verdict] += 1
    assert verdicts[False, True] == HISTORIES
    assert verdicts[True, False] > HISTORIES / 5
    assert verdicts[True, True] > HISTORIES / 50


Purse = tuple[int, int]


def purse(state: Purse, call: Operation) -> Purse | None:
    """A card of one rule: holds of 1 are numbered, reads tell what is left."""
    number, left = state
    if call.kind == "lookup":
        return state if call.answer["available"] == left else None
    if call.is_answered and call.answer["hold"] != number:
        return None
    return number + 1, left - call.asked["amount"]


def hold(at: float, number: int, ended: float | None = None) -> Operation:
    until = at + 0.5 if ended is None else ended
    return Operation("authorize", 0, {"amount": 1}, at, until, 201, {"hold": number})


def look(at: float, available: int, ended: float | None = None) -> Operation:
    until = at + 0.5 if ended is None else ended
    return Operation("lookup", 0, {}, at, until, 200, {"available": available})


def lost(amount: int) -> Operation:
    return Operation("authorize", 0, {"amount": amount}, 0)


@pytest.mark.parametrize(
    ("calls", "culprit"),
    [
        ([hold(0, 1), look(1, 9), hold(2, 2), look(3, 8)], None),
        ([hold(0, 1), look(1, 10)], 1),
        ([hold(0, 1, ended=5), look(1, 10), look(2, 9), look(3, 10)], 3),
        ([hold(0, 1), hold(1, 1)], 1),
        ([hold(0, 2)], 0),
    ],
    ids=["in order", "stale read", "read runs back", "a number twice", "a number left out"],
)
def test_reads_count_and_the_call_that_nothing_explains_is_named(
    calls: list[Operation], culprit: int | None
) -> None:
    found = explained(calls, (1, 10), purse)
    assert found is (None if culprit is None else calls[culprit])


def test_an_unanswered_call_explains_what_came_long_after_it_and_only_once() -> None:
    assert lost(3).ended == math.inf
    assert explained([lost(3), look(5, 10), look(9, 7)], (1, 10), purse) is None
    assert explained([lost(3), look(5, 7), look(9, 4)], (1, 10), purse) is not None
    assert explained([lost(3), look(5, 7), look(9, 10)], (1, 10), purse) is not None


def test_a_hot_certificate_with_many_waiting_calls_is_judged_at_once() -> None:
    """Sixty holds, ten tills that wait at a time, a read beside each of them."""
    calls: list[Operation] = []
    for start in range(0, 60, 10):
        for number in range(start + 1, start + 11):
            calls += [hold(start, number, start + 9), look(start, 100 - number, start + 9)]
    assert explained(calls, (1, 100), purse) is None
    calls.append(look(70, 41))
    assert explained(calls, (1, 100), purse) is calls[-1]


def test_more_orders_than_can_be_followed_are_called_undecided() -> None:
    with pytest.raises(Undecided):
        explained([*(lost(2**n) for n in range(30)), look(1, 1)], (1, 2**40), purse)
