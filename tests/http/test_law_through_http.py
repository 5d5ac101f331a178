"""Acceptance scenarios of the contract through HTTP, asked of either of two workers."""

import asyncio

import pytest

from tests.http.law import NOMINAL, LawfulLedger
from tests.http.pair import HOLDS, Pair
from tests.http.worker import CODE, Answered, Start

HOUR_MS = 3_600_000


async def test_authorize_capture_and_the_sums(pair: Pair) -> None:
    held = await pair.authorize(120_000, reference="S17-T2-000481")
    hold = held.json["authorizationId"]
    assert held.status == 201
    assert (held.json["approved"], held.json["partial"]) == (120_000, False)
    assert held.json["certificateId"] == pair.key
    assert held.json["expiresAt"] == "2026-09-01T12:30:00.000Z"
    assert await pair.available() == (180_000, 120_000)
    captured = await pair.post(f"{HOLDS}/{hold}/capture", {"amount": 100_000})
    assert captured.json == {
        "authorizationId": hold,
        "state": "Captured",
        "captured": 100_000,
        "restored": 0,
        "rest": 0,
        "available": 200_000,
        "currency": "RUB",
    }
    assert await pair.available() == (200_000, 0)


async def test_too_much_is_refused_with_the_sum_or_approved_in_part(pair: Pair) -> None:
    refused = await pair.authorize(350_000)
    partial = await pair.authorize(350_000, partialApproval=True)
    assert (refused.status, refused.code) == (409, "InsufficientBalance")
    assert (refused.json["available"], refused.json["currency"]) == (NOMINAL, "RUB")
    assert (partial.json["approved"], partial.json["partial"]) == (NOMINAL, True)


@pytest.mark.parametrize("amount", [1_000, 350_000])
async def test_the_same_key_replays_byte_for_byte_at_every_worker(pair: Pair, amount: int) -> None:
    first = await pair.authorize(amount, key="same")
    again = [await pair.authorize(amount, key="same") for _ in range(3)]
    assert {answer.content for answer in again} == {first.content}
    assert {answer.status for answer in again} == {first.status}
    assert "Idempotency-Replayed" not in first.headers
    assert all(answer.headers["Idempotency-Replayed"] == "true" for answer in again)


async def test_the_same_key_with_another_body_is_refused(pair: Pair) -> None:
    await pair.authorize(1_000, key="same", reference="r")
    other = await pair.authorize(1_001, key="same", reference="r")
    assert (other.status, other.code) == (422, "IdempotencyKeyReused")
    assert await pair.available() == (NOMINAL - 1_000, 1_000)


async def test_two_at_once_are_the_same_authorization(pair: Pair) -> None:
    both = await asyncio.gather(*(pair.authorize(1_000, key="same") for _ in range(2)))
    assert both[0].content == both[1].content
    assert await pair.available() == (NOMINAL - 1_000, 1_000)


async def test_two_hundred_at_once_approve_exactly_ten(start: Start, certificate: str) -> None:
    ledger = LawfulLedger()
    ledger.activate(certificate)
    server = await start(ledger)
    body = {"code": CODE, "amount": 30_000, "currency": "RUB"}
    answers = await asyncio.gather(
        *(server.post(HOLDS, body, key=f"k{n}", client="fast") for n in range(200))
    )
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] * 10 + [409] * 190


async def test_a_code_of_nobody_is_unknown(pair: Pair) -> None:
    other = {"code": "GC000G40R40M30E20913", "amount": 1, "currency": "RUB"}
    unknown = await pair.post(HOLDS, other)
    guest = await pair.post(HOLDS, other, client="shop")
    assert (unknown.status, unknown.code) == (404, "CertificateUnknown")
    assert (guest.status, guest.code) == (404, "CertificateNotUsable")


async def test_void_and_restore_and_their_refusals(pair: Pair) -> None:
    held = (await pair.authorize(1_000)).json["authorizationId"]
    voided = await pair.post(f"{HOLDS}/{held}/void")
    again = await pair.post(f"{HOLDS}/{held}/void")
    spent = (await pair.authorize(1_000)).json["authorizationId"]
    await pair.post(f"{HOLDS}/{spent}/capture", {"amount": 600, "final": False})
    await pair.post(f"{HOLDS}/{spent}/void")
    restored = await pair.post(f"{HOLDS}/{spent}/restore", {"amount": 600})
    beyond = await pair.post(f"{HOLDS}/{spent}/restore", {"amount": 1})
    assert (voided.status, voided.json["state"]) == (200, "Voided")
    assert (again.status, again.code) == (409, "AlreadyVoided")
    assert (restored.status, restored.json["restored"]) == (200, 600)
    assert (beyond.status, beyond.code) == (422, "RestoreExceedsCapture")
    assert await pair.available() == (NOMINAL, 0)


async def test_a_reversal_that_came_first_is_remembered(pair: Pair) -> None:
    body = {"code": CODE, "reference": "r1", "occurredAt": "2026-09-01T14:59:00+03:00"}
    first = await pair.post("/certificates/reversals", body)
    late = await pair.authorize(1_000, reference="r1")
    assert (first.status, first.json) == (202, {"outcome": "remembered"})
    assert (late.status, late.code) == (409, "ReversedBeforeArrival")


