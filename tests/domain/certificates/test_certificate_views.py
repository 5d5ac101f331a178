"""Reads, ids, moments and the catalogue of refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.domain.certificates.commands import CERTIFICATE_COMMANDS, ReadCertificate, ReadHold
from app.domain.certificates.entities import CERTIFICATE, ENTITIES
from app.domain.certificates.hold_rules import HOLD_RULES
from app.domain.certificates.ids import (
    authorization_id,
    parse_authorization_id,
    parse_refund_request_id,
    refund_request_id,
)
from app.domain.certificates.problems import PROBLEMS, SILENT, is_stored, problem
from app.domain.certificates.state import Certificate, Lifecycle
from app.domain.certificates.times import end_of_day, maybe_rfc3339, rfc3339
from app.domain.certificates.transitions import TRANSITIONS
from tests.domain.certificates.certificate_desk import (
    HOUR,
    KEY,
    START,
    Desk,
    active,
    in_lifecycle,
)


def test_a_till_sees_sums_and_the_open_holds_of_its_stores() -> None:
    desk = active()
    desk.authorize(100, reference="own")
    foreign = desk.call("authorize", client="web", store_id="S99")
    desk.authorize(200, reference="foreign", call=foreign)
    desk.authorize(300, reference="closed")
    desk.void(hold=3)
    reply = desk.tell(ReadCertificate("i", client="till", stores=("S17",)))
    assert [hold["reference"] for hold in reply.fields.pop("holds")] == ["own"]
    assert reply.fields == {
        "certificateId": KEY,
        "status": "Active",
        "last4": "R6N4",
        "currency": "RUB",
        "nominal": 3_000,
        "available": 2_700,
        "held": 300,
        "validUntil": "2027-10-05T09:00:00.000Z",
    }


def test_an_operator_sees_all_but_hashes_and_sealed_parts() -> None:
    desk = in_lifecycle(Lifecycle.REFUND_PENDING)
    fields = desk.tell(ReadCertificate("i")).fields
    assert (fields["lifecycle"], fields["openHolds"]) == ("RefundPending", 0)
    assert len(fields["holds"]) == len(fields["refunds"]) == 1
    assert b"box" not in msgspec.json.encode(fields)
    assert "Ym94" not in msgspec.json.encode(fields).decode()


def test_reading_writes_nothing_unless_time_has_come() -> None:
    desk = active()
    desk.authorize(100)
    before = desk.state
    desk.tell(ReadCertificate("i"))
    assert desk.state is before
    desk.wait(HOUR)
    assert desk.tell(ReadCertificate("i")).fields["available"] == 3_000


def test_unknown_things_are_not_found() -> None:
    desk = active()
    desk.authorize(100)
    assert Desk().tell(ReadCertificate("i")).code == "CertificateUnknown"
    assert desk.tell(ReadHold(9, "till", None, "i")).code == "AuthorizationUnknown"
    assert desk.tell(ReadHold(1, "other", ("S1",), "i")).code == "AuthorizationUnknown"
    assert desk.tell(ReadHold(1, "other", None, "i")).fields["state"] == "Held"


@pytest.mark.parametrize(
    ("deed", "status"),
    [
        (lambda desk: desk.state, "Active"),
        (lambda desk: desk.block(), "Blocked"),
        (lambda desk: (desk.authorize(3_000), desk.capture()), "Exhausted"),
        (lambda desk: (desk.authorize(3_000), desk.capture(), desk.block()), "Blocked"),
        (lambda desk: (desk.refund(), desk.block()), "RefundPending"),
        (lambda desk: (desk.block(), desk.cancel()), "Cancelled"),
    ],
)
def test_the_status_shown_is_the_first_that_matches(
    deed: Callable[[Desk], Any], status: str
) -> None:
    desk = active()
    deed(desk)
    assert desk.certificate.status == status


def test_ids_name_their_owner() -> None:
    assert parse_authorization_id(authorization_id(KEY, 12)) == (KEY, 12)
    assert parse_refund_request_id(refund_request_id(KEY, 3)) == (KEY, 3)


@pytest.mark.parametrize(
    "text", ["", "au_", "au__1", "au_x_", "au_x_0", "au_x_01", "au_x_-1", "au_x_١", "rf_x_1", "x"]
)
def test_what_is_no_authorization_id_is_told_from_one(text: str) -> None:
    assert parse_authorization_id(text) is None


def test_moments_are_shown_with_milliseconds() -> None:
    assert rfc3339(START + 7) == "2026-08-31T09:00:00.007Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert maybe_rfc3339(None) is None


@pytest.mark.parametrize(
    ("tz", "at", "days", "end"),
    [
        ("Europe/Moscow", "2026-08-31T09:00:00.000Z", 365, "2027-08-31T20:59:59.999Z"),
        ("Europe/Moscow", "2026-08-31T21:00:00.000Z", 1, "2026-09-02T20:59:59.999Z"),
        ("Europe/Berlin", "2026-10-24T12:00:00.000Z", 1, "2026-10-25T22:59:59.999Z"),
        ("UTC", "2026-12-31T23:59:59.999Z", 0, "2026-12-31T23:59:59.999Z"),
    ],
)
def test_a_term_in_days_ends_with_the_day_of_business(
    tz: str, at: str, *, days: int, end: str
) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    moment = (datetime.fromisoformat(at) - epoch) // timedelta(milliseconds=1)
    assert rfc3339(end_of_day(tz, moment, days)) == end


def test_every_refusal_of_the_tables_is_in_the_catalogue() -> None:
    told = {cell.refusal for row in TRANSITIONS.values() for cell in row.values()}
    told |= {cell.refusal for row in HOLD_RULES.values() for cell in row.values()}
    assert all(problem(code).status in {404, 409, 422} for code in told if code)
    assert not PROBLEMS.keys() & SILENT.keys()


def test_only_what_may_pass_is_worth_repeating_with_the_same_key() -> None:
    retryable = {code for code, one in PROBLEMS.items() if one.retryable}
    assert retryable == {
        *("RequestInFlight", "TooManyRequests", "TooManyOperations"),
        *("OutcomeUnknown", "OwnerUnavailable", "StorageUnavailable"),
    }
    assert not any(is_stored(code) for code in retryable - {"RequestInFlight"})


def test_guests_cannot_tell_codes_apart() -> None:
    masked = {code for code in PROBLEMS if PROBLEMS[code].masked}
    assert masked == {
        *("CertificateUnknown", "CodeMalformed", "CertificateNotActive", "CertificateBlocked"),
        *("CertificateExpired", "CertificateRefunded", "CertificateCancelled"),
    }


def test_the_ledger_knows_the_certificate() -> None:
    assert CERTIFICATE in ENTITIES
    assert (CERTIFICATE.prefix, CERTIFICATE.state) == (b"c", Certificate)
    assert CERTIFICATE.commands == CERTIFICATE_COMMANDS
    assert len({entity.prefix for entity in ENTITIES}) == len(ENTITIES)


def test_an_old_record_without_newer_fields_is_still_read() -> None:
    old = msgspec.msgpack.encode(["Issued", "R6N4", False, 3_000, "RUB"])
    state = msgspec.msgpack.decode(old, type=Certificate)
    assert (state.lifecycle, state.nominal, state.holds) == (Lifecycle.ISSUED, 3_000, ())
