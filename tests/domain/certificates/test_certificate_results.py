"""Stored answers: replay, reuse of keys, bounds (certificates.md §3.4, law 5)."""

from app.domain.certificates.commands import Due
from app.domain.certificates.events import Declined
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
