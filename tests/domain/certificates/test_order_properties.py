"""Any order of arrival, any number of repetitions: the same end, and never money twice."""

import random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.certificates.commands import (
    ApplyPayment,
    Command,
    Due,
    LineReport,
    NotificationResult,
    ResendNotification,
    SupplyContact,
)
from app.domain.certificates.distribution import COUNTED
from app.domain.certificates.entities import ORDER
from app.domain.certificates.order_state import SPENT, TRANSITIONS, LineStatus
from app.domain.certificates.order_turn import QUESTIONS
from app.domain.decision import Context
from tests.domain.certificates.order_town import (
    BOX,
    DAY,
    ORDER_ID,
    START,
    Town,
    call,
    entries,
    payment,
    sale,
    sold,
)

A, B, C = "gc_AAAA", "gc_BBBB", "gc_CCCC"
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def correct_order(dice: random.Random) -> list[Command]:
    """The messages of one order as its systems sent them, in the order of their making."""
    price = dice.choice([3_000, 2_500])
    lines = [sold("1", A, price=price), sold("2", B)][: dice.randint(1, 2)]
    if dice.random() < 0.3:
        lines.append(sold("3", A))
    messages: list[Command] = [sale(1, *lines)]
    if dice.random() < 0.5:
        messages.append(sale(2, *(msgspec.structs.replace(one, price=2_000) for one in lines)))
    of = [entries(l1=1_000), entries(pool=2_500), entries(l1=3_000, l2=500, l7=3)]
    settles = dice.random() < 0.7
    messages.append(payment("P-1", 1, of=dice.choice(of), status="Authorized", settled=False))
    messages.append(payment("P-1", 2, of=dice.choice(of), settled=False))
    messages.append(payment("P-2", 3, of=dice.choice(of), settled=settles))
    if dice.random() < 0.5:
        messages.append(payment("P-1", 4, of=entries(l1=1_000), status="ChargedBack"))
        if dice.random() < 0.5:
            messages.append(payment("P-1", 5, of=dice.choice(of), status="ChargebackReversed"))
    if dice.random() < 0.3:
        messages.append(payment("P-1", 6, of=entries(l1=9), status="Cancelled"))
    return messages


def end_of(messages: list[Command], *, seed: int | None) -> tuple[Town, dict[str, Any]]:
    town = Town(seed=seed)
    town.issue(A, B, C)
    town.tell(*messages)
    return town, town.end()


@many
@given(st.integers(0, 10**9))
def test_shuffled_and_tripled_messages_end_as_the_ordered_run(seed: int) -> None:
    dice = random.Random(seed)
    messages = correct_order(dice)
    _, ordered = end_of(messages, seed=None)
    mixed = messages * 3
    dice.shuffle(mixed)
    town, shuffled = end_of(mixed, seed=seed)
    assert shuffled == ordered
    assert len(town.messages()) == len({one.id for one in town.messages()})


def any_line(dice: random.Random, line_id: str) -> Any:
    return sold(
        line_id,
        dice.choice([A, B, C, "gc_NONE"]),
        nominal=dice.choice([3_000, 3_000, 3_000, 4_000]),
        currency=dice.choice(["RUB", "RUB", "RUB", "USD"]),
        delivery=dice.choice(["SMS", "NONE"]),
        box=dice.choice([BOX, BOX, None]),
    )


def any_message(dice: random.Random) -> Command:
    line_id = dice.choice(["1", "2", "3"])
    match dice.randint(0, 7):
        case 0 | 1:
            lines = [any_line(dice, str(n)) for n in range(1, dice.randint(1, 4))]
            status = dice.choice(["Created", "Confirmed", "Confirmed", "Cancelled"])
            return sale(dice.randint(1, 9), *lines, status=status)
        case 2 | 3 | 4:
            statuses = ["Authorized", "Received", "Received", "Cancelled", "ChargedBack"]
            return payment(
                f"P-{dice.randint(1, 3)}",
                dice.randint(1, 9),
                of=dice.choice(
                    [None, entries(l1=3_000), entries(pool=2_000), entries(l2=10, l9=1)]
                ),
                status=dice.choice(statuses),
                settled=dice.choice([None, True, False]),
            )
        case 5:
            what = dice.choice(["allocate", "release", "activate", "block", "unblock"])
            certificate = dice.choice([A, B, C])
            code = dice.choice([None, "CodeAlreadySold", "AlreadyActivated"])
            return LineReport(line_id, dice.randint(0, 3), what, certificate, code)
        case 6:
            return NotificationResult(line_id, dice.randint(1, 2), dice.choice(["SENT", "FAILED"]))
        case _:
            key = str(dice.randint(0, 5))
            if dice.random() < 0.5:
                return ResendNotification(line_id, call(key, f"r{line_id}"))
            return SupplyContact(line_id, dice.choice([BOX, None]), "said so", call(key, "s"))


