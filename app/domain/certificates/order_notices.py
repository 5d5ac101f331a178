"""The message with the code that follows an activation, and what became of it."""

import msgspec

from app.domain.certificates.commands import NotificationResult
from app.domain.certificates.events import NotificationAsked
from app.domain.certificates.order_state import LineStatus, Notification
from app.domain.certificates.order_turn import Turn

ASKED, SENT, FAILED = "ASKED", "SENT", "FAILED"
NO_DELIVERY = "NONE"
_TEMPLATE = "activated"


def activated(turn: Turn, line_id: str, *, valid_until: int | None) -> None:
    turn.move(line_id, LineStatus.ACTIVATED, valid_until=valid_until)
    line = turn.order.lines[line_id]
    if line.delivery == NO_DELIVERY or line.notification is not None:
        return
    if line.sealed is None:
        turn.note("ContactErased", line_id)
    else:
        notify(turn, line_id)


def notify(turn: Turn, line_id: str) -> int:
    """Asks for one message more; returns its number."""
    line = turn.order.lines[line_id]
    assert line.sealed is not None
    assert line.certificate_id is not None
    n = line.notification.n + 1 if line.notification else 1
    asked = NotificationAsked(
        turn.t,
        f"{turn.order_id}:{line_id}:{_TEMPLATE}:{n}",
        _TEMPLATE,
        line.sealed,
        line.certificate_id,
        line.last4 or "",
        line.nominal,
        line.currency,
        line.valid_until,
        turn.order_id,
        line_id,
    )
    turn.events.append(asked)
    turn.edit(line_id, notification=Notification(ASKED, n, turn.t))
    return n


def apply_result(turn: Turn, result: NotificationResult) -> None:
    """SENT is final: the gateway may have learned late that a failure was none."""
    line = turn.order.lines.get(result.order_line_id)
    if line is None or line.notification is None or line.notification.n != result.n:
        return
    if line.notification.state in {SENT, result.state}:
        return
    if result.state == FAILED:
        turn.note("NotificationFailed", result.order_line_id)
    known = msgspec.structs.replace(line.notification, state=result.state, at=turn.t)
    turn.edit(result.order_line_id, notification=known)
