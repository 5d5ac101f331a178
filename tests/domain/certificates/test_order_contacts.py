"""Messages to people, erased contacts, old records: certificates.md §5.1, §10."""

from typing import Any

import pytest

from app.domain.certificates.commands import (
    BlockCertificate,
    CancelCertificate,
    LineReport,
    NotificationResult,
    ReadOrder,
    ResendNotification,
    Sealed,
    SupplyContact,
)
from app.domain.certificates.entities import CERTIFICATE
from app.domain.certificates.events import Declined
from app.domain.decision import Reply
from app.domain.policy import Policy
from tests.domain.certificates.order_town import (
    DAY,
    HOUR,
    ORDER_ID,
    Town,
    call,
    entries,
    payment,
    sale,
    sold,
)

A, B = "gc_AAAA", "gc_BBBB"
PAID = payment(of=entries(l1=3_000), settled=True)
NEW_BOX = Sealed("k2", b"nonce", b"other")


@pytest.fixture
def town() -> Town:
    town = Town()
    town.issue(A, B)
    return town


@pytest.fixture
def erased(town: Town) -> Town:
    """Released after 14 days, erased 60 days later, paid all the same."""
    town.tell(sale(1, sold("1", A)))
    town.wait(75 * DAY)
    assert town.line().sealed is None
    town.tell(PAID)
    return town


def asked(reply: Reply | None) -> Reply:
    assert reply is not None
    return reply


def test_settled_after_erasure_waits_for_a_contact(erased: Town) -> None:
    assert erased.shown() == "AwaitingContact"
    assert erased.certificate(A).status == "Allocated"
    assert erased.messages() == []
    assert "ContactErased" in erased.notes()
    erased.wait(100 * DAY)
    assert erased.shown() == "AwaitingContact"


def test_a_supplied_contact_activates_and_is_written_to(erased: Town) -> None:
    reply = asked(erased.tell(SupplyContact("1", NEW_BOX, "called the buyer", call())))
    assert (reply.status, reply.fields["allocationStatus"]) == (202, "Activating")
    assert erased.shown() == "Activated"
    assert [one.sealed for one in erased.messages()] == [NEW_BOX]


def test_without_notification_activates_and_writes_to_nobody(erased: Town) -> None:
    erased.tell(SupplyContact("1", None, "handed over in the shop", call()))
    assert erased.shown() == "Activated"
    assert erased.messages() == []


def test_the_same_key_is_answered_from_memory(erased: Town) -> None:
    command = SupplyContact("1", NEW_BOX, "called", call())
    first = asked(erased.tell(command))
    again = asked(erased.tell(command))
    assert (again.status, again.fields, again.instance) == (202, first.fields, first.instance)
    assert again.replayed
    other = SupplyContact("1", NEW_BOX, "called", call(body="other"))
    assert asked(erased.tell(other)).code == "IdempotencyKeyReused"


def test_a_newer_sale_version_brings_the_contact_again(erased: Town) -> None:
    erased.tell(sale(2, sold("1", A, box=NEW_BOX)))
    assert erased.shown() == "Activated"
    assert [one.sealed for one in erased.messages()] == [NEW_BOX]


def test_money_taken_back_while_waiting_lets_the_line_wait_for_money(erased: Town) -> None:
    erased.tell(payment(version=9, status="Cancelled", settled=False))
    assert erased.shown() == "Allocated"
    erased.wait(14 * DAY)
    assert erased.shown() == "Released"


def test_a_line_whose_delivery_has_no_address_waits_too(town: Town) -> None:
    town.tell(sale(1, sold("1", A, box=None)), PAID)
    assert town.shown() == "AwaitingContact"


def test_a_line_without_delivery_activates_in_silence(town: Town) -> None:
    town.tell(sale(1, sold("1", A, box=None, delivery="NONE")), PAID)
    assert town.shown() == "Activated"
    assert town.messages() == []


@pytest.mark.parametrize(
    ("line_id", "answer"), [("7", (404, "LineUnknown")), ("1", (409, "ContactNotAsked"))]
)
def test_a_contact_nobody_asked_for(town: Town, line_id: str, answer: tuple[int, str]) -> None:
    town.tell(sale(1, sold("1", A)))
    reply = asked(town.tell(SupplyContact(line_id, NEW_BOX, "why not", call())))
    assert (reply.status, reply.code) == answer
    declined = [one.audit.code for one in town.events if isinstance(one, Declined)]
    assert declined == ([reply.code] if reply.status == 409 else [])


def test_the_result_of_a_message_is_kept_and_sent_is_final(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), PAID)
    states = []
    for state in ("FAILED", "SENT", "FAILED"):
        town.tell(NotificationResult("1", 1, state))
        notice = town.line().notification
        assert notice is not None
        states.append(notice.state)
    assert states == ["FAILED", "SENT", "SENT"]
    assert town.notes().count("NotificationFailed") == 1


def test_a_result_of_an_older_message_changes_nothing(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), PAID, ResendNotification("1", call()))
    before = town.order
    town.tell(NotificationResult("1", 1, "FAILED"))
    assert town.order is before
    assert [one.id for one in town.messages()] == [
        "SO-1:1:activated:1",
        "SO-1:1:activated:2",
    ]


