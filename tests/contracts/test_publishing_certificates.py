"""Publishing: which record of a certificate becomes which messages, in which order."""

from typing import Any

import msgspec
import pytest

from app.certificates.publishing import Publisher, UnknownEntity
from app.contracts import wire
from app.domain.certificates.blocks import REFUND_CONFLICT
from app.domain.certificates.commands import (
    Origin,
    RefundUpdate,
    Sealed,
)
from app.domain.certificates.events import (
    Audit,
    BatchRow,
    DeadLettered,
    Declined,
    Moved,
    RefundAsked,
)
from app.domain.certificates.state import (
    Allocation,
    Block,
    Certificate,
    Hold,
    HoldState,
    Lifecycle,
    RefundRequest,
    RefundStatus,
)
from app.domain.policy import Policy
from tests.contracts.published import ID, published, raw, read, sample, shape

REFUND_ID = "rf_5r2k9mz0c7w3fq8t1xvhd4ynbe_1"
CAPTURED_AT = 1_788_256_931_000  # 2026-09-01T10:02:11Z
REQUESTED_AT = 1_788_264_000_000  # 2026-09-01T12:00:00Z
SETTLED_AT = 1_788_336_000_120  # 2026-09-02T08:00:00.120Z
TEN_DAYS = 10 * 86_400_000
ACTIVE = Certificate(
    lifecycle=Lifecycle.ACTIVE,
    last4="R6N4",
    nominal=300_000,
    currency="RUB",
    batch_id="2026-09-A",
    row=1,
    product_id="GC-3000",
    valid_until=1_819_745_999_999,
    order=Allocation("SO-1001", "1", 1),
    loaded=300_000,
    captured=100_000,
    available=200_000,
)
TILL = Audit("Capture", "ok", None, "till-s17", "cashier-5", "POS", "S17", "T2", "9f2c")
PAYMENTS = Audit("RefundUpdate")
CAPTURED = Moved(
    "Captured", CAPTURED_AT, 100_000, 20_000, -120_000, 0, 200_000, 0, 0, TILL,
    hold=1, released=20_000, reference="S17-T2-000481", order_id="SO-1001",
    order_line_id="1", receipt_number="4711",
)  # fmt: skip
REFUND = RefundRequest(1, 200_000, "WEB", "OriginalPayment", REQUESTED_AT)


def test_a_change_gives_state_transaction_and_mart_record_in_this_order() -> None:
    outputs = published(ACTIVE, CAPTURED)
    assert shape(outputs) == [
        ("GiftCertificateState", 0, None),
        ("GiftCertificateTransaction", 1, "Captured"),
        ("GiftCertificateBI", 2, "Operation"),
    ]
    assert {output.key for output in outputs} == {ID.encode()}


def test_a_capture_is_told_to_the_mart_as_in_the_sample() -> None:
    message = read(published(ACTIVE, CAPTURED)[2])
    delta = message["data"]["operation"].pop("delta")
    assert message == sample("GiftCertificateBI")
    assert delta == {"available": 20_000, "held": -120_000, "refundHeld": 0}


def test_a_settled_refund_is_published_as_in_the_samples() -> None:
    closed = msgspec.structs.replace(REFUND, status=RefundStatus.SETTLED, closed_at=SETTLED_AT)
    refunded = msgspec.structs.replace(
        ACTIVE, lifecycle=Lifecycle.REFUNDED, available=0, refunded=200_000, refunds=(closed,)
    )
    event = Moved(
        "Refund", SETTLED_AT, 200_000, 0, 0, -200_000, 0, 0, 0, PAYMENTS,
        refund_request_id=REFUND_ID, order_id="SO-1001", order_line_id="1",
    )  # fmt: skip
    state, transaction, operation, refund = map(read, published(refunded, event, sequence=9))
    assert state == sample("GiftCertificateState")
    assert transaction == sample("GiftCertificateTransaction")
    assert operation["data"]["operation"]["eventId"] == f"{ID}:9:1"
    assert refund["data"]["kind"] == "Refund"
    assert refund["data"]["refund"]["status"] == "Settled"
    assert refund["data"]["refund"]["closedAt"] == "2026-09-02T08:00:00.120Z"


