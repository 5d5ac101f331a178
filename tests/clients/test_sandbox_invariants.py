"""Each invariant of the emulator turns red when its rule is broken, and only then."""

from collections.abc import Callable

import pytest

from deploy.sandbox.cards import gtin_of
from deploy.sandbox.codes import Harm, hand_out
from deploy.sandbox.documents import Document
from deploy.sandbox.driver import order_form
from deploy.sandbox.invariants import RULES, verdict
from deploy.sandbox.orders import Order, Plan
from deploy.sandbox.participant import Participant, Setup, new_participant
from deploy.sandbox.placing import place
from deploy.sandbox.tokens import Token

SHIRT = gtin_of(1)
KI = "01" + SHIRT + "215AAAAAAAAAAAA"
OWN = "mk-" + "c" * 32
SECOND = 1000


def ordered(who: Participant, *, attempt: int = 1, own: str = OWN) -> Order:
    """A READY order of ten codes."""
    form = order_form((SHIRT, 10), number=f"{own}-{attempt}")
    order = place(who, form, Plan(), now_ms=who.clock.now_ms())
    who.clock.advance(5)
    who.settle(who.clock.now_ms())
    return order


def fetched(who: Participant, order: Order, count: int = 4) -> None:
    buffer, now = order.buffers[SHIRT], who.clock.now_ms()
    hand_out(who, buffer, order, count=count, by="api", harm=Harm(), now_ms=now)


@pytest.fixture
def who() -> Participant:
    """One order, two blocks, one dead and one live token, one document in progress."""
    someone = new_participant("7700000016", Setup(), 1)
    someone.clock.freeze()
    order = ordered(someone)
    fetched(someone, order)
    fetched(someone, order)
    now = someone.clock.now_ms()
    for number in range(2):
        start = now + number * SECOND
        someone.tokens.add(Token(f"t{number}", "suz", "connection", start, start + 36_000 * SECOND))
    someone.documents["d1"] = document("d1", now)
    return someone


def document(number: str, now_ms: int, **fields: object) -> Document:
    made = Document(number, int(number[1:]), now_ms, "LP_INTRODUCE_GOODS", b"{}", kis=(KI,))
    made.history.append((now_ms, "IN_PROGRESS"))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def blocks_share_a_code(who: Participant) -> None:
    first, second = who.blocks.values()
    second.codes[0] = first.codes[0]
    second.sha256 = ""


def a_block_was_changed(who: Participant) -> None:
    next(iter(who.blocks.values())).codes.reverse()


def a_retry_differed(who: Participant) -> None:
    next(iter(who.blocks.values())).retried.append("other")


def a_block_was_lost(who: Participant) -> None:
    del who.blocks[next(iter(who.blocks))]


def a_block_came_late(who: Participant) -> None:
    order = next(iter(who.orders.values()))
    order.move("CLOSED", who.clock.now_ms() - 1)


def two_tokens_live(who: Participant) -> None:
    for token in who.tokens.tokens.values():
        token.ended_ms = None


def an_order_jumped(who: Participant) -> None:
    order = next(iter(who.orders.values()))
    order.history = [order.history[0], (order.history[-1][0], "CLOSED")]


def a_buffer_went_back(who: Participant) -> None:
    buffer = next(iter(who.orders.values())).buffers[SHIRT]
    buffer.history.append((who.clock.now_ms(), "PENDING"))


def a_document_was_judged_twice(who: Participant) -> None:
    who.documents["d1"].history += [
        (who.clock.now_ms(), "CHECKED_OK"),
        (who.clock.now_ms(), "CHECKED_NOT_OK"),
    ]


def two_attempts_live(who: Participant) -> None:
    ordered(who, attempt=2)


def two_attempts_gave_codes(who: Participant) -> None:
    first = next(iter(who.orders.values()))
    first.move("CLOSED", who.clock.now_ms())
    fetched(who, ordered(who, attempt=2))


def two_documents_hold_a_code(who: Participant) -> None:
    who.documents["d2"] = document("d2", who.clock.now_ms())


def a_preorder_was_sent_twice(who: Participant) -> None:
    for number in ("d3", "d4"):
        made = document(number, who.clock.now_ms(), kis=(), production_order_id=OWN)
        who.documents[number] = made


def the_queue_was_overrun(who: Participant) -> None:
    who.switches.limits.queued_orders = 1
    for number in "de":
        form = order_form((SHIRT, 1), number=f"mk-{number * 32}-1")
        place(who, form, Plan(signed=False), now_ms=who.clock.now_ms())


BREAKS: list[tuple[Callable[[Participant], None], str]] = [
    (blocks_share_a_code, "no_code_in_two_blocks"),
    (a_block_was_changed, "retries_are_byte_equal"),
    (a_retry_differed, "retries_are_byte_equal"),
    (a_block_was_lost, "blocks_make_up_total_passed"),
    (a_block_came_late, "no_code_after_close"),
    (two_tokens_live, "one_live_client_token"),
    (an_order_jumped, "only_legal_edges"),
    (a_buffer_went_back, "only_legal_edges"),
    (a_document_was_judged_twice, "only_legal_edges"),
    (two_attempts_live, "one_live_order_per_own_number"),
    (two_attempts_gave_codes, "one_live_order_per_own_number"),
    (two_documents_hold_a_code, "one_live_document_per_code"),
    (a_preorder_was_sent_twice, "one_live_document_per_code"),
    (the_queue_was_overrun, "nothing_beyond_the_limits"),
]


def test_a_right_history_is_clean(who: Participant) -> None:
    assert verdict(who)["violations"] == {}


@pytest.mark.parametrize(("broken", "rule"), BREAKS, ids=[row[0].__name__ for row in BREAKS])
def test_a_broken_rule_is_named(
    who: Participant, broken: Callable[[Participant], None], rule: str
) -> None:
    broken(who)
    assert rule in verdict(who)["violations"]


def test_every_rule_has_its_break() -> None:
    assert {rule for _, rule in BREAKS} == set(RULES)


def test_a_new_attempt_after_a_declined_one_is_right(who: Participant) -> None:
    form = order_form((SHIRT, 1), number="mk-" + "f" * 32 + "-1")
    place(who, form, Plan(decline="нет"), now_ms=who.clock.now_ms())
    who.clock.advance(5)
    who.settle(who.clock.now_ms())
    ordered(who, attempt=2, own="mk-" + "f" * 32)
    assert verdict(who)["violations"] == {}


def test_a_document_sent_again_after_a_technical_error_is_right(who: Participant) -> None:
    now = who.clock.now_ms()
    who.documents["d1"].move("PROCESSING_ERROR", now)
    who.documents["d2"] = document("d2", now)
    assert verdict(who)["violations"] == {}
