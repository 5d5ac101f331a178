"""Questions of orders and tills about one code, and what is answered (certificates.md §3.2)."""

import pytest

from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    BlockCertificate,
    CancelCertificate,
    Command,
    ReleaseCertificate,
    UnblockCertificate,
)
from app.domain.certificates.events import BatchRow, Declined
from app.domain.certificates.state import Allocation, Lifecycle
from app.domain.policy import Policy
from tests.domain.certificates.certificate_desk import (
    ACTIVATE,
    ALLOCATE,
    DAY,
    HOUR,
    ISSUE,
    NOMINAL,
    RELEASE,
    START,
    Desk,
    active,
    issue,
    moves,
)


def ask(desk: Desk, command: Command, id_: str) -> tuple[str, str | None]:
    """Ask under the id of a follow-up; what and how the order is told."""
    desk.tell(command, id_=id_)
    (report,) = desk.reports()
    (follow_up,) = desk.last.follow_ups
    assert follow_up.key == id_.split(":", 1)[0]
    return report.what, report.code


def test_every_question_is_answered() -> None:
    desk = Desk()
    assert ask(desk, ALLOCATE, "SO-1:1:0") == ("allocate", "CertificateUnknown")
    assert desk.certificate.status == Lifecycle.ABSENT.value
    assert ask(desk, RELEASE, "SO-1:2:0") == ("release", None)
    desk.tell(ISSUE)
    assert ask(desk, ACTIVATE, "SO-1:3:0") == ("activate", "NotAllocated")
    assert ask(desk, ALLOCATE, "SO-1:4:0") == ("allocate", None)
    assert ask(desk, ALLOCATE, "SO-1:5:0") == ("allocate", None)
    assert ask(desk, ACTIVATE, "SO-1:6:0") == ("activate", None)
    assert ask(desk, ACTIVATE, "SO-1:7:0") == ("activate", None)
    assert ask(desk, RELEASE, "SO-1:8:0") == ("release", "AlreadyActivated")
    assert [one.order_id for one in desk.certificate.senders] == ["SO-1"]


def test_a_report_carries_attempt_blocks_and_term() -> None:
    desk = Desk(issue(valid_until=None, validity_days=365), ALLOCATE)
    desk.tell(BlockCertificate("fraud", order_line_id="1"), id_="SO-1:1:0")
    desk.tell(ACTIVATE, id_="SO-1:2:0")
    (report,) = desk.reports()
    assert (report.attempt, report.certificate_id) == (1, "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe")
    assert report.blocks == ("fraud",)
    assert report.valid_until == desk.certificate.valid_until


def test_an_older_question_does_not_take_the_till_s_reservation_for_the_order_s_own() -> None:
    desk = Desk(ISSUE)
    ask(desk, RELEASE, "SO-1:5:0")
    desk.reserve()
    assert ask(desk, ALLOCATE, "SO-1:4:0") == ("release", None)
    assert desk.certificate.order is not None
    assert desk.certificate.order.reserved_until is not None


def test_an_older_question_changes_nothing_and_hears_how_things_stand() -> None:
    desk = Desk(ISSUE)
    ask(desk, ALLOCATE, "SO-1:5:0")
    before = desk.certificate.order
    assert ask(desk, RELEASE, "SO-1:5:0") == ("allocate", None)
    assert ask(desk, ACTIVATE, "SO-1:4:9") == ("allocate", None)
    assert desk.certificate.order == before
    ask(desk, RELEASE, "SO-1:6:0")
    assert ask(desk, ALLOCATE, "SO-1:5:0") == ("release", None)
    assert desk.certificate.status == Lifecycle.ISSUED.value


def test_an_old_block_does_not_come_back() -> None:
    desk = active()
    block = BlockCertificate("chargeback:P-1", order_line_id="1")
    assert ask(desk, block, "SO-1:8:0") == ("block", None)
    unblock = UnblockCertificate("chargeback:P-1", order_line_id="1")
    assert ask(desk, unblock, "SO-1:9:0") == ("unblock", None)
    assert ask(desk, block, "SO-1:8:0") == ("unblock", None)
    assert desk.certificate.blocks == ()


