"""What a journal record of a certificate says in public: state, transactions, mart records."""

from collections.abc import Sequence

import msgspec

from app.certificates.emission import Emission
from app.certificates.publishing_internal import (
    SealDeadLetter,
    audit_part,
    publish_dead_letter,
    publish_notification,
)
from app.certificates.publishing_refunds import (
    newest_refund_id,
    publish_refund_asked,
    refund_part,
)
from app.contracts.messages import (
    After,
    CertificatePart,
    Delta,
    GiftCertificateBI,
    GiftCertificateState,
    GiftCertificateTransaction,
    OperationPart,
    RowPart,
)
from app.contracts.topics import BI, STATE, TRANSACTION
from app.domain.certificates.blocks import REFUND_CONFLICT
from app.domain.certificates.events import (
    BatchRow,
    CertificateEvent,
    DeadLettered,
    Declined,
    Moved,
    NotificationAsked,
    RefundAsked,
)
from app.domain.certificates.ids import authorization_id
from app.domain.certificates.state import Certificate
from app.domain.certificates.times import maybe_rfc3339
from app.domain.policy import Policy

# Type and reason of a change → what operators are told.
CERTIFICATE_ALERTS = {
    ("RefundOverdue", None): "RefundOverdue",
    ("Blocked", REFUND_CONFLICT): "RefundConflict",
}


class CertificateRecord(msgspec.Struct, frozen=True):
    """A journal record of a certificate, decoded, and what its publishing needs beside it."""

    state: Certificate
    events: Sequence[CertificateEvent]
    policy: Policy
    seal: SealDeadLetter


def publish_certificate(emission: Emission, record: CertificateRecord) -> None:
    moved_at = [event.at for event in record.events if type(event) is Moved]
    if moved_at:
        emission.state(STATE, moved_at[-1], certificate_state(emission.entity, record.state))
    for event in record.events:
        match event:
            case Moved():
                _moved(emission, record, event)
                if alert := CERTIFICATE_ALERTS.get((event.type, event.reason)):
                    emission.notes.append(alert)
            case Declined():
                _declined(emission, record.state, event)
            case BatchRow():
                emission.event(BI, event.at, GiftCertificateBI("BatchRow", row=row_part(event)))
            case RefundAsked():
                publish_refund_asked(emission, event)
            case NotificationAsked():
                publish_notification(emission, event)
            case DeadLettered():
                publish_dead_letter(emission, event, record.seal)


def certificate_state(certificate_id: str, state: Certificate) -> GiftCertificateState:
    order = state.order
    return GiftCertificateState(
        certificate_id,
        state.last4,
        state.status,
        state.lifecycle,
        tuple(block.reason for block in state.blocks),
        state.currency,
        state.nominal,
        state.available,
        state.held,
        state.refund_held,
        state.balance,
        state.loaded,
        state.captured,
        state.restored,
        state.refunded,
        state.written_off,
        state.shortfall,
        state.open_holds,
        maybe_rfc3339(state.valid_until),
        None if order is None else order.order_id,
        None if order is None else order.order_line_id,
        state.batch_id,
        state.product_id,
        newest_refund_id(certificate_id, state),
    )


def row_part(row: BatchRow) -> RowPart:
    return RowPart(
        row.batch_id,
        row.chunk,
        row.row,
        row.attempt,
        row.outcome,
        row.certificate_id,
        row.last4,
        row.code,
    )


def _moved(emission: Emission, record: CertificateRecord, event: Moved) -> None:
    certificate_id, state = emission.entity, record.state
    transaction = _transaction(certificate_id, state, event)
    operation = _operation(emission.event(TRANSACTION, event.at, transaction), transaction)
    balances = (event.available, event.held, event.refund_held)
    certificate = _certificate_part(certificate_id, state, balances)
    audit = audit_part(event.audit)
    told = GiftCertificateBI("Operation", certificate, operation, audit)
    emission.event(BI, event.at, told)
    refund = refund_part(certificate_id, state, event.refund_request_id, policy=record.policy)
    if refund is not None:
        told = GiftCertificateBI("Refund", certificate, audit=audit, refund=refund)
        emission.event(BI, event.at, told)


def _operation(event_id: str, transaction: GiftCertificateTransaction) -> OperationPart:
    return OperationPart(
        event_id,
        transaction.transaction_type,
        transaction.amount,
        transaction.released,
        transaction.authorization_id,
        transaction.reference,
        transaction.receipt_number,
        transaction.refund_request_id,
        transaction.reason,
        transaction.late,
        transaction.bounced,
        transaction.delta,
        transaction.metadata,
    )


def _transaction(
    certificate_id: str, state: Certificate, event: Moved
) -> GiftCertificateTransaction:
    available, held, refund_held = event.available, event.held, event.refund_held
    audit = event.audit
    return GiftCertificateTransaction(
        certificate_id,
        state.last4,
        event.type,
        event.amount,
        state.currency,
        Delta(event.d_available, event.d_held, event.d_refund_held),
        After(available, held, refund_held, available + held + refund_held),
        event.released,
        None if event.hold is None else authorization_id(certificate_id, event.hold),
        event.reference,
        event.refund_request_id,
        event.order_id,
        event.order_line_id,
        event.receipt_number,
        event.reason,
        event.late,
        event.bounced,
        _json(event.metadata),
        audit.client,
        audit.actor,
        audit.channel,
        audit.store_id,
        audit.terminal_id,
    )


def _declined(emission: Emission, state: Certificate, event: Declined) -> None:
    balances = (state.available, state.held, state.refund_held)
    certificate = _certificate_part(emission.entity, state, balances)
    told = GiftCertificateBI("Declined", certificate, audit=audit_part(event.audit))
    emission.event(BI, event.at, told)


def _certificate_part(
    certificate_id: str, state: Certificate, balances: tuple[int, int, int]
) -> CertificatePart:
    """Balances as they were after the event; the rest as it is at the end of the record."""
    order = state.order
    return CertificatePart(
        certificate_id,
        state.last4,
        state.status,
        state.currency,
        state.nominal,
        *balances,
        sum(balances),
        state.batch_id,
        None if order is None else order.order_id,
        None if order is None else order.order_line_id,
    )


def _json(metadata: str | None) -> msgspec.Raw | None:
    return None if metadata is None else msgspec.Raw(metadata.encode())
