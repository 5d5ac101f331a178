"""What an upstream's error means to the caller of the flow."""

import pytest

from app.domain.marking.draft import Problem
from app.integrations import errors as upstream_errors
from app.integrations.errors import Failure, FieldProblem, RetryClass, Upstream, UpstreamError
from app.marking.errors import (
    AccessError,
    CardNotOrderable,
    DropoutError,
    MarkingError,
    NotFoundError,
    OrderStateError,
    OrderValidationError,
    SignatureError,
    SignInRequired,
    UpstreamUnavailable,
    UtilisationError,
    ValidationError,
    kind_of,
    refusal_of,
)


def failure(operation: str = "product") -> Failure:
    fields = (FieldProblem("products[0].gtin", "не найдено", 1010),)
    return Failure(
        Upstream.SUZ, operation, RetryClass.SAFE, "text", retry_after_s=30, fields=fields
    )


def every(kind: type[UpstreamError]) -> list[type[UpstreamError]]:
    return [kind, *(deep for child in kind.__subclasses__() for deep in every(child))]


@pytest.mark.parametrize("kind", every(UpstreamError))
def test_every_upstream_error_becomes_a_refusal(kind: type[UpstreamError]) -> None:
    assert issubclass(kind_of(kind(failure())), MarkingError)


@pytest.mark.parametrize(
    ("kind", "operation", "expected"),
    [
        ("Unauthorized", "product", SignInRequired),
        ("Forbidden", "product", AccessError),
        ("NotFound", "product", NotFoundError),
        ("SignatureRefused", "create_order", SignatureError),
        ("ChallengeGone", "sign_in_suz", SignatureError),
        ("InvalidRequest", "submit_document", ValidationError),
        ("InvalidRequest", "create_order", OrderValidationError),
        ("InvalidRequest", "utilisation", UtilisationError),
        ("InvalidRequest", "dropout", DropoutError),
        ("RateLimited", "product", UpstreamUnavailable),
        ("BreakerOpen", "create_order", UpstreamUnavailable),
        ("AnswerLate", "product", UpstreamUnavailable),
    ],
)
def test_an_upstream_error_means(kind: str, operation: str, expected: type[MarkingError]) -> None:
    assert kind_of(getattr(upstream_errors, kind)(failure(operation))) is expected


def test_a_refusal_carries_fields_as_pointers_and_the_wait() -> None:
    error = upstream_errors.InvalidRequest(failure("create_order"))
    refusal = refusal_of(error, "Заказ не принят.", order_id="o-1")
    assert refusal.errors == (Problem("/products/0/gtin", "не найдено"),)
    assert (refusal.order_id, refusal.retry_after_s) == ("o-1", 30)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (AccessError, 403, "access-denied"),
        (NotFoundError, 404, "not-found"),
        (CardNotOrderable, 422, "card-not-orderable"),
        (ValidationError, 422, "document-invalid"),
        (OrderValidationError, 422, "order-invalid"),
        (SignatureError, 422, "signature-invalid"),
        (SignInRequired, 409, "sign-in-required"),
        (OrderStateError, 409, "order-state"),
        (DropoutError, 409, "dropout-refused"),
        (UtilisationError, 409, "utilisation-refused"),
        (UpstreamUnavailable, 503, "upstream-unavailable"),
    ],
)
def test_a_refusal_has_its_status_and_code(
    kind: type[MarkingError], status: int, code: str
) -> None:
    assert (kind.http_status, kind("text").code) == (status, code)
    assert kind("text", code="import-introduction").code == "import-introduction"
