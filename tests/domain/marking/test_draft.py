"""Drafts of orders: what is wrong with them, and how a big one is split."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.marking.code import gtin_check_digit
from app.domain.marking.dictionaries import (
    CertificateType,
    DropoutReason,
    SerialNumberType,
    WithdrawalAction,
)
from app.domain.marking.draft import (
    Attributes,
    Certificate,
    DraftLine,
    DropoutPlan,
    OrderDraft,
    PostprocessPlan,
    WithdrawPlan,
    normalised,
    plan_problems,
    problems,
    split_lines,
)


def gtin(number: int) -> str:
    digits = f"046000000{number:04d}"
    return digits + gtin_check_digit(digits)


def draft(*lines: DraftLine, **more: object) -> OrderDraft:
    return msgspec.structs.replace(OrderDraft(lines=lines), **more)


def own(quantity: int, *serials: str) -> DraftLine:
    return DraftLine(gtin(1), quantity, SerialNumberType.SELF_MADE, serials)


GOOD = DraftLine(gtin(1), 100)


@pytest.mark.parametrize(
    ("given_draft", "pointers"),
    [
        (draft(GOOD), []),
        (draft(), ["/lines"]),
        (draft(DraftLine("04600000000016", 1)), ["/lines/0/gtin"]),
        (draft(GOOD, GOOD), ["/lines/1/gtin"]),
        (draft(DraftLine(gtin(1), 0)), ["/lines/0/quantity"]),
        (draft(*(DraftLine(gtin(n), 1) for n in range(11))), ["/lines"]),
        (draft(*(DraftLine(gtin(n), 1) for n in range(11)), split=True), []),
        (draft(DraftLine(gtin(1), 2_000_000)), []),
        (draft(DraftLine(gtin(1), 2_000_001)), ["/lines/0/quantity"]),
        (draft(DraftLine(gtin(1), 150_001), DraftLine(gtin(2), 1)), ["/lines/0/quantity"]),
        (draft(own(2, "AAAA00000001", "AAAA00000002")), []),
        (draft(own(2, "AAAA00000001")), ["/lines/0/serial_numbers"]),
        (draft(own(2, "AAAA00000001", "AAAA00000001")), ["/lines/0/serial_numbers"]),
        (draft(own(1, "short")), ["/lines/0/serial_numbers/0"]),
        (
            draft(DraftLine(gtin(1), 1, serial_numbers=("AAAA00000001",))),
            ["/lines/0/serial_numbers"],
        ),
        (draft(GOOD, attributes=Attributes(producer_inn="1")), ["/attributes/producer_inn"]),
        (draft(GOOD, attributes=Attributes(contact_person="")), ["/attributes/contact_person"]),
        (
            draft(GOOD, attributes=Attributes(production_date="01.02.2026")),
            ["/attributes/production_date"],
        ),
        (
            draft(
                GOOD,
                attributes=Attributes(
                    certificates=(
                        Certificate(CertificateType.CONFORMITY_CERTIFICATE, " ", "1999-12-31"),
                    )
                ),
            ),
            ["/attributes/certificates/0/number", "/attributes/certificates/0/date"],
        ),
    ],
)
def test_every_mistake_is_named_by_its_field(given_draft: OrderDraft, pointers: list[str]) -> None:
    found = problems(given_draft, reports_allowed=True)
    assert [problem.pointer for problem in found] == pointers


def test_a_write_off_needs_its_paper_where_reports_are_not_open() -> None:
    plan = PostprocessPlan(dropout=DropoutPlan(DropoutReason.EXPIRY))
    wanted = draft(GOOD, postprocess=plan)
    assert problems(wanted, reports_allowed=True) == ()
    assert len(problems(wanted, reports_allowed=False)) == 3


def test_a_withdrawal_is_a_document_wherever_reports_are_open() -> None:
    plan = PostprocessPlan(withdraw=WithdrawPlan(WithdrawalAction.OTHER, "20260102"))
    found = plan_problems(plan, reports_allowed=True)
    assert [problem.pointer for problem in found] == ["/withdraw/action_date", "/withdraw/other"]


def test_thirteen_digits_become_fourteen() -> None:
    line = DraftLine(gtin(1)[1:], 5)
    assert normalised(draft(line)).lines == (DraftLine(gtin(1), 5),)


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=40))
def test_a_split_loses_and_invents_no_code(quantities: list[int]) -> None:
    lines = tuple(DraftLine(gtin(n), quantity) for n, quantity in enumerate(quantities))
    parts = split_lines(lines)
    assert sum(line.quantity for part in parts for line in part) == sum(quantities)
    for part in parts:
        assert problems(draft(*part), reports_allowed=True) == ()


def test_twenty_three_lines_make_three_orders() -> None:
    lines = tuple(DraftLine(gtin(n), 10) for n in range(23))
    assert [len(part) for part in split_lines(lines)] == [10, 10, 3]