async def test_a_reversal_by_id_undoes_a_capture(pair: Pair) -> None:
    held = (await pair.authorize(1_000, reference="r1")).json["authorizationId"]
    await pair.post(f"{HOLDS}/{held}/capture", {})
    body = {"certificateId": pair.key, "reference": "r1", "occurredAt": "2026-09-01T11:59:00Z"}
    reversed_ = await pair.post("/certificates/reversals", body)
    again = await pair.post("/certificates/reversals", body)
    assert (reversed_.status, reversed_.json["outcome"]) == (200, "reversed")
    assert again.json["outcome"] == "alreadyReversed"
    assert await pair.available() == (NOMINAL, 0)


async def test_an_overdue_hold_is_captured_late(pair: Pair) -> None:
    held = (await pair.authorize(1_000, holdSeconds=60)).json["authorizationId"]
    pair.ledger.now += HOUR_MS
    assert (await pair.available()) == (NOMINAL, 0)
    late = await pair.post(f"{HOLDS}/{held}/capture", {})
    assert (late.status, late.json["late"], late.json["captured"]) == (200, True, 1_000)


async def test_holds_are_read_by_their_client_and_its_stores_only(pair: Pair) -> None:
    own = (await pair.authorize(1_000, client="slow", Store_Id="S18")).json["authorizationId"]
    near = (await pair.authorize(1_000, client="fast", Store_Id="S17")).json["authorizationId"]
    worker = pair.workers[1]
    assert (await worker.get(f"{HOLDS}/{own}", client="slow")).json["approved"] == 1_000
    assert (await worker.get(f"{HOLDS}/{own}")).code == "AuthorizationUnknown"
    assert (await worker.get(f"{HOLDS}/{near}")).status == 200
    assert (await worker.get(f"{HOLDS}/{own}", client="desk")).status == 200
    looked_up = await worker.post("/certificates/lookup", {"code": CODE})
    assert [hold["authorizationId"] for hold in looked_up.json["holds"]] == [near]


async def test_fifty_orders_ask_for_one_code_and_one_gets_it(
    start: Start, certificate: str
) -> None:
    ledger = LawfulLedger()
    ledger.issue(certificate)
    server = await start(ledger)
    sale = {"code": CODE, "orderLineId": "1", "nominal": NOMINAL, "currency": "RUB"}
    answers = await asyncio.gather(
        *(
            server.post("/certificates/sales/check", {**sale, "orderId": f"SO-{n}"}, key=f"k{n}")
            for n in range(50)
        )
    )
    winner = next(answer for answer in answers if answer.status == 200)
    assert winner.json["reservedUntil"] == "2026-09-01T12:30:00.000Z"
    assert sorted(answer.status for answer in answers) == [200] + [409] * 49
    assert {answer.code for answer in answers if answer.status == 409} == {"CodeAlreadySold"}


async def test_a_reservation_is_given_back_until_the_sale_has_come(
    start: Start, certificate: str
) -> None:
    ledger = LawfulLedger()
    ledger.issue(certificate)
    server = await start(ledger)
    line = {"code": CODE, "orderId": "SO-1", "orderLineId": "1"}
    sale = {**line, "nominal": NOMINAL, "currency": "RUB"}
    assert (await server.post("/certificates/sales/check", sale, key="1")).status == 200
    assert (await server.post("/certificates/sales/release", line, key="2")).status == 200
    assert (await server.post("/certificates/sales/check", sale, key="3")).status == 200
    ledger.sell(certificate)
    sold = await server.post("/certificates/sales/release", line, key="4")
    ledger.settle()
    active = await server.post("/certificates/sales/release", line, key="5")
    assert (sold.status, sold.code) == (409, "CertificateAllocated")
    assert (active.status, active.code) == (409, "AlreadyActivated")


async def test_guests_cannot_tell_why_a_code_is_of_no_use(start: Start, certificate: str) -> None:
    seen = []
    for prepare in ("nothing", "issue", "activate"):
        ledger = LawfulLedger()
        if prepare != "nothing":
            getattr(ledger, prepare)(certificate)
        server = await start(ledger)
        if prepare == "activate":
            await server.post(f"/certificates/{certificate}/block", {"reason": "x"}, client="desk")
        for _ in range(2):
            body = {"code": CODE, "amount": 1_000, "currency": "RUB"}
            answer = await server.post(HOLDS, body, client="shop")
            looked_up = await server.post("/certificates/lookup", {"code": CODE}, client="shop")
            seen += [(answer.status, *sorted(answer.headers), _anonymous(answer))]
            seen += [(looked_up.status, *sorted(looked_up.headers), _anonymous(looked_up))]
    assert len(set(seen)) == 1
    assert seen[0][0] == 404


def _anonymous(answer: Answered) -> str:
    return answer.content.decode().replace(answer.json["instance"], "")
