"""Publishing: which record of an order becomes which messages, and what it sends on."""

import msgspec

from app.contracts import wire
from app.domain.certificates.commands import ActivateCertificate, PaymentEntry, Sealed
from app.domain.certificates.events import (
    ORDER_STATE_CHANGED,
    Audit,
    DeadLettered,
    LineChanged,
    Noted,
    NotificationAsked,
)
from app.domain.certificates.order_state import Line, LineStatus, Order, Payment, Sale, Settlement
from app.domain.decision import follow_up
from tests.contracts.published import ID, JOURNALED_AT, published, read, sample, shape

PAID_AT = 1_788_166_860_050  # 2026-08-31T09:01:00.050Z
LINE = Line(1, ID, "R6N4", 300_000, 300_000, "RUB", 1, LineStatus.ACTIVATING, PAID_AT, paid=300_000)
ORDER = Order(
    PAID_AT,
    None,
    PAID_AT,
    sale=Sale(1, 1, b"h", "Confirmed", "S17", "WEB"),
    lines={"1": LINE},
    settlement=Settlement(1, "P-1", 1, is_order_settled=True, outstanding_amount=0),
)


def test_an_order_is_published_as_in_the_sample() -> None:
    changed = Noted(PAID_AT, ORDER_STATE_CHANGED)
    outputs = published(ORDER, changed, changed, sequence=3)
    assert read(outputs[0]) == sample("GiftCertificateOrderState")
    assert shape(outputs)[1:] == [("GiftCertificateBI", 1, "OrderLine")]
    assert read(outputs[1])["data"]["line"]["settled"] is True


def test_lines_stand_in_the_order_of_the_sale() -> None:
    lines = {"9": msgspec.structs.replace(LINE, position=2), "1": LINE}
    order = msgspec.structs.replace(ORDER, lines=lines)
    outputs = published(order, Noted(PAID_AT, ORDER_STATE_CHANGED))
    shown = read(outputs[0])["data"]["lines"]
    assert [line["orderLineId"] for line in shown] == ["1", "9"]
    assert [one[2] for one in shape(outputs)] == [None, "OrderLine", "OrderLine"]


def test_a_payment_that_waits_for_its_sale_is_shown() -> None:
    entries = (PaymentEntry("1", 5),)
    payment = Payment(1, 1, b"h", "Received", 5, "RUB", entries, received=True)
    waiting = Order(1, None, 1, payments={"P-1": payment})
    (message,) = map(read, published(waiting, Noted(PAID_AT, ORDER_STATE_CHANGED)))
    assert message["data"]["awaitingSale"] is True
    assert message["data"]["saleVersion"] is None


def test_an_alert_or_a_status_alone_publishes_nothing() -> None:
    changed = LineChanged(PAID_AT, "1", "Activating")
    assert published(ORDER, Noted(PAID_AT, "Unanswered", "1"), changed) == []


def test_operators_are_told_what_they_have_not_done_themselves() -> None:
    told: list[tuple[str, str]] = []
    by_hand = Noted(PAID_AT, "ContactSupplied", "1", Audit("SupplyContact"))
    dead = DeadLettered(PAID_AT, "VersionConflict", "version: 1", "ApplyPayment", b"\x80", None)
    noted = (Noted(PAID_AT, "PaidAfterCancel"), Noted(PAID_AT, ORDER_STATE_CHANGED), by_hand, dead)
    published(ORDER, *noted, note=lambda name, entity: told.append((name, entity)))
    assert told == [("PaidAfterCancel", "SO-1001"), ("VersionConflict", "SO-1001")]


def test_an_operator_is_audited_with_the_line_and_the_reason() -> None:
    audit = Audit("SupplyContact", client="desk", actor="anna")
    noted = Noted(PAID_AT, "ContactSupplied", "1", audit, "asked by phone")
    (message,) = map(read, published(ORDER, noted))
    assert message["data"]["audit"]["actor"] == "anna"
    assert message["data"]["audit"]["reason"] == "asked by phone"
    assert message["data"]["line"]["orderLineId"] == "1"


def test_a_notification_goes_sealed_to_its_sender_and_open_to_the_mart() -> None:
    asked = NotificationAsked(
        PAID_AT, "SO-1001:1:activated:1", "activated", Sealed("c1", b"n", b"box"), ID, "R6N4",
        300_000, "RUB", None, "SO-1001", "1",
    )  # fmt: skip
    request, told = published(ORDER, asked)
    assert request.topic == "notification-requests"
    assert wire.decode_notification(request.value).asked == asked
    assert read(told)["data"]["notification"]["notificationId"] == "SO-1001:1:activated:1"
    assert b"box" not in told.value


def test_follow_ups_are_numbered_commands_of_the_receiver() -> None:
    sent = (
        follow_up("gc_a", ActivateCertificate("SO-1001", "1", 1)),
        follow_up("gc_b", ActivateCertificate("SO-1001", "2", 1)),
    )
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    outputs = published(Order(1, None, 1), follow_ups=sent, traceparent=trace)
    commands = [wire.decode_command(output.value) for output in outputs]
    assert [(one.id, one.key, one.now) for one in commands] == [
        ("SO-1001:7:0", "gc_a", JOURNALED_AT),
        ("SO-1001:7:1", "gc_b", JOURNALED_AT),
    ]
    assert {output.topic for output in outputs} == {"certificate-commands"}
    assert [output.key for output in outputs] == [b"gc_a", b"gc_b"]
    assert commands[0].traceparent == trace
    assert outputs[0].headers == [("traceparent", trace.encode())]
