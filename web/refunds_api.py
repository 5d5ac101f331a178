"""From requests about refunds to commands; contact and bank details are sealed here.

NOTE: the functions' names scope the stored `Idempotency-Key`: renaming one forgets its keys.
"""

from pydantic import BaseModel

from app.domain.certificates.codes import is_certificate_id
from app.domain.certificates.commands import (
    CancelRefund,
    ProvideRefundDetails,
    ReadRefund,
    RequestRefund,
    ResolveRefund,
    Sealed,
)
from app.domain.certificates.ids import parse_refund_request_id
from web import refunds_models as bodies
from web.problems import Problem
from web.refunds_models import holds_card_number
from web.routing import Asked, Target


def request_refund(asked: Asked) -> Target:
    """Both routes: the code in the path, or code or id in the body."""
    body: bodies.RefundOfCode = asked.body
    key = _refunded(asked, body)
    if body.channel != asked.client.channel:
        raise Problem("ChannelNotAllowed")
    if body.method == "Cash" and body.channel != "POS":
        raise Problem("MethodNotAllowed")
    reason = body.reason if isinstance(body, bodies.RefundRequest) else None
    _refuse_cards(body.details, reason)
    contact = _members(body.contact)
    command = RequestRefund(
        channel=body.channel,
        method=body.method,
        expected_amount=body.expected_amount,
        details=_sealed_details(asked, body, key),
        contact=asked.edge.seal_contact(contact, key) if contact else None,
        reason=reason,
        call=asked.who,
    )
    return Target(key, command)


def read_refund(asked: Asked) -> Target:
    key, name = _named_refund(asked)
    with_details = "payments" in asked.client.scopes
    return Target(key, ReadRefund(name, with_details, asked.instance))


def provide_details(asked: Asked) -> Target:
    body: bodies.RefundDetails = asked.body
    key, name = _named_refund(asked)
    if body.method == "Cash" and asked.client.channel != "POS":
        raise Problem("MethodNotAllowed")
    _refuse_cards(body.details, None)
    details = _sealed_details(asked, body, key)
    return Target(key, ProvideRefundDetails(name, body.method, details, asked.who))


def cancel_refund(asked: Asked) -> Target:
    body: bodies.CancelRefund = asked.body
    key, name = _named_refund(asked)
    return Target(key, CancelRefund(name, body.reason, asked.who))


def resolve_refund(asked: Asked) -> Target:
    body: bodies.Resolve = asked.body
    key, name = _named_refund(asked)
    return Target(key, ResolveRefund(name, body.outcome, body.amount, body.reason, asked.who))


def _refunded(asked: Asked, body: bodies.RefundOfCode) -> str:
    if not isinstance(body, bodies.RefundRequest):
        return asked.certificate_of(asked.path["code"])
    if body.certificate_id is None:
        return asked.certificate_of(body.code or "")
    if "operator" not in asked.client.scopes:
        raise Problem("ScopeMissing", detail="certificateId without the code takes scope operator")
    return body.certificate_id


def _sealed_details(asked: Asked, body: bodies.RefundDetails, key: str) -> Sealed | None:
    details = _members(body.details)
    return asked.edge.seal_payout(details, key) if details else None


def _members(model: BaseModel | None) -> dict[str, str]:
    return model.model_dump(by_alias=True, exclude_none=True) if model else {}


def _refuse_cards(details: BaseModel | None, reason: str | None) -> None:
    texts = [*_members(details).values(), reason or ""]
    if any(holds_card_number(text) for text in texts):
        raise Problem("DetailsContainCard")


def _named_refund(asked: Asked) -> tuple[str, str]:
    name = asked.path["refundRequestId"]
    named = parse_refund_request_id(name)
    if named is None or not is_certificate_id(named[0]):
        raise Problem("RefundUnknown")
    return named[0], name
