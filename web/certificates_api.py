"""From requests about certificates, sales and holds to commands.

NOTE: the functions' names scope the stored `Idempotency-Key`: renaming one forgets its keys.
"""

from datetime import UTC, datetime, timedelta

from app.domain.certificates.codes import is_certificate_id
from app.domain.certificates.commands import (
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    CancelCertificate,
    Capture,
    ExtendValidity,
    ReadCertificate,
    ReadHold,
    ReleaseCertificate,
    Restore,
    Reverse,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.ids import parse_authorization_id
from web import certificates_models as bodies
from web.problems import Problem, invalid
from web.routing import Asked, Target

RESERVATION = 0  # attempt of a till's reservation: every attempt of the order itself is newer
REFERENCE_MAX = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def lookup(asked: Asked) -> Target:
    body: bodies.Lookup = asked.body
    command = ReadCertificate(asked.instance, asked.client.id, asked.visible_stores)
    return Target(asked.certificate_of(body.code), command)


def read_certificate(asked: Asked) -> Target:
    return Target(_named_certificate(asked), ReadCertificate(asked.instance))


def check_sale(asked: Asked) -> Target:
    body: bodies.SaleCheck = asked.body
    command = AllocateCertificate(
        order_id=body.order_id,
        order_line_id=body.order_line_id,
        attempt=RESERVATION,
        nominal=body.nominal,
        currency=body.currency,
        reserve_s=body.reserve_seconds,
        call=asked.who,
    )
    return Target(asked.certificate_of(body.code), command)


def release_sale(asked: Asked) -> Target:
    body: bodies.SaleRelease = asked.body
    command = ReleaseCertificate(
        order_id=body.order_id,
        order_line_id=body.order_line_id,
        attempt=RESERVATION,
        call=asked.who,
    )
    return Target(asked.certificate_of(body.code), command)


def authorize(asked: Asked) -> Target:
    body: bodies.Authorization = asked.body
    policy, hold_s = asked.edge.policy, body.hold_seconds
    if hold_s is not None and not policy.hold_min_s <= hold_s <= policy.hold_max_s:
        raise invalid("/holdSeconds", f"{policy.hold_min_s} to {policy.hold_max_s}")
    if body.reference is None and len(asked.key) > REFERENCE_MAX:
        raise invalid("/reference", f"required with a key of over {REFERENCE_MAX} characters")
    command = Authorize(
        amount=body.amount,
        currency=body.currency,
        reference=body.reference or asked.key,
        partial_approval=body.partial_approval,
        hold_s=hold_s,
        call=asked.who,
    )
    return Target(asked.certificate_of(body.code), command)


def read_authorization(asked: Asked) -> Target:
    key, hold = _named_hold(asked)
    command = ReadHold(hold, asked.client.id, asked.visible_stores, asked.instance)
    return Target(key, command)


def capture(asked: Asked) -> Target:
    body: bodies.Capture = asked.body
    key, hold = _named_hold(asked)
    return Target(key, Capture(hold, body.amount, body.final, body.receipt_number, asked.who))


def void(asked: Asked) -> Target:
    key, hold = _named_hold(asked)
    return Target(key, VoidHold(hold, asked.who))


def restore(asked: Asked) -> Target:
    body: bodies.Restore = asked.body
    key, hold = _named_hold(asked)
    return Target(key, Restore(hold, body.amount, body.receipt_number, asked.who))


def reverse(asked: Asked) -> Target:
    body: bodies.Reversal = asked.body
    key = body.certificate_id or asked.certificate_of(body.code or "")
    return Target(key, Reverse(body.reference, milliseconds(body.occurred_at), asked.who))


def block(asked: Asked) -> Target:
    body: bodies.Block = asked.body
    command = BlockCertificate(body.reason, body.freeze_holds, call=asked.who)
    return Target(_named_certificate(asked), command)


def unblock(asked: Asked) -> Target:
    body: bodies.Reason = asked.body
    return Target(_named_certificate(asked), UnblockCertificate(body.reason, call=asked.who))


def extend(asked: Asked) -> Target:
    body: bodies.Extend = asked.body
    command = ExtendValidity(milliseconds(body.valid_until), body.reason, asked.who)
    return Target(_named_certificate(asked), command)


def cancel(asked: Asked) -> Target:
    body: bodies.Reason = asked.body
    return Target(_named_certificate(asked), CancelCertificate(body.reason, call=asked.who))


def _named_certificate(asked: Asked) -> str:
    key = asked.path["certificateId"]
    if not is_certificate_id(key):
        raise Problem("CertificateUnknown")
    return key


def _named_hold(asked: Asked) -> tuple[str, int]:
    named = parse_authorization_id(asked.path["authorizationId"])
    if named is None or not is_certificate_id(named[0]):
        raise Problem("AuthorizationUnknown")
    return named