def test_each_order_has_its_own_sequence_and_eight_are_kept() -> None:
    desk = Desk(ISSUE, ALLOCATE)
    for n in range(9):
        other = AllocateCertificate(f"SO-{n + 2}", "1", 1, NOMINAL, "RUB")
        assert ask(desk, other, f"SO-{n + 2}:1:0") == ("allocate", "CodeAlreadySold")
    assert [one.order_id for one in desk.certificate.senders] == [f"SO-{n}" for n in range(3, 11)]


def test_a_refused_question_is_told_to_the_audit() -> None:
    desk = Desk(ISSUE, ALLOCATE)
    ask(desk, AllocateCertificate("SO-2", "1", 1, NOMINAL, "RUB"), "SO-2:1:0")
    (event,) = desk.last.events
    assert isinstance(event, Declined)
    assert event.audit.code == "CodeAlreadySold"


def test_allocation_is_refused_in_order() -> None:
    desk = Desk(issue(valid_until=START + DAY))
    wrong = AllocateCertificate("SO-1", "1", 1, 5, "EUR")
    desk.block()
    desk.wait(2 * DAY)
    assert desk.tell(wrong).code == "CertificateBlocked"
    desk.unblock()
    assert desk.tell(wrong).code == "CertificateExpired"
    desk.extend(START + 9 * DAY)
    assert desk.tell(wrong).code == "CurrencyMismatch"
    assert desk.tell(AllocateCertificate("SO-1", "1", 1, 5, "RUB")).code == "NominalMismatch"
    assert desk.tell(ALLOCATE).code is None


def test_a_newer_attempt_is_checked_again() -> None:
    desk = Desk(ISSUE, ALLOCATE)
    assert desk.tell(AllocateCertificate("SO-1", "1", 2, 5, "RUB")).code == "NominalMismatch"
    assert desk.certificate.order == Allocation("SO-1", "1", 1)
    assert desk.tell(AllocateCertificate("SO-1", "1", 2, NOMINAL, "RUB")).code is None
    assert desk.certificate.order == Allocation("SO-1", "1", 2)
    assert desk.tell(RELEASE).code is None
    assert desk.certificate.status == Lifecycle.ALLOCATED.value
    desk.tell(ReleaseCertificate("SO-1", "1", 2))
    assert desk.certificate.status == Lifecycle.ISSUED.value


def test_one_till_of_fifty_reserves_the_code() -> None:
    desk = Desk(ISSUE)
    replies = [desk.reserve(f"SO-{n}") for n in range(50)]
    assert [reply.status for reply in replies] == [200] + [409] * 49
    assert {reply.code for reply in replies[1:]} == {"CodeAlreadySold"}
    assert replies[0].fields == {
        "certificateId": "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe",
        "status": "Allocated",
        "reservedUntil": "2026-08-31T09:30:00.000Z",
    }
    desk.wait(HOUR)
    assert desk.reserve("SO-7").status == 200
    assert moves(desk.last.events) == ["Released", "Allocated"]


def test_a_reservation_of_no_seconds_only_asks() -> None:
    desk = Desk(ISSUE)
    assert desk.reserve(seconds=0).fields["status"] == "Issued"
    assert desk.certificate.order is None


def test_the_sale_confirms_its_reservation_and_takes_over_that_of_its_order() -> None:
    for line in ("1", "9"):
        desk = Desk(ISSUE)
        desk.reserve(line=line)
        assert desk.tell(ALLOCATE).code is None
        assert desk.certificate.order == Allocation("SO-1", "1", 1)
        assert moves(desk.last.events) == ["Allocated"]
        assert desk.wait(HOUR).tick() == []


def test_a_till_releases_its_reservation_but_no_sale() -> None:
    desk = Desk(ISSUE)
    desk.reserve()
    assert desk.give_up().fields["status"] == "Issued"
    desk.reserve()
    desk.tell(ALLOCATE)
    assert desk.give_up().code == "CertificateAllocated"
    desk.tell(ACTIVATE)
    assert desk.give_up().code == "AlreadyActivated"


