"""Any history keeps the laws; any command told twice changes nothing the second time."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.certificates import results
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    CancelCertificate,
    CancelRefund,
    Capture,
    Command,
    ExtendValidity,
    ProvideRefundDetails,
    ReadCertificate,
    RefundUpdate,
    ReleaseCertificate,
    RequestRefund,
    ResolveRefund,
    Restore,
    Reverse,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.events import Moved
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.state import Certificate
from app.domain.policy import Policy
from tests.domain.certificates.certificate_desk import (
    ACTIVATE,
    ALLOCATE,
    BOX,
    DAY,
    HOUR,
    ISSUE,
    KEY,
    MINUTE,
    START,
    Desk,
    issue,
    moves,
)

TIGHT = Policy(
    holds_open_max=3,
    holds_kept_max=5,
    results_max=6,
    results_young_h=1,
    refusals_max=3,
    tombstones_max=2,
    senders_max=2,
    blocks_max=2,
    refunds_kept=2,
)
MONEY = (
    *("loaded", "captured", "restored", "refunded", "written_off"),
    *("available", "held", "refund_held", "shortfall"),
)

amounts = st.integers(-1, 4_000) | st.sampled_from([100, 500, 1_000])
recent = st.sampled_from([1, 1, 1, 2, 3])  # counted from the newest hold or refund
references = st.sampled_from(["r1", "r2", "r3", "r4"])
reasons = st.sampled_from(["fraud", "order-cancelled", "chargeback:P-1"])
kinds = st.sampled_from(
    ["RefundInitiated", "RefundSettled", "RefundFailed", "AlternateDetailsRequired"]
)
lines = st.sampled_from(["1", "2"])
orders = st.sampled_from(["SO-1", "SO-2", "SO-3"])


def by_request(kind: type[Command], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A command by HTTP: the desk gives it its call."""
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


tills = st.one_of(
    by_request(
        Authorize,
        amount=amounts,
        currency=st.sampled_from(["RUB", "RUB", "RUB", "EUR"]),
        reference=references,
        partial_approval=st.booleans(),
        hold_s=st.sampled_from([None, 60, 86_400]),
    ),
    by_request(
        Capture,
        hold=recent,
        amount=st.none() | amounts,
        final=st.booleans(),
        receipt_number=st.none(),
    ),
    by_request(VoidHold, hold=recent),
    by_request(Restore, hold=recent, amount=amounts, receipt_number=st.none()),
    by_request(Reverse, reference=references, occurred_at=st.just(START)),
)
refunds = st.one_of(
    by_request(
        RequestRefund,
        channel=st.just("POS"),
        method=st.just("Cash"),
        expected_amount=st.none(),
        details=st.just(BOX),
        contact=st.none() | st.just(BOX),
        reason=st.none(),
    ),
    by_request(
        ProvideRefundDetails,
        refund_request_id=recent,
        method=st.just("Cash"),
        details=st.just(BOX),
    ),
    by_request(CancelRefund, refund_request_id=recent, reason=st.none()),
    by_request(
        ResolveRefund,
        refund_request_id=recent,
        outcome=st.sampled_from(["Settled", "Failed"]),
        amount=st.none() | amounts,
        reason=st.just("by hand"),
    ),
)
payments = st.fixed_dictionaries(
    {
        "refund_request_id": recent,
        "attempt": st.none() | st.integers(1, 3),
        "kind": kinds,
        "version": st.integers(0, 6),
        "occurred_at": st.just(START),
        "amount": st.sampled_from([None, None, 1_000]),
        "reason": st.none(),
        "provider_reference": st.none(),
    }
)
operators = st.one_of(
    by_request(BlockCertificate, reason=reasons, freeze_holds=st.booleans()),
    by_request(UnblockCertificate, reason=reasons),
    by_request(UnblockCertificate, reason=st.just("refund-conflict")),
    by_request(
        ExtendValidity,
        valid_until=st.integers(-1, 90).map(lambda n: START + n * DAY),
        reason=st.just("kindness"),
    ),
    by_request(CancelCertificate, reason=st.just("printed wrong")),
)
tied = {"order_id": orders, "order_line_id": lines, "attempt": st.integers(1, 2)}
allocations = st.builds(
    AllocateCertificate, nominal=st.just(3_000), currency=st.just("RUB"), **tied
)
questions = st.one_of(
    allocations,
    st.builds(ReleaseCertificate, **tied),
    st.builds(ActivateCertificate, **tied),
    st.builds(BlockCertificate, reason=reasons, order_line_id=lines),
    st.builds(UnblockCertificate, reason=reasons, order_line_id=lines),
)
rows = st.sampled_from([ISSUE, issue(attempt=2), issue(nominal=1), issue(batch_id="B2")])
positions = st.tuples(orders, st.integers(1, 9), st.integers(0, 2))
waits = st.sampled_from([0, 0, 0, 0, 1, MINUTE, HOUR, DAY, 8 * DAY])


