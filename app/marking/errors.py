"""What the marking flow refuses, as one tree with the code and HTTP status of every refusal.

MarkingError
├── AccessError              403 access-denied        no role, or Chestny ZNAK denies access
├── NotFoundError            404 not-found            no such goods, order, document
│   └── CardNotOrderable     422 card-not-orderable   the card is not ready for emission
├── ValidationError          422 document-invalid     a document, also import-introduction
├── OrderValidationError     422 order-invalid        the body of a SUZ order
├── SignatureError           422 signature-invalid    a signature, a challenge, a certificate
├── SignInRequired           409 sign-in-required     no live token, a person has to sign in
├── OrderStateError          409 order-state          not in this status
├── IssueRefused             422 issue-invalid        codes that may not be exported or printed so
├── IssueFailed              409 issue-failed         the file could not be made
├── DropoutError             409 dropout-refused
├── UtilisationError         409 utilisation-refused
└── UpstreamUnavailable      503 upstream-unavailable, with the seconds to wait
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from app.domain.marking.draft import Problem
from app.integrations.errors import (
    ChallengeGone,
    Forbidden,
    InvalidRequest,
    NotFound,
    Refused,
    SignatureRefused,
    Unauthorized,
    UpstreamError,
)
from app.integrations.suz import CREATE_ORDER, DROPOUT, UTILISATION

IMPORT_INTRODUCTION: Final = "import-introduction"


class MarkingError(Exception):
    """A refusal in words for the operator; codes and tokens never stand in it."""

    code_of_class: ClassVar[str]
    http_status: ClassVar[int]

    def __init__(
        self,
        text: str,
        *,
        errors: Sequence[Problem] = (),
        order_id: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.errors = tuple(errors)
        self.order_id = order_id
        self.code = code or self.code_of_class
        self.retry_after_s = retry_after_s


class AccessError(MarkingError):
    code_of_class, http_status = "access-denied", 403


class NotFoundError(MarkingError):
    code_of_class, http_status = "not-found", 404


class CardNotOrderable(NotFoundError):
    code_of_class, http_status = "card-not-orderable", 422


class ValidationError(MarkingError):
    code_of_class, http_status = "document-invalid", 422


class OrderValidationError(MarkingError):
    code_of_class, http_status = "order-invalid", 422


class SignatureError(MarkingError):
    code_of_class, http_status = "signature-invalid", 422


class SignInRequired(MarkingError):
    code_of_class, http_status = "sign-in-required", 409


class OrderStateError(MarkingError):
    code_of_class, http_status = "order-state", 409


class IssueRefused(MarkingError):
    code_of_class, http_status = "issue-invalid", 422


class IssueFailed(MarkingError):
    code_of_class, http_status = "issue-failed", 409


class DropoutError(MarkingError):
    code_of_class, http_status = "dropout-refused", 409


class UtilisationError(MarkingError):
    code_of_class, http_status = "utilisation-refused", 409


class UpstreamUnavailable(MarkingError):
    code_of_class, http_status = "upstream-unavailable", 503


_BY_OPERATION: Final[dict[str, type[MarkingError]]] = {
    CREATE_ORDER.name: OrderValidationError,
    UTILISATION.name: UtilisationError,
    DROPOUT.name: DropoutError,
}


def kind_of(error: UpstreamError) -> type[MarkingError]:
    """The refusal that an upstream's error means; total over its tree."""
    match error:
        case Unauthorized():
            return SignInRequired
        case Forbidden():
            return AccessError
        case SignatureRefused() | ChallengeGone():
            return SignatureError
        case NotFound():
            return NotFoundError
        case InvalidRequest() | Refused():
            return _BY_OPERATION.get(error.failure.operation, ValidationError)
        case _:
            return UpstreamUnavailable


def refusal_of(error: UpstreamError, text: str, *, order_id: str | None = None) -> MarkingError:
    """The refusal in the operator's words, with the remote texts field by field."""
    problems = [Problem(_pointer(one.field), one.text) for one in error.failure.fields]
    return kind_of(error)(
        text, errors=problems, order_id=order_id, retry_after_s=error.retry_after_s
    )


def _pointer(remote_name: str) -> str:
    """`products[0].gtin` as the JSON pointer `/products/0/gtin`."""
    return "/" + remote_name.replace("[", "/").replace("]", "").replace(".", "/")
