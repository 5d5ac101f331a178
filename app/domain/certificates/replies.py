"""JSON members of answers, rendered from the few values that the state keeps of them."""

from collections.abc import Callable
from typing import Any

from app.domain.certificates.ids import authorization_id, refund_request_id
from app.domain.certificates.problems import problem
from app.domain.certificates.state import StoredResult
from app.domain.certificates.times import maybe_rfc3339, rfc3339
from app.domain.certificates.views import STATE_MEMBERS
from app.domain.decision import Reply

STATE_SHAPE = "state"
Values = tuple[Any, ...]


def _authorized(key: str, values: Values) -> dict[str, Any]:
    n, approved, partial, available, currency, expires_at = values
    return {
        "authorizationId": authorization_id(key, n),
        "certificateId": key,
        "approved": approved,
        "partial": partial,
        "available": available,
        "currency": currency,
        "expiresAt": rfc3339(expires_at),
    }


def _hold(key: str, values: Values) -> dict[str, Any]:
    n, state, captured, restored, rest, available, currency = values
    return {
        "authorizationId": authorization_id(key, n),
        "state": state,
        "captured": captured,
        "restored": restored,
        "rest": rest,
        "available": available,
        "currency": currency,
    }


def _late(key: str, values: Values) -> dict[str, Any]:
    return {**_hold(key, values), "late": True}


def _reserved(key: str, values: Values) -> dict[str, Any]:
    status, until = values
    return {"certificateId": key, "status": status, "reservedUntil": maybe_rfc3339(until)}


def _released(key: str, values: Values) -> dict[str, Any]:
    (status,) = values
    return {"certificateId": key, "status": status}


def _reversal(_key: str, values: Values) -> dict[str, Any]:
    (outcome,) = values
    return {"outcome": outcome}


def _refund(key: str, values: Values) -> dict[str, Any]:
    n, status, amount, currency, due_at = values
    return {
        "refundRequestId": refund_request_id(key, n),
        "status": status,
        "amount": amount,
        "currency": currency,
        "dueAt": rfc3339(due_at),
    }


def _state(_key: str, values: Values) -> dict[str, Any]:
    return dict(zip(STATE_MEMBERS, values, strict=False))


def _whole(_key: str, values: Values) -> dict[str, Any]:
    return dict(values[0]) if values else {}


# NOTE: names of shapes and their values are storage format, as the state is.
_SHAPES: dict[str, Callable[[str, Values], dict[str, Any]]] = {
    "authorized": _authorized,
    "hold": _hold,
    "late": _late,
    "reserved": _reserved,
    "released": _released,
    "reversal": _reversal,
    "refund": _refund,
    STATE_SHAPE: _state,
    "": _whole,
}
_REFUSED: dict[str, Callable[[str, Any], Any]] = {
    "refundRequestId": refund_request_id,
    "holds": lambda key, numbers: [authorization_id(key, n) for n in numbers],
    "lastExpiresAt": lambda _, at: rfc3339(at),
}


def answer_members(shape: str, key: str, values: Values) -> dict[str, Any]:
    return _SHAPES[shape](key, values)


def refusal_members(code: str, key: str, values: Values) -> dict[str, Any]:
    """Those that the catalogue names for the code."""
    names = problem(code).members
    return {
        name: _REFUSED[name](key, value) if name in _REFUSED else value
        for name, value in zip(names, values, strict=True)
    }


def replayed(result: StoredResult, key: str) -> Reply:
    """The first answer again, byte for byte, with its first `instance`."""
    if result.code is None:
        fields = answer_members(result.shape, key, result.values)
    else:
        fields = refusal_members(result.code, key, result.values)
    return Reply(result.status, result.code, result.instance, fields, replayed=True)
