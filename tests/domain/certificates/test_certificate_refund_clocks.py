"""What time alone does to a refund (certificates.md §6.4)."""

from tests.domain.certificates.certificate_desk import (
    DAY,
    HOUR,
    MINUTE,
    REFUND,
)
from tests.domain.certificates.refund_desk import (
    asked,
    notices,
    requested,
    waiting,
)


def test_without_an_answer_payments_is_asked_again() -> None:
    desk = requested()
    for wait in (15 * MINUTE, HOUR, 6 * HOUR, DAY, DAY):
        assert desk.certificate.next_due == desk.now + wait
        desk.wait(wait - 1).tick()
        assert desk.last.events == ()
        desk.wait(1).tick()
        assert asked(desk) == [("Refund", 1)]
    desk.hear("RefundInitiated", version=1)
    desk.wait(2 * DAY).tick()
    assert asked(desk) == []


def test_after_ten_days_the_refund_is_overdue_once() -> None:
    desk = requested()
    desk.hear("RefundInitiated", version=1)
    assert desk.certificate.next_due == desk.now + 10 * DAY
    assert desk.wait(10 * DAY).tick() == ["RefundOverdue"]
    assert desk.wait(10 * DAY).tick() == []
    assert desk.certificate.next_due is None


def test_waiting_for_the_holder_does_not_count() -> None:
    desk = waiting()
    desk.wait(9 * DAY).tick()
    desk.details()
    desk.hear("RefundInitiated", attempt=2, version=1)
    desk.wait(9 * DAY)
    assert desk.tick() == []
    assert desk.wait(DAY).tick() == ["RefundOverdue"]


def test_the_holder_is_reminded_twice_and_then_the_refund_is_cancelled() -> None:
    desk = waiting()
    template = f"{REFUND}:refund_details_required"
    desk.wait(3 * DAY).tick()
    assert notices(desk) == [f"{template}:0", f"{template}:1"]
    desk.wait(4 * DAY).tick()
    assert notices(desk)[-1] == f"{template}:2"
    desk.wait(23 * DAY - 1).tick()
    assert len(notices(desk)) == 3
    assert desk.wait(1).tick() == ["RefundCancelled"]
    assert asked(desk) == [("Cancel", 1)]
    assert desk.certificate.available == 2_000


def test_an_owner_away_for_weeks_sends_one_reminder_not_two() -> None:
    desk = waiting()
    desk.wait(8 * DAY).tick()
    assert len(notices(desk)) == 2
