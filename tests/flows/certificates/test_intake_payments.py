"""Payment messages at the door: ours, other business, refunds, faults."""

from typing import Any

import pytest

from app.certificates.inbound import Fault, NotOurs
from app.domain.certificates.commands import ApplyPayment, PaymentEntry, RefundNotice, RefundUpdate
from tests.flows.certificates.foreign import ABSENT, ORIGIN, payment, payments

REFUND = "rf_5r2k9mz0c7w3fq8t1xvhd4ynbe_1"
PLAIN = {"certificateAllocations": ABSENT, "isOrderSettled": ABSENT, "outstandingAmount": ABSENT}


def only(value: bytes, unit: str = "minor", **status_map: str) -> tuple[str, Any]:
    translated = payments(unit, **status_map).translate(value, ORIGIN)
    assert isinstance(translated, list)
    (command,) = translated
    return command


def test_the_documented_message() -> None:
    key, command = only(payment())
    assert key == "SO-1001"
    assert isinstance(command, ApplyPayment)
    assert (command.payment_id, command.version, command.payment_status) == ("P-1", 1, "Received")
    assert command.entries == (PaymentEntry("1", 300_000),)
    assert (command.is_order_settled, command.outstanding_amount) == (True, 0)


def test_a_payment_without_section_leaves_its_entries_open() -> None:
    assert only(payment(**PLAIN))[1].entries is None
    assert only(payment(certificateAllocations=[]))[1].entries == ()


def test_an_entry_may_name_no_line() -> None:
    _, command = only(payment(certificateAllocations=[{"amount": 5}]))
    assert command.entries == (PaymentEntry(None, 5),)


def test_the_same_content_has_the_same_mac_and_other_content_another() -> None:
    mac = only(payment())[1].body_hash
    assert only(payment(newField=1))[1].body_hash == mac
    assert only(payment(outstandingAmount=1))[1].body_hash != mac


def test_decimal_amounts() -> None:
    entry = {"orderLineId": "1", "amount": "3000.00"}
    told = payment(amount="3000.00", certificateAllocations=[entry], outstandingAmount="0.00")
    _, command = only(told, "decimal")
    assert (command.amount, command.outstanding_amount) == (300_000, 0)


def test_foreign_statuses_are_mapped() -> None:
    _, command = only(payment(paymentStatus="PAID"), PAID="Received")
    assert command.payment_status == "Received"


def test_a_map_to_nowhere_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="payment_status_map"):
        payments(PAID="Paid")


def refund(status: str = "RefundSettled", **changes: Any) -> bytes:
    details = {"refundRequestId": REFUND, "attempt": 2, "providerReference": "RRN-7731"}
    told = {"refundDetails": details, "orderLineId": "1", "amount": 200_000} | PLAIN | changes
    return payment(paymentStatus=status, **told)


@pytest.mark.parametrize(
    "status", ["RefundInitiated", "RefundSettled", "RefundFailed", "AlternateDetailsRequired"]
)
def test_a_refund_message_goes_to_the_certificate_its_id_names(status: str) -> None:
    key, command = only(refund(status))
    assert key == "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
    assert isinstance(command, RefundUpdate)
    assert (command.refund_request_id, command.attempt, command.kind) == (REFUND, 2, status)
    assert (command.amount, command.provider_reference) == (200_000, "RRN-7731")


def test_the_amount_of_the_details_goes_before_that_of_the_message() -> None:
    told = refund(refundDetails={"refundRequestId": REFUND, "amount": 7})
    assert only(told)[1].amount == 7


def test_a_refund_message_without_id_goes_to_the_order() -> None:
    key, command = only(refund(refundDetails=ABSENT, version=ABSENT))
    assert key == "SO-1001"
    assert isinstance(command, RefundNotice)
    assert (command.order_line_id, command.attempt, command.version) == ("1", None, None)


def test_a_refund_of_other_goods_is_not_ours() -> None:
    told = refund(refundDetails=ABSENT, orderLineId=ABSENT)
    assert payments().translate(told, ORIGIN) == NotOurs("NoLine")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (payment(paymentStatus="Tokenised", **PLAIN), "StatusUnmapped"),
        (payment(paymentStatus="Tokenised", certificateAllocations=ABSENT), "StatusUnmapped"),
        (payment(amount="x", **PLAIN), "Invalid"),
        (payment(orderId=ABSENT, **PLAIN), "Invalid"),
        (payment(occurredAt="soon", **PLAIN), "Invalid"),
        (b'{"something":"else"}', "Invalid"),
        (b"[]", "Invalid"),
    ],
)
def test_other_business_is_not_ours(value: bytes, reason: str) -> None:
    translated = payments().translate(value, ORIGIN)
    assert isinstance(translated, NotOurs)
    assert translated.reason == reason


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        (payment(paymentStatus="Tokenised"), "PaymentStatusUnknown", "paymentStatus"),
        (refund("Tokenised"), "PaymentStatusUnknown", "paymentStatus"),
        (payment(amount=-1), "RequestInvalid", "amount"),
        (payment(amount=1.5), "RequestInvalid", "amount"),
        (payment(amount="1"), "RequestInvalid", "amount"),
        (payment(amount=10**16), "RequestInvalid", "amount"),
        (payment(currency="ZZZ"), "RequestInvalid", "currency"),
        (payment(currency=ABSENT), "RequestInvalid", "currency"),
        (payment(paymentId=ABSENT), "RequestInvalid", "paymentId"),
        (payment(orderId=" \t"), "RequestInvalid", "orderId"),
        (payment(version=1.5), "RequestInvalid", "version"),
        (payment(occurredAt="2026-13-31T09:00:00Z"), "RequestInvalid", "occurredAt"),
        (payment(isOrderSettled="yes"), "RequestInvalid", "isOrderSettled"),
        (payment(outstandingAmount=-5), "RequestInvalid", "outstandingAmount"),
        (payment(certificateAllocations=[{"amount": -5}]), "RequestInvalid", "amount"),
        (payment(certificateAllocations=[{"orderLineId": "1"}]), "RequestInvalid", "amount"),
        (
            payment(certificateAllocations=[{"amount": 1}] * 501),
            "RequestInvalid",
            "certificateAllocations",
        ),
        (payment(certificateAllocations=ABSENT, amount=-1), "RequestInvalid", "amount"),
        (refund(refundDetails={"refundRequestId": "rf_x"}), "RequestInvalid", "refundRequestId"),
        (
            payment(paymentStatus="RefundSettled", certificateAllocations=[]),
            "RequestInvalid",
            "orderLineId",
        ),
    ],
)
def test_a_faulty_message_about_certificates_is_a_dead_letter(
    value: bytes, code: str, field: str
) -> None:
    fault = payments().translate(value, ORIGIN)
    assert isinstance(fault, Fault)
    assert (fault.stage, fault.code) == ("VALIDATE", code)
    assert field in fault.reason


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", payment()[1:]])
def test_what_is_no_json_is_a_dead_letter(value: bytes) -> None:
    fault = payments().translate(value, ORIGIN)
    assert isinstance(fault, Fault)
    assert fault.stage == "DECODE"