@pytest.mark.parametrize(
    ("sent", "gone_after"), [(True, 7), (False, 60)], ids=["sent", "never sent"]
)
def test_the_box_leaves_in_time_and_no_message_can_follow(
    town: Town, sent: bool, gone_after: int
) -> None:
    town.tell(sale(1, sold("1", A)), PAID)
    if sent:
        town.tell(NotificationResult("1", 1, "SENT"))
    town.wait(gone_after * DAY - HOUR)
    assert asked(town.tell(ResendNotification("1", call("a")))).status == 202
    town.tell(NotificationResult("1", 2, "SENT"))
    town.wait(8 * DAY)
    assert town.line().sealed is None
    reply = asked(town.tell(ResendNotification("1", call("b"))))
    assert (reply.status, reply.code) == (409, "NotificationGone")


def test_an_activation_that_is_refused_is_an_alert(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.states["certificate", A] = None
    town.tell(PAID)
    assert town.shown() == "Refused CertificateUnknown"
    assert "PaidNotDeliverable" in town.notes()


def test_a_blocked_certificate_cannot_be_sold_but_can_be_later(town: Town) -> None:
    town.decide(CERTIFICATE, A, BlockCertificate("lost", call=call()))
    town.tell(sale(1, sold("1", A)), PAID)
    assert town.shown() == "Refused CertificateBlocked"
    town.states["certificate", A] = None
    town.issue(A)
    town.tell(sale(2, sold("1", A)))
    assert town.shown() == "Activated"


def test_a_cancelled_certificate_cannot_be_sold(town: Town) -> None:
    town.decide(CERTIFICATE, A, CancelCertificate("misprinted", call=call()))
    town.tell(sale(1, sold("1", A)))
    assert town.shown() == "Refused CertificateCancelled"


@pytest.mark.parametrize(
    "report",
    [
        LineReport("7", 1, "allocate", B, None),
        LineReport("1", 0, "allocate", B, None),
    ],
    ids=["unknown line", "older attempt"],
)
def test_an_allocation_nobody_wants_is_given_back(town: Town, report: LineReport) -> None:
    town.tell(sale(1, sold("1", A)), report)
    assert ("ReleaseCertificate", B) in town.sent
    assert town.order.asks == ()


def test_a_line_that_never_asked_takes_no_answer(town: Town) -> None:
    town.tell(sale(1, sold("2", A), sold("1", B, currency="USD")))
    town.tell(LineReport("1", 0, "allocate", B, None))
    assert town.shown() == "Refused CurrencyMismatch"
    assert ("ReleaseCertificate", B) in town.sent


def test_a_report_that_is_out_of_date_changes_nothing(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    before = town.order
    for what in ("activate", "release", "block", "unblock"):
        town.tell(LineReport("1", 1, what, A, None))
    town.tell(LineReport("1", 1, "allocate", A, "CodeAlreadySold"))
    assert town.order is before


def test_a_report_of_a_new_kind_is_no_silence(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    with pytest.raises(ValueError, match="which no order asks"):
        town.tell(LineReport("1", 1, "melt", A, None))


def test_a_release_that_finds_the_certificate_active_ends_activated(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.lost = {"LineReport"}
    town.tell(sale(2, status="Cancelled"))
    town.lost = set()
    assert town.shown() == "Releasing"
    town.tell(LineReport("1", 1, "release", A, "AlreadyActivated"))
    assert town.shown() == "Activated"
    assert town.line().blocks == ("order-cancelled",)


def test_an_order_can_be_read(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), PAID)
    reply = asked(town.tell(ReadOrder("req_1")))
    lines: list[dict[str, Any]] = reply.fields["lines"]
    assert (reply.status, reply.fields["settled"], len(lines)) == (200, True, 1)
    assert lines[0]["allocationStatus"] == "Activated"


@pytest.mark.parametrize("stub", [True, False])
def test_what_is_unknown_cannot_be_read(town: Town, stub: bool) -> None:
    if stub:
        town.tell(payment(settled=True))
    reply = asked(town.tell(ReadOrder("req_1")))
    assert (reply.status, reply.code) == (404, "OrderUnknown")


def test_an_old_record_shrinks_and_still_answers(town: Town) -> None:
    town.tell(sale(3, sold("1", A), sold("2", B)), PAID)
    town.wait(1_000 * DAY)
    assert town.order.shrunk
    assert town.order.payments == {}
    assert town.order.next_due is None
    line = town.line()
    assert (line.certificate_id, line.attempt, line.status) == (A, 1, "Activated")
    before, told = town.order, len(town.events)
    assert asked(town.tell(sale(2, sold("1", B)))).code == "StaleVersion"
    town.tell(sale(3, sold("1", A), sold("2", B)))
    assert town.order is before
    assert len(town.events) == told
    town.tell(payment("P-9", 9, status="ChargedBack"))
    assert town.certificate(A).status == "Blocked"
    assert town.line().blocks == ("chargeback:P-9",)


def test_stored_answers_are_bounded(erased: Town) -> None:
    for n in range(100):
        erased.tell(ResendNotification("1", call(f"k{n}")))
    assert len(erased.order.requests) == erased.policy.refusals_max


def test_too_many_successes_in_a_day_are_refused_for_a_while() -> None:
    town = Town(policy=Policy(results_max=2))
    town.issue(A)
    town.tell(sale(1, sold("1", A)), PAID)
    replies = [asked(town.tell(ResendNotification("1", call(f"k{n}")))) for n in range(3)]
    assert [one.status for one in replies] == [202, 202, 429]
    town.wait(DAY)
    assert asked(town.tell(ResendNotification("1", call("k2")))).status == 202
    assert asked(town.tell(ResendNotification("1", call("k0")))).replayed is False
    assert ORDER_ID in town.messages()[0].id