def assert_lawful(town: Town) -> None:
    if town.states.get(("order", ORDER_ID)) is None:
        return
    order = town.order
    currency = order.currency or "RUB"
    payments = order.payments.values()
    counted = [one for one in payments if one.status in COUNTED and one.currency == currency]
    received = sum(entry.amount for one in counted for entry in one.entries or ())
    lines = order.lines.values()
    assert sum(line.paid for line in lines) + order.unapplied == received
    assert all(0 <= line.paid <= line.price for line in lines)
    assert all(not line.blocks for line in lines if line.status not in SPENT)
    if order.cancelled:
        waiting = {LineStatus.PENDING, LineStatus.ALLOCATED, LineStatus.PAID}
        assert not any(line.status in waiting for line in lines)
    if order.settled:
        assert not any(line.status is LineStatus.PAID for line in lines)


@many
@given(st.integers(0, 10**9))
def test_whatever_comes_the_order_stays_lawful_and_asks_until_it_knows(seed: int) -> None:
    dice = random.Random(seed)
    town = Town(seed=seed)
    town.issue(A, B)
    for _ in range(25):
        if dice.random() < 0.15:
            town.wait(dice.choice([60_000, DAY, 8 * DAY]))
        town.lost = {"LineReport"} if dice.random() < 0.1 else set()
        town.tell(any_message(dice))
        assert_lawful(town)
    town.lost = set()
    town.wait(2 * DAY)
    assert_lawful(town)
    if town.states.get(("order", ORDER_ID)) is not None:
        assert not town.order.asks
        assert not any(line.status in QUESTIONS for line in town.order.lines.values())


@many
@given(st.integers(0, 10**9))
def test_a_repeated_command_changes_nothing(seed: int) -> None:
    dice = random.Random(seed)
    town = Town(seed=seed)
    town.issue(A, B)
    for _ in range(15):
        command = any_message(dice)
        town.tell(command)
        state = town.states.get(("order", ORDER_ID))
        context = Context(ORDER_ID, "again", town.now, town.policy)
        again = ORDER.decide(state, command, context)
        if again.reply is not None and again.reply.code in {"VersionConflict", "NotOurs"}:
            continue
        assert not again.follow_ups or isinstance(command, LineReport)
        if not isinstance(command, LineReport):
            assert again.state is state


@many
@given(st.integers(0, 10**9))
def test_no_certificate_is_loaded_twice_and_none_without_settlement(seed: int) -> None:
    dice = random.Random(seed)
    town = Town(seed=seed)
    town.issue(A, B, C)
    settled_once = False
    for _ in range(25):
        command = any_message(dice)
        if isinstance(command, LineReport):
            continue
        if isinstance(command, ApplyPayment) and command.is_order_settled:
            settled_once = True
        town.tell(command)
        for name in (A, B, C):
            loaded = town.certificate(name).loaded
            assert loaded in {0, 3_000}
            assert settled_once or loaded == 0
    if town.states.get(("order", ORDER_ID)) is not None:
        lines = town.order.lines.values()
        spent = [line.certificate_id for line in lines if line.status in SPENT]
        assert len(spent) == len(set(spent))


@given(st.integers(0, 10**9))
def test_time_running_backwards_changes_no_clock(seed: int) -> None:
    town = Town(seed=seed)
    town.issue(A)
    town.tell(sale(1, sold("1", A)))
    clock = town.order.clock
    town.now = START
    town.tell(payment(of=entries(l1=3_000), settled=True), Due())
    assert town.order.clock == clock
    assert town.shown() == "Activated"


def test_every_status_leads_somewhere_or_is_the_end() -> None:
    assert TRANSITIONS.keys() == set(LineStatus)
    assert [status for status, after in TRANSITIONS.items() if not after] == [LineStatus.ACTIVATED]