def test_a_requested_refund_reaches_payments_as_in_the_sample() -> None:
    pending = msgspec.structs.replace(
        ACTIVE, lifecycle=Lifecycle.REFUND_PENDING, available=0, refund_held=200_000, refund=REFUND
    )
    moved = Moved(
        "RefundRequested", REQUESTED_AT, 200_000, -200_000, 0, 200_000, 0, 0, 200_000, TILL,
        refund_request_id=REFUND_ID,
    )  # fmt: skip
    asked = RefundAsked(
        REQUESTED_AT, "Refund", REFUND_ID, 1, "SO-1001", "1", 200_000, "RUB", "WEB",
        "OriginalPayment", None, REQUESTED_AT + TEN_DAYS,
    )  # fmt: skip
    outputs = published(pending, moved, asked, sequence=8)
    assert [one[:2] for one in shape(outputs)] == [
        ("GiftCertificateState", 0),
        ("GiftCertificateTransaction", 1),
        ("GiftCertificateBI", 2),
        ("GiftCertificateBI", 3),
        ("GiftCertificateRefundRequests", 4),
    ]
    assert read(outputs[4]) == sample("GiftCertificateRefundRequests")
    assert read(outputs[3])["data"]["refund"]["dueAt"] == "2026-09-11T12:00:00.000Z"


def test_a_refund_that_waits_for_its_holder_is_not_due() -> None:
    waiting = msgspec.structs.replace(
        REFUND, status=RefundStatus.DETAILS_REQUIRED, waiting_since=SETTLED_AT
    )
    state = msgspec.structs.replace(
        ACTIVE, lifecycle=Lifecycle.REFUND_PENDING, available=0, refund_held=200_000, refund=waiting
    )
    moved = Moved(
        "AlternateDetailsRequired", SETTLED_AT, 200_000, 0, 0, 0, 0, 0, 200_000, PAYMENTS,
        refund_request_id=REFUND_ID,
    )  # fmt: skip
    told = read(published(state, moved)[3])["data"]["refund"]
    assert told["waitingSince"] == "2026-09-02T08:00:00.120Z"
    assert "dueAt" not in told


@pytest.mark.parametrize(
    ("change", "alerts"),
    [
        (("RefundOverdue", None), ["RefundOverdue"]),
        (("Blocked", REFUND_CONFLICT), ["RefundConflict"]),
        (("Blocked", "lost"), []),
    ],
)
def test_operators_are_told_of_refunds_that_went_wrong(
    change: tuple[str, str | None], alerts: list[str]
) -> None:
    kind, reason = change
    told: list[str] = []
    moved = Moved(kind, SETTLED_AT, 0, 0, 0, 0, 200_000, 0, 0, PAYMENTS, reason=reason)
    published(ACTIVE, moved, note=lambda name, _entity: told.append(name))
    assert told == alerts


def test_bank_details_leave_sealed() -> None:
    asked = RefundAsked(
        REQUESTED_AT, "Refund", REFUND_ID, 2, None, None, 5, "RUB", "WEB", "BankTransfer",
        Sealed("payout-1", b"n" * 12, b"box"), REQUESTED_AT,
    )  # fmt: skip
    (message,) = map(read, published(ACTIVE, asked))
    assert message["data"]["sealedDetails"] == {
        "kid": "payout-1",
        "nonce": "bm5ubm5ubm5ubm5u",
        "box": "Ym94",
    }


def test_several_changes_of_one_record_share_one_state() -> None:
    later = msgspec.structs.replace(CAPTURED, type="Restored", at=CAPTURED_AT + 1_000)
    outputs = published(ACTIVE, CAPTURED, Declined(CAPTURED_AT, TILL), later)
    assert shape(outputs) == [
        ("GiftCertificateState", 0, None),
        ("GiftCertificateTransaction", 1, "Captured"),
        ("GiftCertificateBI", 2, "Operation"),
        ("GiftCertificateBI", 3, "Declined"),
        ("GiftCertificateTransaction", 4, "Restored"),
        ("GiftCertificateBI", 5, "Operation"),
    ]
    assert read(outputs[0])["occurredAt"] == "2026-09-01T10:02:12.000Z"