def deeds(*ways: tuple[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[Any]]:
    """A history of the given ways to act on a certificate; each is as likely as the others."""
    each = st.one_of(*(st.tuples(st.just(way), what, waits) for way, what in ways))
    return st.lists(each, min_size=1, max_size=30)


histories = st.one_of(
    st.tuples(st.just(True), deeds(("request", tills))),
    st.tuples(st.just(True), deeds(("request", refunds), ("payment", payments))),
    st.tuples(
        st.just(True),
        deeds(("request", tills), ("request", refunds), ("payment", payments)),
    ),
    st.tuples(
        st.booleans(),
        deeds(
            ("request", tills),
            ("request", refunds),
            ("request", operators),
            ("payment", payments),
            ("question", st.tuples(questions, positions)),
            ("row", rows),
        ),
    ),
)


def desk_of(is_sold: bool) -> Desk:
    return Desk(*((ISSUE, ALLOCATE, ACTIVATE) if is_sold else ()), policy=TIGHT)


def told(desk: Desk, way: str, what: Any) -> tuple[Command, str | None]:
    """The command that a deed stands for and the id under which it comes."""
    if way == "request":
        kind, fields = what
        return kind(**_pointed(desk, fields), call=desk.call(kind.__name__)), None
    if way == "payment":
        return RefundUpdate(**_pointed(desk, what)), None
    if way == "question":
        command, (order, sequence, n) = what
        return command, f"{order}:{sequence}:{n}"
    assert way == "row"
    return what, None


def _pointed(desk: Desk, fields: dict[str, Any]) -> dict[str, Any]:
    """Numbers of holds and refunds, counted back from the newest there is."""
    state = desk.state or Certificate()
    fields = dict(fields)
    if "hold" in fields:
        fields["hold"] = max(1, state.next_hold - fields["hold"])
    if "refund_request_id" in fields:
        n = max(1, state.next_refund - fields["refund_request_id"])
        fields["refund_request_id"] = refund_request_id(KEY, n)
    return fields


def money(state: Certificate | None) -> tuple[int, ...]:
    known = state or Certificate()
    return tuple(getattr(known, name) for name in MONEY)


@pytest.fixture(autouse=True, scope="module")
def short_pages() -> Iterator[None]:
    """So that histories reach their second page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "PAGE", 2)
        yield


@settings(max_examples=150, deadline=None)
@given(histories)
def test_any_history_keeps_the_laws(story: tuple[bool, list[Any]]) -> None:
    is_sold, history = story
    desk = desk_of(is_sold)
    for way, what, wait in history:
        command, id_ = told(desk, way, what)
        desk.wait(wait).tell(command, id_=id_)  # the desk asserts every law and every bound
    totals = [
        sum(getattr(event, name) for event in desk.told if isinstance(event, Moved))
        for name in ("d_available", "d_held", "d_refund_held")
    ]
    state = desk.state or Certificate()
    assert totals == [state.available, state.held, state.refund_held]


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_command_told_twice_changes_nothing(story: tuple[bool, list[Any]]) -> None:
    is_sold, history = story
    desk = desk_of(is_sold)
    for way, what, wait in history:
        command, id_ = told(desk, way, what)
        first = desk.wait(wait).tell(command, id_=id_)
        once = desk.state
        again = desk.tell(command, id_=id_)
        assert moves(desk.last.events) == []
        assert money(desk.state) == money(once)
        assert (again.status, again.code, again.fields) == (
            first.status,
            first.code,
            first.fields,
        )


@settings(max_examples=100, deadline=None)
@given(histories, st.sampled_from([HOUR, 9 * DAY, 300 * DAY]))
def test_a_read_sees_what_the_tick_would_have_done(
    story: tuple[bool, list[Any]], wait: int
) -> None:
    is_sold, history = story
    desk = desk_of(is_sold)
    for way, what, pause in history:
        command, id_ = told(desk, way, what)
        desk.wait(pause).tell(command, id_=id_)
    desk.wait(wait)
    before = desk.state
    read = desk.tell(ReadCertificate("i"))
    seen = desk.state
    desk.state = before
    desk.tick()
    assert desk.state == seen
    assert read.status == (200 if seen is not None and seen.nominal else 404)
    due = None if seen is None else seen.next_due
    assert due is None or due > desk.now
