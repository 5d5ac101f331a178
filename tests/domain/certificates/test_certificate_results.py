"""Stored answers: replay, reuse of keys, bounds (certificates.md §3.4, law 5)."""

import msgspec
import pytest

from app.domain.certificates.commands import Due
from app.domain.certificates.events import Declined
from app.domain.certificates.results import PAGE, count, with_success
from app.domain.certificates.state import StoredResult
from app.domain.decision import LostPage, Reply
from app.domain.policy import Policy
from tests.domain.certificates.certificate_desk import (
    DAY,
    HOUR,
    MINUTE,
    Desk,
    active,
    moves,
)


def test_an_authorization_is_answered_again_with_its_first_instance() -> None:
    desk = active()
    first = desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    before = desk.state
    again = desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    assert again.replayed
    assert not first.replayed
    assert (again.status, again.fields, again.instance) == (201, first.fields, first.instance)
    assert desk.state is before
    assert desk.last.events == ()


def test_a_key_with_another_body_is_refused_and_the_first_answer_stays() -> None:
    desk = active()
    desk.authorize(100, call=desk.call("authorize", "k"))
    other = desk.authorize(200, call=desk.call("authorize", "k", body_hash=b"other"))
    assert (other.status, other.code) == (422, "IdempotencyKeyReused")
    assert desk.authorize(100, call=desk.call("authorize", "k")).replayed


def test_a_refusal_stays_a_refusal_though_money_becomes_free() -> None:
    desk = active()
    desk.authorize(3_000, reference="all")
    refused = desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    assert (refused.code, refused.fields["available"]) == ("InsufficientBalance", 0)
    desk.void()
    again = desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    assert (again.code, again.replayed, again.fields) == (
        "InsufficientBalance",
        True,
        {"available": 0, "currency": "RUB"},
    )
    assert desk.authorize(100, reference="r").status == 201


def test_a_refused_request_is_told_to_the_audit() -> None:
    desk = active()
    desk.authorize(9_000, call=desk.call("authorize", "k"))
    (event,) = desk.last.events
    assert isinstance(event, Declined)
    audit = event.audit
    told = (audit.command, audit.outcome, audit.code, audit.client, audit.actor)
    assert told == ("Authorize", "refused", "InsufficientBalance", "till", "cashier-5")
    assert audit.key_hash == b"k".ljust(16, b".").hex()


def test_a_request_about_an_unknown_certificate_writes_nothing() -> None:
    desk = Desk()
    assert desk.authorize(1).status == 404
    assert desk.give_up().status == 200
    assert desk.reserve().code == "CertificateUnknown"
    assert desk.state is None
    assert desk.last.events == ()


def test_only_answers_of_409_and_422_are_kept_as_refusals() -> None:
    desk = active()
    assert desk.capture(hold=9).status == 404
    assert desk.authorize(0).status == 400
    assert desk.certificate.refusals == {}
    assert desk.authorize(1, currency="EUR").status == 422
    assert desk.authorize(9_000).status == 409
    assert len(desk.certificate.refusals) == 2
    desk = active(Policy(holds_open_max=0))
    assert desk.authorize(1).status == 429
    assert desk.certificate.refusals == {}


def test_after_64_other_refusals_the_oldest_key_is_decided_anew() -> None:
    desk = active()
    desk.authorize(3_000, reference="all")
    for n in range(65):
        desk.authorize(1, reference=f"r{n}", call=desk.call("authorize", f"k{n}"))
    desk.void()
    assert desk.authorize(1, reference="r0", call=desk.call("authorize", "k0")).status == 201
    assert desk.authorize(1, reference="r1", call=desk.call("authorize", "k1")).replayed
    assert len(desk.certificate.refusals) == 64


def test_the_oldest_success_leaves_but_none_younger_than_a_day() -> None:
    desk = active(Policy(results_max=3))
    first = desk.call("authorize", "k0")
    desk.authorize(1, reference="r0", call=first)
    for _ in range(2):
        desk.wait(HOUR).capture(1, final=False)
        desk.void()
        desk.authorize(1, reference=f"more-{desk.asked}")
    assert desk.last.reply is not None
    assert desk.last.reply.code == "TooManyOperations"
    assert len(desk.certificate.results) == 3
    before = desk.certificate.available
    assert desk.extend(desk.now + DAY).code == "TooManyOperations"
    assert desk.certificate.available == before
    desk.wait(DAY)
    assert desk.authorize(5, reference="next day").status == 201
    assert len(desk.certificate.results) == 3


def test_successes_are_forgotten_after_thirty_days() -> None:
    desk = active()
    desk.authorize(1, reference="r0")
    desk.wait(31 * DAY)
    desk.authorize(1, reference="r1")
    assert len(desk.certificate.results) == 1


def busy(desk: Desk, times: int, *, first: int = 0) -> dict[str, Reply]:
    """As many successes, each under a key of its own, a minute apart."""
    told = {}
    for n in range(first, first + times, 2):
        key, other = f"{n:04}-key", f"{n + 1:04}-key"
        told[key] = desk.wait(MINUTE).authorize(
            1, reference=f"r{n}", call=desk.call("authorize", key)
        )
        hold = desk.certificate.holds[-1].n
        told[other] = desk.void(hold=hold, call=desk.call("void", other))
    return told


