"""What a journal record says of a refund: to Payments, and to the mart."""

from app.certificates.emission import Emission
from app.contracts.messages import GiftCertificateRefundRequests, RefundPart, SealedDetails
from app.contracts.topics import REFUND_REQUESTS
from app.domain.certificates.events import RefundAsked
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.state import Certificate, RefundRequest
from app.domain.certificates.times import maybe_rfc3339, rfc3339
from app.domain.policy import Policy


def newest_refund_id(certificate_id: str, state: Certificate) -> str | None:
    """The open request, else the last closed one."""
    if state.refund is not None:
        return refund_request_id(certificate_id, state.refund.n)
    if state.refunds:
        return refund_request_id(certificate_id, max(closed.n for closed in state.refunds))
    return None


def publish_refund_asked(emission: Emission, asked: RefundAsked) -> None:
    details = asked.details
    sealed = None if details is None else SealedDetails(details.kid, details.nonce, details.box)
    message = GiftCertificateRefundRequests(
        "Cancel" if asked.action == "Cancel" else "Refund",
        asked.refund_request_id,
        asked.attempt,
        emission.entity,
        asked.order_id,
        asked.order_line_id,
        asked.amount,
        asked.currency,
        asked.channel,
        asked.method,
        sealed,
        rfc3339(asked.due_at),
    )
    emission.event(REFUND_REQUESTS, asked.at, message)


def refund_part(
    certificate_id: str, state: Certificate, wanted: str | None, *, policy: Policy
) -> RefundPart | None:
    """The request as it is in the end; None if the event speaks of none that is still kept."""
    refund = None if wanted is None else _find(certificate_id, state, wanted)
    if refund is None:
        return None
    order = state.order
    return RefundPart(
        refund_request_id(certificate_id, refund.n),
        certificate_id,
        refund.amount,
        state.currency,
        refund.channel,
        refund.method,
        refund.status,
        refund.attempt,
        rfc3339(refund.requested_at),
        refund.waited_ms,
        sum(paid.short for paid in refund.settlements if not paid.bounced),
        None if order is None else order.order_id,
        None if order is None else order.order_line_id,
        maybe_rfc3339(refund.initiated_at),
        maybe_rfc3339(refund.closed_at),
        maybe_rfc3339(refund.due_at(policy)),
        refund.reason,
        refund.provider_reference,
        maybe_rfc3339(refund.waiting_since),
    )


def _find(certificate_id: str, state: Certificate, wanted: str) -> RefundRequest | None:
    for refund in (*state.refunds, state.refund):
        if refund is not None and refund_request_id(certificate_id, refund.n) == wanted:
            return refund
    return None