def test_a_refusal_changes_no_state_and_is_told_to_the_mart() -> None:
    refused = msgspec.structs.replace(TILL, outcome="refused", code="InsufficientBalance")
    (message,) = map(read, published(ACTIVE, Declined(CAPTURED_AT, refused)))
    assert message["id"] == f"{ID}:7:1"
    assert message["data"]["audit"]["code"] == "InsufficientBalance"
    assert message["data"]["certificate"]["available"] == 200_000


def test_an_issued_row_tells_its_outcome_and_its_metadata() -> None:
    issued = Moved(
        "Issued", 1, 0, 0, 0, 0, 0, 0, 0, Audit("IssueCertificate"), metadata='{"a": [1]}'
    )
    row = BatchRow(1, "2026-09-A", 1, 1, 1, ID, "R6N4", "issued")
    outputs = published(Certificate(lifecycle=Lifecycle.ISSUED, currency="RUB"), issued, row)
    messages = [read(output)["data"] for output in outputs]
    assert messages[1]["metadata"] == {"a": [1]}
    assert messages[3]["row"] == {
        "batchId": "2026-09-A", "chunk": 1, "row": 1, "attempt": 1, "outcome": "issued",
        "certificateId": ID, "last4": "R6N4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "Active"),
        ({"available": 0}, "Exhausted"),
        ({"blocks": (Block("fraud", "op", 1),)}, "Blocked"),
        ({"lifecycle": Lifecycle.EXPIRED}, "Expired"),
    ],
)
def test_the_state_shows_the_status_and_the_reasons_of_blocks(
    changes: dict[str, Any], status: str
) -> None:
    message = read(published(msgspec.structs.replace(ACTIVE, **changes), CAPTURED)[0])["data"]
    assert message["status"] == status
    assert message["blocks"] == [block.reason for block in changes.get("blocks", ())]


def test_open_holds_are_counted() -> None:
    hold = Hold(1, "r", "till", None, None, "POS", 5, 5, 5, 1, 9)
    closed = msgspec.structs.replace(hold, n=2, rest=0, state=HoldState.VOIDED)
    state = msgspec.structs.replace(ACTIVE, holds=(hold, closed))
    assert read(published(state, CAPTURED)[0])["data"]["openHolds"] == 1


def test_a_dead_letter_keeps_the_command_sealed_beside_its_origin() -> None:
    update = RefundUpdate(REFUND_ID, 1, "RefundSettled", 2, 5, 7, None, None)
    dead = DeadLettered(
        CAPTURED_AT, "RefundAmountMismatch", "7 is not 200000", "RefundUpdate",
        msgspec.msgpack.encode(update), Origin("All_Payments", 3, 41),
    )  # fmt: skip
    (output,) = published(ACTIVE, dead)
    headers = dict(output.headers)
    assert (output.topic, output.key, output.partition) == ("All_Payments.DLQ", ID.encode(), 3)
    assert headers["__connect.errors.topic"] == b"All_Payments"
    assert headers["__connect.errors.offset"] == b"41"
    assert headers["__connect.errors.stage"] == b"DECIDE"
    assert headers["__connect.errors.exception.class.name"] == b"RefundAmountMismatch"
    assert headers["gc.sealed"] == b"dlq-1"
    assert output.value.startswith(b"sealed ")
    kept = wire.decode_command(output.value.removeprefix(b"sealed "))
    assert (kept.kind, kept.key) == ("RefundUpdate", ID)
    assert msgspec.msgpack.decode(kept.fields, type=RefundUpdate) == update


def test_the_same_record_gives_the_same_messages() -> None:
    assert published(ACTIVE, CAPTURED) == published(ACTIVE, CAPTURED)


def test_a_state_written_again_publishes_nothing() -> None:
    assert published(ACTIVE) == []


def test_a_key_of_an_unknown_kind_stops_publishing() -> None:
    record = wire.JournalRecord(1, 3, 1, raw([]), raw([]))
    with pytest.raises(UnknownEntity):
        Publisher(Policy(), lambda value: ("k", value)).outputs(b"zgc_x", record, 1)
