"""A certificate whose remainder is being paid out, and what is said of it."""

from app.domain.certificates.events import DeadLettered, NotificationAsked, RefundAsked
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.state import Lifecycle
from tests.domain.certificates.certificate_desk import KEY, Desk, in_lifecycle

SECOND_REFUND = refund_request_id(KEY, 2)


def requested() -> Desk:
    return in_lifecycle(Lifecycle.REFUND_PENDING)


def waiting() -> Desk:
    desk = requested()
    desk.hear("AlternateDetailsRequired", version=3)
    return desk


def asked(desk: Desk) -> list[tuple[str, int]]:
    """What the last decision tells Payments."""
    return [(one.action, one.attempt) for one in desk.last.events if isinstance(one, RefundAsked)]


def notices(desk: Desk) -> list[str]:
    return [one.id for one in desk.told if isinstance(one, NotificationAsked)]


def dead_letters(desk: Desk) -> list[str]:
    return [one.code for one in desk.last.events if isinstance(one, DeadLettered)]
