"""From a message of `All_Payments` to the commands it means."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.certificates.inbound import (
    UNREADABLE,
    Amounts,
    FieldFault,
    Id,
    Moment,
    NotOurs,
    Text,
    Translated,
    Version,
    faulty,
    known_currency,
    members_of,
    milliseconds,
    printable,
    too_large,
)
from app.certificates.sealing import ContentMacs
from app.domain.certificates.commands import (
    ApplyPayment,
    Command,
    Origin,
    PaymentEntry,
    RefundNotice,
    RefundUpdate,
)
from app.domain.certificates.ids import parse_refund_request_id
from app.domain.policy import Policy

PAYMENT_STATUSES = ("Authorized", "Received", "Cancelled", "ChargedBack", "ChargebackReversed")
REFUND_STATUSES = ("RefundInitiated", "RefundSettled", "RefundFailed", "AlternateDetailsRequired")
_KNOWN = {status: status for status in (*PAYMENT_STATUSES, *REFUND_STATUSES)}
_REFUNDS = frozenset(REFUND_STATUSES)
Amount = int | str


class Entry(msgspec.Struct, frozen=True, rename="camel", gc=False):
    amount: Amount
    order_line_id: Id | None = None


class RefundDetails(msgspec.Struct, frozen=True, rename="camel", gc=False):
    refund_request_id: Id | None = None
    attempt: Version | None = None
    amount: Amount | None = None
    reason: Text | None = None
    provider_reference: Text | None = None


class PaymentMessage(msgspec.Struct, frozen=True, rename="camel"):
    order_id: Id
    payment_id: Id
    occurred_at: Moment
    payment_status: Text
    amount: Amount
    currency: Text
    version: Version | None = None
    certificate_allocations: list[Entry] | None = None
    is_order_settled: bool | None = None
    outstanding_amount: Amount | None = None
    order_line_id: Id | None = None
    refund_details: RefundDetails | None = None


_decode = msgspec.json.Decoder(PaymentMessage).decode
_pack = msgspec.msgpack.Encoder().encode
_NO_DETAILS = RefundDetails()


class PaymentsIntake:
    """`status_map`: names of a foreign payment system to ours."""

    def __init__(
        self, amounts: Amounts, macs: ContentMacs, *, status_map: Mapping[str, str], policy: Policy
    ) -> None:
        unknown = set(status_map.values()) - _KNOWN.keys()
        if unknown:
            raise ValueError(f"payment_status_map leads to unknown {sorted(unknown)}")
        self._amounts = amounts
        self._macs = macs
        self._statuses = {**status_map, **_KNOWN}
        self._policy = policy

    def translate(self, value: bytes, origin: Origin) -> Translated:
        large = too_large(value)
        if large is not None:
            return large
        try:
            message = _decode(value)
            return self._understood(message, origin)
        except (*UNREADABLE, FieldFault) as error:
            return _misunderstood(value, error)

    def _understood(self, message: PaymentMessage, origin: Origin) -> Translated:
        status = self._statuses.get(message.payment_status)
        if status is None:
            if not _has_section(message):
                return NotOurs("StatusUnmapped")
            raise FieldFault("paymentStatus", "has no meaning here", code="PaymentStatusUnknown")
        known_currency(message.currency, "currency")
        printable((("orderId", message.order_id), ("paymentId", message.payment_id)))
        if status in _REFUNDS:
            return self._refund(message, status, origin)
        return [(message.order_id, self._payment(message, status, origin))]

    def _payment(self, message: PaymentMessage, status: str, origin: Origin) -> Command:
        currency, minor = message.currency, self._amounts.minor
        entries = message.certificate_allocations
        if entries is not None and len(entries) > self._policy.entries_max:
            most = self._policy.entries_max
            raise FieldFault("certificateAllocations", f"at most {most} are expected")
        occurred_at = milliseconds(message.occurred_at, "occurredAt")
        payment = ApplyPayment(
            message.payment_id,
            occurred_at if message.version is None else message.version,
            occurred_at,
            status,
            minor(message.amount, currency, "amount"),
            currency,
            None if entries is None else self._entries(entries, currency),
            message.is_order_settled,
            self._amounts.maybe_minor(message.outstanding_amount, currency, "outstandingAmount"),
            b"",
        )
        mac = self._macs.of_bytes(_pack(payment))
        return msgspec.structs.replace(payment, body_hash=mac, origin=origin)

    def _entries(self, entries: list[Entry], currency: str) -> tuple[PaymentEntry, ...]:
        minor, field = self._amounts.minor, "certificateAllocations[].amount"
        return tuple(
            PaymentEntry(entry.order_line_id, minor(entry.amount, currency, field))
            for entry in entries
        )

    def _refund(self, message: PaymentMessage, status: str, origin: Origin) -> Translated:
        details = message.refund_details or _NO_DETAILS
        currency = message.currency
        amount = self._amounts.maybe_minor(details.amount, currency, "refundDetails.amount")
        if amount is None:
            amount = self._amounts.minor(message.amount, currency, "amount")
        told = (
            details.attempt,
            status,
            message.version,
            milliseconds(message.occurred_at, "occurredAt"),
            amount,
            details.reason,
            details.provider_reference,
            origin,
        )
        if details.refund_request_id is not None:
            named = parse_refund_request_id(details.refund_request_id)
            if named is None:
                raise FieldFault("refundDetails.refundRequestId", "is none of ours")
            return [(named[0], RefundUpdate(details.refund_request_id, *told))]
        if message.order_line_id is not None:
            return [(message.order_id, RefundNotice(message.order_line_id, *told))]
        if message.certificate_allocations is not None:
            raise FieldFault("orderLineId", "or refundDetails.refundRequestId is expected")
        return NotOurs("NoLine")


def _has_section(message: PaymentMessage) -> bool:
    details = message.refund_details
    if details is not None and details.refund_request_id is not None:
        return True
    return message.certificate_allocations is not None


def _misunderstood(value: bytes, error: Exception) -> Translated:
    members = members_of(value)
    if not isinstance(members, Mapping):
        return members
    if _concerns_us(members):
        return faulty(error, members.get("orderId"))
    return NotOurs("Invalid")


def _concerns_us(members: Mapping[str, Any]) -> bool:
    """A certificate section, or flags that may settle an order of ours."""
    details = members.get("refundDetails")
    if isinstance(details, Mapping) and details.get("refundRequestId") is not None:
        return True
    names = ("certificateAllocations", "isOrderSettled", "outstandingAmount")
    return any(members.get(name) is not None for name in names)
