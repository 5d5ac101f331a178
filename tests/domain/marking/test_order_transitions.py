"""Every edge of an order's life and every pair that is none."""

import itertools

import pytest

from app.domain.marking.order import (
    CANCELLABLE,
    ENDED,
    TRANSITIONS,
    Cause,
    Hold,
    OrderRejection,
    OrderStatus,
    Profile,
    diagram,
    hold_after,
    refusal,
)

W, S, P, H = "worker", "signer", "poll", "operator"
DF, OF = "document_first", "order_first"
BOTH = (DF, OF)
SHEET = [
    # from              to                  by         profiles
    ("INIT",            "CHECKED",          (W,),      BOTH),
    ("INIT",            "CANCELLED",        (H,),      BOTH),
    ("CHECKED",         "DOC_SIGNING",      (W,),      (DF,)),
    ("CHECKED",         "SUZ_SIGNING",      (W,),      (OF,)),
    ("CHECKED",         "CANCELLED",        (H,),      BOTH),
    ("DOC_SIGNING",     "DOC_SENDING",      (S, W),    BOTH),
    ("DOC_SIGNING",     "CANCELLED",        (H,),      BOTH),
    ("DOC_SENDING",     "DOC_CHECKING",     (W,),      BOTH),
    ("DOC_SENDING",     "DOC_SIGNING",      (W,),      BOTH),
    ("DOC_SENDING",     "DOC_REJECTED",     (W,),      BOTH),
    ("DOC_CHECKING",    "DOC_ACCEPTED",     (W,),      BOTH),
    ("DOC_CHECKING",    "DOC_SENDING",      (W,),      BOTH),
    ("DOC_CHECKING",    "DOC_REJECTED",     (W, P),    BOTH),
    ("DOC_ACCEPTED",    "SUZ_SIGNING",      (W,),      (DF,)),
    ("DOC_ACCEPTED",    "POSTPROCESSING",   (W,),      (OF,)),
    ("DOC_ACCEPTED",    "CANCELLED",        (H,),      BOTH),
    ("DOC_REJECTED",    "DOC_SIGNING",      (H,),      BOTH),
    ("DOC_REJECTED",    "POSTPROCESSING",   (H,),      (OF,)),
    ("DOC_REJECTED",    "CANCELLED",        (H,),      BOTH),
    ("SUZ_SIGNING",     "SUZ_SENDING",      (S, W),    BOTH),
    ("SUZ_SIGNING",     "CANCELLED",        (H,),      BOTH),
    ("SUZ_SENDING",     "EMITTING",         (W,),      BOTH),
    ("SUZ_SENDING",     "SUZ_SIGNING",      (W,),      BOTH),
    ("SUZ_SENDING",     "DECLINED",         (W,),      BOTH),
    ("DECLINED",        "SUZ_SIGNING",      (H,),      BOTH),
    ("DECLINED",        "DOC_SIGNING",      (H,),      (DF,)),
    ("DECLINED",        "CANCELLED",        (H,),      BOTH),
    ("EMITTING",        "COLLECTING",       (P, W),    BOTH),
    ("EMITTING",        "CLOSED",           (P, H, W), BOTH),
    ("EMITTING",        "DECLINED",         (P, H, W), BOTH),
    ("COLLECTING",      "READY_TO_CLOSE",   (W, H),    BOTH),
    ("COLLECTING",      "CLOSED",           (P, H, W), BOTH),
    ("COLLECTING",      "DECLINED",         (H,),      BOTH),
    ("READY_TO_CLOSE",  "CLOSING",          (W,),      BOTH),
    ("READY_TO_CLOSE",  "CLOSED",           (W,),      BOTH),
    ("READY_TO_CLOSE",  "COLLECTING",       (W,),      BOTH),
    ("CLOSING",         "CLOSED",           (W,),      BOTH),
    ("CLOSING",         "COLLECTING",       (W,),      BOTH),
    ("CLOSED",          "POSTPROCESSING",   (W, H),    BOTH),
    ("CLOSED",          "DOC_SIGNING",      (H, W),    (OF,)),
    ("POSTPROCESSING",  "COMPLETED",        (W,),      BOTH),
]  # fmt: skip
ALLOWED = {
    (source, target, cause, profile)
    for source, target, causes, profiles in SHEET
    for cause in causes
    for profile in profiles
}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(OrderStatus, OrderStatus)))
def test_an_edge_is_open_exactly_to_whom_the_sheet_says(
    source: OrderStatus, target: OrderStatus
) -> None:
    for cause, profile in itertools.product(Cause, Profile):
        free = refusal(source, target, cause=cause, profile=profile) is None
        assert free == ((source, target, cause, profile) in ALLOWED)


@pytest.mark.parametrize(
    ("source", "target", "cause", "profile", "expected"),
    [
        ("COMPLETED", "INIT", H, DF, OrderRejection.ORDER_ENDED),
        ("CANCELLED", "CHECKED", W, DF, OrderRejection.ORDER_ENDED),
        ("INIT", "COMPLETED", W, DF, OrderRejection.EDGE_UNKNOWN),
        ("SUZ_SENDING", "CANCELLED", H, DF, OrderRejection.EDGE_UNKNOWN),
        ("INIT", "CANCELLED", W, DF, OrderRejection.WRONG_CAUSE),
        ("CHECKED", "SUZ_SIGNING", W, DF, OrderRejection.WRONG_PROFILE),
    ],
)
def test_the_first_reason_in_order_is_named(
    *, source: str, target: str, cause: str, profile: str, expected: OrderRejection
) -> None:
    got = refusal(
        OrderStatus(source), OrderStatus(target), cause=Cause(cause), profile=Profile(profile)
    )
    assert got is expected


def test_every_status_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(OrderStatus)
    assert {OrderStatus.COMPLETED, OrderStatus.CANCELLED} == ENDED


def test_nothing_with_codes_or_an_open_request_can_be_cancelled() -> None:
    assert {str(status) for status in CANCELLABLE} == {
        "INIT",
        "CHECKED",
        "DOC_SIGNING",
        "DOC_REJECTED",
        "DOC_ACCEPTED",
        "SUZ_SIGNING",
        "DECLINED",
    }


@pytest.mark.parametrize(
    ("present", "wanted", "by", "expected"),
    [
        (None, Hold.UPSTREAM, None, Hold.UPSTREAM),
        (Hold.UPSTREAM, Hold.SIGN_IN, None, Hold.SIGN_IN),
        (Hold.ATTENTION, Hold.UPSTREAM, None, Hold.ATTENTION),
        (Hold.UPSTREAM, Hold.ATTENTION, None, Hold.ATTENTION),
        (Hold.UPSTREAM, None, Hold.UPSTREAM, None),
        (Hold.ATTENTION, None, Hold.UPSTREAM, Hold.ATTENTION),
        (Hold.SIGN_IN, None, Hold.UPSTREAM, Hold.SIGN_IN),
    ],
)
def test_a_hold_clears_only_its_own_kind(
    *, present: Hold | None, wanted: Hold | None, by: Hold | None, expected: Hold | None
) -> None:
    assert hold_after(present, wanted, by=by) is expected


def test_the_diagram_shows_every_edge() -> None:
    drawn = diagram()
    for source, target, _, _ in SHEET:
        assert f"{source} --> {target}" in drawn
