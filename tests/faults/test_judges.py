"""The judges of the fault suite, held against small stories with one thing wrong in each."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from deploy.proving.books import Balances, Books, Event, Moved, Shown, State, balanced, kept
from deploy.proving.history import History, Operation
from deploy.proving.judge import Verdict, judge

NOMINAL = 100
CARD = "gc_1"
HOLD = "au_1_1"
Story = tuple[History, Books]


def event(
    number: int, type_: str, amount: int, /, *, after: tuple[int, int, int], **more: Any
) -> Any:
    return number, type_, amount, after, more


def events(*told: Any) -> dict[str, Event]:
    """Each with the delta that leads from the one before to its balances."""
    found, before = {}, (0, 0, 0)
    for number, type_, amount, after, more in told:
        delta = Balances(*(now - then for now, then in zip(after, before, strict=True)))
        moved = Moved(CARD, type_, amount, delta, Balances(*after), **more)
        found[f"{CARD}:{number}:1"] = Event(f"{CARD}:{number}:1", number, 1, moved)
        before = after
    return found


def story() -> Story:
    """Loaded, 30 held, 20 of it captured, 5 restored: told right."""
    told = events(
        event(1, "Issued", 0, after=(0, 0, 0)),
        event(2, "Allocated", 0, after=(0, 0, 0)),
        event(3, "Activated", NOMINAL, after=(NOMINAL, 0, 0)),
        event(4, "Authorized", 30, after=(70, 30, 0), reference="r1", authorization_id=HOLD),
        event(5, "Captured", 20, after=(80, 0, 0), receipt_number="c1", released=10),
        event(6, "Restored", 5, after=(85, 0, 0), receipt_number="s1"),
    )
    state = State(f"{CARD}:6:0", 6, Shown(CARD, NOMINAL, 85, 0, 0))
    history = History()
    for operation in operations():
        history.add(operation, 1.0)
    return history, Books(told, {CARD: state})


def operations() -> list[Operation]:
    held = {"hold": 1, "authorizationId": HOLD, "approved": 30, "available": 70}
    wanted = {"amount": 30, "reference": "r1", "partial": False}
    some = {"hold": 1, "amount": 20, "final": True, "receipt": "c1"}
    back = {"hold": 1, "amount": 5, "receipt": "s1"}
    after = {"state": "Captured", "captured": 20, "rest": 0}
    taken = {**after, "restored": 0, "available": 80}
    restored = {**after, "restored": 5, "available": 85}
    return [
        Operation("authorize", 0, wanted, 1, 2, 201, held),
        Operation("capture", 0, some, 3, 4, 200, taken),
        Operation("restore", 0, back, 5, 6, 200, restored),
    ]


def verdict(told: Story) -> Verdict:
    history, books = told
    return judge(history, [NOMINAL], books.events.values())


def test_a_right_story_is_clean() -> None:
    told = story()
    assert verdict(told).clean, verdict(told)
    assert balanced(told[1]).clean, balanced(told[1])
    assert verdict(told).judged == 1


def changed(books: Books, number: int, **more: Any) -> None:
    name = f"{CARD}:{number}:1"
    known = books.events[name]
    books.events[name] = msgspec.structs.replace(
        known, data=msgspec.structs.replace(known.data, **more)
    )


def lose(history: History, books: Books) -> None:
    del books.events[f"{CARD}:6:1"]


def double(history: History, books: Books) -> None:
    books.events["again"] = msgspec.structs.replace(books.events[f"{CARD}:4:1"], id="again")


def forget_to_ask(history: History, books: Books) -> None:
    changed(books, 4, reference="r2")


def refuse_what_was_done(history: History, books: Books) -> None:
    history.operations[2].status = 409
    history.operations[2].answer = {"code": "NotCaptured"}


def answer_wrongly(history: History, books: Books) -> None:
    history.operations[1].answer["available"] = 81


def name_another_certificate(history: History, books: Books) -> None:
    history.operations[0].answer["certificateId"] = "gc_1"
    history.operations[1].answer["certificateId"] = "gc_2"


def answer_a_repetition_otherwise(history: History, books: Books) -> None:
    history.repeated(history.operations[0], same=False)


@pytest.mark.parametrize(
    ("spoil", "figure"),
    [
        (lose, "lost"),
        (double, "doubled"),
        (forget_to_ask, "unasked"),
        (refuse_what_was_done, "unasked"),
        (answer_wrongly, "not_linearizable"),
        (name_another_certificate, "not_linearizable"),
        (answer_a_repetition_otherwise, "answered_otherwise"),
    ],
)
def test_a_wrong_answer_or_event_is_counted(
    spoil: Callable[[History, Books], None], figure: str
) -> None:
    told = story()
    spoil(*told)
    found = verdict(told)
    assert getattr(found, figure) == 1
    assert not found.clean
    assert found.examples


def break_the_chain(books: Books) -> None:
    changed(books, 4, delta=Balances(-29, 30, 0))


def make_money(books: Books) -> None:
    """Every balance follows from the one before, but more was captured than left."""
    changed(books, 5, amount=27)


def lose_money(books: Books) -> None:
    changed(books, 6, amount=6)


def go_below_zero(books: Books) -> None:
    changed(books, 6, after=Balances(-1, 86, 0))


def show_an_old_state(books: Books) -> None:
    books.states[CARD] = State(f"{CARD}:5:0", 5, Shown(CARD, NOMINAL, 80, 0, 0))


def show_another_balance(books: Books) -> None:
    books.states[CARD] = State(f"{CARD}:6:0", 6, Shown(CARD, NOMINAL, 84, 0, 0))


def show_no_state(books: Books) -> None:
    books.states.clear()


def tell_again_otherwise(books: Books) -> None:
    known = books.events[f"{CARD}:4:1"]
    books.take(msgspec.structs.replace(known, sequence=7))


@pytest.mark.parametrize(
    ("spoil", "figure", "count"),
    [
        (break_the_chain, "broken_chains", 1),
        (make_money, "created", 7),
        (lose_money, "vanished", 1),
        (go_below_zero, "negative", 1),
        (show_an_old_state, "other_states", 1),
        (show_another_balance, "other_states", 1),
        (show_no_state, "other_states", 1),
        (tell_again_otherwise, "changed", 1),
    ],
)
def test_books_that_do_not_follow_are_counted(
    spoil: Callable[[Books], None], figure: str, count: int
) -> None:
    books = story()[1]
    spoil(books)
    found = balanced(books)
    assert getattr(found, figure) == count
    assert not found.clean


def test_the_same_event_twice_is_no_fault() -> None:
    books = story()[1]
    books.take(msgspec.structs.replace(books.events[f"{CARD}:4:1"]))
    assert books.retold == 1
    assert balanced(books).clean


@pytest.mark.parametrize(
    ("asked", "figures"),
    [
        ({"Issued": {CARD}, "Activated": {CARD}}, (0, 0, 0)),
        ({"Issued": {CARD, "gc_2"}, "Activated": {CARD, "gc_2"}}, (2, 0, 0)),
        ({"Issued": {CARD}, "Activated": set()}, (0, 0, 1)),
        ({"Issued": {CARD}, "Activated": {"gc_2"}}, (1, 0, 1)),
    ],
)
def test_what_topics_asked_for_is_done_and_nothing_else(
    asked: dict[str, set[str]], figures: tuple[int, int, int]
) -> None:
    found = kept(story()[1], asked)
    assert (found.lost, found.doubled, found.unasked) == figures
    assert found.clean == (figures == (0, 0, 0))


def test_what_topics_asked_for_and_was_done_again_is_counted() -> None:
    books = story()[1]
    books.take(msgspec.structs.replace(books.events[f"{CARD}:1:1"], id="again"))
    found = kept(books, {"Issued": {CARD}, "Activated": {CARD}})
    assert (found.lost, found.doubled, found.unasked) == (0, 1, 0)
    assert not found.clean
