"""States of an order of marking codes and the table of what may follow what."""

from enum import StrEnum


class Profile(StrEnum):
    DOCUMENT_FIRST = "document_first"
    ORDER_FIRST = "order_first"


class OrderStatus(StrEnum):
    INIT = "INIT"
    CHECKED = "CHECKED"
    DOC_SIGNING = "DOC_SIGNING"
    DOC_SENDING = "DOC_SENDING"
    DOC_CHECKING = "DOC_CHECKING"
    DOC_ACCEPTED = "DOC_ACCEPTED"
    SUZ_SIGNING = "SUZ_SIGNING"
    SUZ_SENDING = "SUZ_SENDING"
    EMITTING = "EMITTING"
    COLLECTING = "COLLECTING"
    READY_TO_CLOSE = "READY_TO_CLOSE"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    POSTPROCESSING = "POSTPROCESSING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    DOC_REJECTED = "DOC_REJECTED"
    DECLINED = "DECLINED"


class Hold(StrEnum):
    SIGN_IN = "sign_in"
    SIGNATURE = "signature"
    UPSTREAM = "upstream"
    SUZ_LIMIT = "suz_limit"
    UNKNOWN_OUTCOME = "unknown_outcome"
    ATTENTION = "attention"


class Cause(StrEnum):
    """Who causes a move; the runner under its lease writes it, operators under theirs."""

    WORKER = "worker"
    SIGNER = "signer"
    POLL = "poll"
    OPERATOR = "operator"


class OrderRejection(StrEnum):
    """Refusals of a move, in order of precedence."""

    ORDER_ENDED = "order-ended"
    EDGE_UNKNOWN = "edge-unknown"
    WRONG_CAUSE = "wrong-cause"
    WRONG_PROFILE = "wrong-profile"


S = OrderStatus
_W, _P, _O, _G = Cause.WORKER, Cause.POLL, Cause.OPERATOR, Cause.SIGNER
_BOTH = frozenset(Profile)
_DOCUMENT_FIRST = frozenset({Profile.DOCUMENT_FIRST})
_ORDER_FIRST = frozenset({Profile.ORDER_FIRST})
Edge = tuple[frozenset[Cause], frozenset[Profile]]


def _by(*causes: Cause, within: frozenset[Profile] = _BOTH) -> Edge:
    return frozenset(causes), within


_CANCEL = {S.CANCELLED: _by(_O)}
TRANSITIONS: dict[OrderStatus, dict[OrderStatus, Edge]] = {
    S.INIT: {S.CHECKED: _by(_W), **_CANCEL},
    S.CHECKED: {
        S.DOC_SIGNING: _by(_W, within=_DOCUMENT_FIRST),
        S.SUZ_SIGNING: _by(_W, within=_ORDER_FIRST),
        **_CANCEL,
    },
    S.DOC_SIGNING: {S.DOC_SENDING: _by(_G, _W), **_CANCEL},
    S.DOC_SENDING: {S.DOC_CHECKING: _by(_W), S.DOC_SIGNING: _by(_W), S.DOC_REJECTED: _by(_W)},
    S.DOC_CHECKING: {
        S.DOC_ACCEPTED: _by(_W),
        S.DOC_SENDING: _by(_W),
        S.DOC_REJECTED: _by(_W, _P),
    },
    S.DOC_ACCEPTED: {
        S.SUZ_SIGNING: _by(_W, within=_DOCUMENT_FIRST),
        S.POSTPROCESSING: _by(_W, within=_ORDER_FIRST),
        **_CANCEL,
    },
    S.DOC_REJECTED: {
        S.DOC_SIGNING: _by(_O),
        S.POSTPROCESSING: _by(_O, within=_ORDER_FIRST),
        **_CANCEL,
    },
    S.SUZ_SIGNING: {S.SUZ_SENDING: _by(_G, _W), **_CANCEL},
    S.SUZ_SENDING: {S.EMITTING: _by(_W), S.SUZ_SIGNING: _by(_W), S.DECLINED: _by(_W)},
    S.DECLINED: {
        S.SUZ_SIGNING: _by(_O),
        S.DOC_SIGNING: _by(_O, within=_DOCUMENT_FIRST),
        **_CANCEL,
    },
    S.EMITTING: {
        S.COLLECTING: _by(_P, _W),
        S.CLOSED: _by(_P, _O, _W),
        S.DECLINED: _by(_P, _O, _W),
    },
    S.COLLECTING: {
        S.READY_TO_CLOSE: _by(_W, _O),
        S.CLOSED: _by(_P, _O, _W),
        S.DECLINED: _by(_O),
    },
    S.READY_TO_CLOSE: {S.CLOSING: _by(_W), S.CLOSED: _by(_W), S.COLLECTING: _by(_W)},
    S.CLOSING: {S.CLOSED: _by(_W), S.COLLECTING: _by(_W)},
    S.CLOSED: {
        S.POSTPROCESSING: _by(_W, _O),
        S.DOC_SIGNING: _by(_O, _W, within=_ORDER_FIRST),
    },
    S.POSTPROCESSING: {S.COMPLETED: _by(_W)},
    S.COMPLETED: {},
    S.CANCELLED: {},
}
ENDED = frozenset(status for status, following in TRANSITIONS.items() if not following)
CANCELLABLE = frozenset(
    status for status, following in TRANSITIONS.items() if S.CANCELLED in following
)
SENDING = frozenset({S.DOC_SENDING, S.SUZ_SENDING, S.CLOSING})


def refusal(
    source: OrderStatus, target: OrderStatus, *, cause: Cause, profile: Profile
) -> OrderRejection | None:
    """Why an order may not go from `source` to `target`; None if it may."""
    if source in ENDED:
        return OrderRejection.ORDER_ENDED
    edge = TRANSITIONS[source].get(target)
    if edge is None:
        return OrderRejection.EDGE_UNKNOWN
    causes, profiles = edge
    if cause not in causes:
        return OrderRejection.WRONG_CAUSE
    return None if profile in profiles else OrderRejection.WRONG_PROFILE


def hold_after(present: Hold | None, wanted: Hold | None, *, by: Hold | None = None) -> Hold | None:
    """The hold that stands when a step wants `wanted` (None: clear holds of kind `by`).

    A hold that clears itself never replaces `attention`, and only its own kind is cleared.
    """
    if wanted is not None:
        return present if present is Hold.ATTENTION else wanted
    return None if present is by else present


def diagram() -> str:
    """The table as a Mermaid state diagram for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> INIT"]
    for source, following in TRANSITIONS.items():
        for target, (causes, profiles) in following.items():
            label = ", ".join(sorted(causes))
            note = "" if profiles == _BOTH else f" ({min(profiles)})"
            lines.append(f"    {source} --> {target}: {label}{note}")
    return "\n".join([*lines, *(f"    {status} --> [*]" for status in sorted(ENDED))])