def again(desk: Desk, n: int) -> Reply:
    call = desk.call("authorize", f"{n:04}-key")
    return desk.authorize(1, reference=f"r{n}", call=call)


def test_what_stands_on_pages_is_answered_again_and_the_state_stays_small() -> None:
    desk = active(Policy(holds_kept_max=200))
    told = busy(desk, 256)
    assert count(desk.certificate) == 256
    assert len(desk.certificate.results) <= PAGE
    assert len(msgspec.msgpack.encode(desk.certificate.marks)) < 256 * 9
    before = desk.state
    for n in range(0, 256, 2):
        reply = again(desk, n)
        assert (reply.replayed, reply.fields) == (True, told[f"{n:04}-key"].fields)
    assert desk.state is before
    assert desk.authorize(1, reference="one more").code == "TooManyOperations"


def test_from_pages_too_the_oldest_leaves_but_none_younger_than_a_day() -> None:
    desk = active(Policy(results_max=40, holds_kept_max=1_000))
    busy(desk, 40)
    assert desk.authorize(1, reference="early").code == "TooManyOperations"
    desk.wait(DAY - 20 * MINUTE + 2_000)  # the first pair is a day old
    busy(desk, 2, first=40)
    assert count(desk.certificate) == 40
    assert again(desk, 2).replayed
    anew = again(desk, 0)
    assert (anew.replayed, anew.code) == (False, "AlreadyVoided")


def test_pages_are_used_again() -> None:
    desk = active(Policy(results_max=40, holds_kept_max=1_000, results_young_h=0))
    for day in range(20):
        busy(desk.wait(DAY), 40, first=40 * day)
        assert again(desk, 40 * day + 2).replayed
        assert len(set(desk.certificate.pages)) == len(desk.certificate.pages)
    assert set(desk.pages) <= {0, 1, 2, 3}


def test_a_mark_may_lie_and_the_page_decides() -> None:
    desk = active(Policy(holds_kept_max=200))
    busy(desk, 40)
    assert desk.certificate.marks.startswith(b"0000")
    stranger = desk.call("authorize", "0000-stranger")
    assert not desk.authorize(1, reference="other", call=stranger).replayed


def test_a_page_of_another_time_is_not_taken_for_the_one_that_was_written() -> None:
    desk = active()
    busy(desk, 40)
    before = desk.state
    desk.pages[0] = desk.pages[1]
    with pytest.raises(LostPage):
        again(desk, 0)
    assert desk.state is before


def test_a_lower_maximum_forgets_what_is_a_day_old_and_nothing_younger() -> None:
    desk = active(Policy(holds_kept_max=200))
    busy(desk, 20)
    busy(desk.wait(DAY), 40, first=20)
    desk.policy = Policy(results_max=10)
    made = StoredResult(b"body", desk.now, 201, None, "req", "", ())
    kept = with_success(desk.certificate, desk.call("a"), made, policy=desk.policy)
    after = msgspec.structs.replace(
        desk.certificate, results=kept.results, pages=kept.pages, marks=kept.marks
    )
    assert count(after) == 41


def test_many_results_of_schema_1_move_to_several_pages_at_once() -> None:
    desk = active(Policy(holds_kept_max=200))
    told = busy(desk, 40)
    results = {key: packed for page in desk.pages.values() for key, packed in page.items()}
    results |= desk.certificate.results
    assert len(results) == 40
    desk.state = msgspec.structs.replace(desk.certificate, results=results, pages=b"", marks=b"")
    desk.pages.clear()
    busy(desk, 2, first=40)
    assert (sorted(desk.pages), count(desk.certificate)) == ([0, 1], 42)
    for n in range(0, 40, 2):
        assert again(desk, n).fields == told[f"{n:04}-key"].fields


def test_nothing_is_decided_without_a_page_that_the_state_tells_of() -> None:
    desk = active()
    busy(desk, 40)
    before = desk.state
    del desk.pages[0]
    with pytest.raises(KeyError):
        again(desk, 0)
    assert desk.state is before


def test_a_replay_applies_what_fell_due_meanwhile() -> None:
    desk = active()
    desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    desk.wait(HOUR)
    again = desk.authorize(100, reference="r", call=desk.call("authorize", "k"))
    assert again.replayed
    assert moves(desk.last.events) == ["HoldExpired"]
    assert desk.certificate.available == 3_000


def test_time_never_runs_backwards() -> None:
    desk = active()
    desk.authorize(100, reference="r", hold_s=60)
    desk.wait(2 * MINUTE).tick()
    desk.wait(-2 * MINUTE)
    assert desk.capture().fields["late"]
    assert desk.certificate.clock == desk.now + 2 * MINUTE


def test_a_tick_without_anything_due_leaves_the_very_state() -> None:
    desk = active()
    before = desk.state
    desk.tell(Due())
    assert desk.state is before
    assert desk.certificate.next_due == desk.certificate.valid_until
