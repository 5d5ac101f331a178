"""JSON members of answers, rendered from the few values that the state keeps of them."""

from collections.abc import Callable
from typing import Any

from app.domain.certificates.ids import authorization_id, refund_request_id
from app.domain.certificates.problems import problem
from app.domain.certificates.state import StoredResult
from app.domain.certificates.times import maybe_rfc3339
from app.domain.decision import Reply

STATE_SHAPE = "state"
WHOLE = ""

# NOTE: shapes and the order of their members are storage format, as the state is.
SHAPES: dict[str, tuple[str, ...]] = {
    "authorized": (
        "authorizationId",
        "certificateId",
        "approved",
        "partial",
        "available",
        "currency",
        "expiresAt",
    ),
    "hold": (
        "authorizationId",
        "state",
        "captured",
        "restored",
        "rest",
        "available",
        "currency",
    ),
    "late": (
        "authorizationId",
        "state",
        "captured",
        "restored",
        "rest",
        "available",
        "currency",
        "late",
    ),
    "reserved": ("certificateId", "status", "reservedUntil"),
    "released": ("certificateId", "status"),
    "reversal": ("outcome",),
    "refund": ("refundRequestId", "status", "amount", "currency", "dueAt"),
}

_RENDERED: dict[str, Callable[[str, Any], Any]] = {
    "certificateId": lambda key, _: key,
    "authorizationId": authorization_id,
    "refundRequestId": refund_request_id,
    "holds": lambda key, numbers: [authorization_id(key, n) for n in numbers],
    "expiresAt": lambda _, at: maybe_rfc3339(at),
    "reservedUntil": lambda _, at: maybe_rfc3339(at),
    "lastExpiresAt": lambda _, at: maybe_rfc3339(at),
    "dueAt": lambda _, at: maybe_rfc3339(at),
}


def members(shape: str, code: str | None, values: tuple[Any, ...], *, key: str) -> dict[str, Any]:
    """The answer's members; an answer of no shape is its only value, or empty."""
    if code is not None:
        names = problem(code).members
    elif shape in SHAPES:
        names = SHAPES[shape]
    else:
        return dict(values[0]) if values else {}
    fields: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        render = _RENDERED.get(name)
        fields[name] = value if render is None else render(key, value)
    return fields


def replayed(result: StoredResult, key: str) -> Reply:
    fields = members(result.shape, result.code, result.values, key=key)
    return Reply(result.status, result.code, result.instance, fields, replayed=True)
