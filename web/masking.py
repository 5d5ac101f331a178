"""What guests of the web shop may not learn: which codes exist and in which state."""

from app.domain.certificates.problems import problem
from app.domain.decision import Reply
from web.access import Client

_REFUNDABLE = "CertificateExpired"
_HIDDEN_STATUS = {
    "Issued": "CertificateNotActive",
    "Allocated": "CertificateNotActive",
    "Blocked": "CertificateBlocked",
    "Expired": "CertificateExpired",
    "Refunded": "CertificateRefunded",
    "Cancelled": "CertificateCancelled",
}


def hides(client: Client, operation: str, code: str) -> bool:
    """True if this refusal must look like every other one of its kind.

    An expired certificate can be refunded, so a refund tells of it.
    """
    if client.surface != "public" or (operation == "request_refund" and code == _REFUNDABLE):
        return False
    return problem(code).masked


def seen(client: Client, reply: Reply) -> Reply:
    """A looked-up certificate, or the refusal that spending it would meet."""
    code = _HIDDEN_STATUS.get(reply.fields.get("status", ""))
    if client.surface != "public" or reply.code is not None or code is None:
        return reply
    return Reply(problem(code).status, code, reply.instance, {})