def test_a_paid_certificate_past_its_term_is_activated_and_at_once_expired() -> None:
    desk = Desk(issue(valid_until=START + DAY), ALLOCATE)
    desk.wait(2 * DAY)
    assert desk.tell(ACTIVATE).code is None
    assert moves(desk.last.events) == ["Activated", "Expired"]
    assert desk.refund().status == 202


def test_activation_does_not_mind_a_block() -> None:
    desk = Desk(ISSUE, ALLOCATE)
    desk.block()
    assert desk.tell(ACTIVATE).code is None
    assert desk.certificate.status == "Blocked"


def test_only_the_own_line_is_activated() -> None:
    desk = Desk(ISSUE, ALLOCATE)
    assert desk.tell(ActivateCertificate("SO-1", "2", 1)).code == "NotAllocated"


def test_days_become_a_term_at_activation_unless_extended_before() -> None:
    days = issue(valid_until=None, validity_days=365)
    desk = Desk(days, ALLOCATE, ACTIVATE)
    assert desk.certificate.valid_until == 1_819_745_999_999  # 2027-08-31T20:59:59.999Z
    desk = Desk(days)
    desk.extend(START + DAY)
    desk.tell(ALLOCATE)
    desk.tell(ACTIVATE)
    assert desk.certificate.valid_until == START + DAY


def test_a_resent_row_is_a_duplicate_only_for_a_newer_attempt() -> None:
    desk = Desk(issue(metadata='{"a":1}'))
    desk.tell(issue(metadata='{"a":1}'))
    desk.tell(issue(metadata='{"a":1}', attempt=2))
    assert desk.tell(issue(metadata='{"a":2}', attempt=3)).code == "RowChanged"
    rows = [event for event in desk.told if isinstance(event, BatchRow)]
    assert [(row.outcome, row.code, row.attempt) for row in rows] == [
        ("issued", None, 1),
        ("duplicate", None, 2),
        ("rejected", "RowChanged", 3),
    ]


def test_the_cancel_of_a_chunk_keeps_what_is_sold_or_not_its_own() -> None:
    ours = CancelCertificate("lost codes", "B1", 1)
    foreign = CancelCertificate("lost codes", "B1", 2)
    desk = Desk(ISSUE)
    assert desk.tell(foreign).code is None
    assert desk.certificate.status == Lifecycle.ISSUED.value
    assert desk.tell(ours).code is None
    assert desk.certificate.status == Lifecycle.CANCELLED.value
    for sold in (Desk(ISSUE, ALLOCATE), active()):
        assert sold.tell(ours).code == "CertificateAllocated"


def test_a_cancelled_remainder_is_written_off_unless_something_is_held() -> None:
    desk = active()
    desk.authorize(500)
    assert desk.cancel().code == "HoldsOpen"
    desk.capture(500)
    assert desk.cancel().fields["writtenOff"] == NOMINAL - 500


def test_too_many_blocks_merge_into_one_that_only_an_operator_lifts() -> None:
    desk = active(Policy(blocks_max=2))
    for n in range(4):
        desk.tell(BlockCertificate(f"chargeback:P-{n}", order_line_id="1"), id_=f"SO-1:{n}:0")
    for n in range(4):
        desk.tell(UnblockCertificate(f"chargeback:P-{n}", order_line_id="1"), id_=f"SO-1:{9 + n}:0")
    assert [block.reason for block in desk.certificate.blocks] == ["several"]
    assert desk.unblock("several").fields["status"] == "Active"


@pytest.mark.parametrize("freeze", [False, True])
def test_a_merged_block_freezes_if_one_of_them_did(freeze: bool) -> None:
    desk = active(Policy(blocks_max=1))
    desk.block("first", freeze_holds=freeze)
    desk.block("second")
    (block,) = desk.certificate.blocks
    assert block.freeze_holds is freeze
