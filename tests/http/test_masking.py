"""The public surface tells a guest nothing about codes; the terminal is told everything."""

from typing import Any

import pytest

from app.domain.decision import Reply
from tests.http.worker import CODE, Answered, FakeLedger, Server

HOLDS = "/certificates/authorizations"
GOOD = {"code": CODE, "amount": 100, "currency": "RUB"}
REFUND = {"code": CODE, "channel": "WEB", "method": "OriginalPayment"}
HIDDEN = [
    (404, "CertificateUnknown"),
    (409, "CertificateNotActive"),
    (409, "CertificateBlocked"),
    (409, "CertificateExpired"),
    (409, "CertificateRefunded"),
    (409, "CertificateCancelled"),
]


def without_instance(answer: Answered) -> tuple[int, dict[str, Any], set[str]]:
    body = {name: value for name, value in answer.json.items() if name != "instance"}
    return answer.status, body, set(answer.headers)


async def test_every_unusable_code_looks_the_same_to_a_guest(
    server: Server, ledger: FakeLedger
) -> None:
    seen = [await server.post(HOLDS, {**GOOD, "code": "GC00"}, client="shop")]
    for status, code in HIDDEN:
        for replayed in (False, True):
            fixed = Reply(status, code, "req_first", {"available": 5}, replayed)
            ledger.answer = lambda *_, fixed=fixed: fixed
            seen.append(await server.post(HOLDS, GOOD, client="shop"))
    assert seen[0].code == "CertificateNotUsable"
    assert all(without_instance(answer) == without_instance(seen[0]) for answer in seen)
    assert len({answer.json["instance"] for answer in seen}) == len(seen)


@pytest.mark.parametrize(("status", "code"), HIDDEN)
async def test_a_terminal_is_told_the_reason(
    server: Server, ledger: FakeLedger, *, status: int, code: str
) -> None:
    ledger.answer = lambda *_: Reply(status, code, "req_0", {})
    assert (await server.post(HOLDS, GOOD)).code == code


async def test_a_guest_may_learn_that_a_refundable_certificate_expired(
    server: Server, ledger: FakeLedger
) -> None:
    ledger.answer = lambda *_: Reply(409, "CertificateExpired", "req_0", {})
    refund = await server.post("/certificates/refunds", REFUND, client="shop")
    assert refund.code == "CertificateExpired"


@pytest.mark.parametrize("code", ["InsufficientBalance", "CodeAlreadySold", "RefundInProgress"])
async def test_what_only_holders_meet_is_shown(
    server: Server, ledger: FakeLedger, code: str
) -> None:
    ledger.answer = lambda *_: Reply(409, code, "req_0", {})
    assert (await server.post(HOLDS, GOOD, client="shop")).code == code


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("Active", True),
        ("Exhausted", True),
        ("RefundPending", True),
        ("Issued", False),
        ("Allocated", False),
        ("Blocked", False),
        ("Expired", False),
        ("Refunded", False),
        ("Cancelled", False),
    ],
)
async def test_a_guest_looks_up_usable_certificates_only(
    server: Server, ledger: FakeLedger, *, status: str, shown: bool
) -> None:
    ledger.answer = lambda *_: Reply(200, None, "req_0", {"status": status})
    guest = await server.post("/certificates/lookup", {"code": CODE}, client="shop")
    till = await server.post("/certificates/lookup", {"code": CODE})
    assert till.json == {"status": status}
    assert guest.status == (200 if shown else 404)


async def miss(server: Server, terminal: str, *, client: str = "till") -> Answered:
    body = {"code": CODE}
    return await server.post("/certificates/lookup", body, client=client, Terminal_Id=terminal)


@pytest.mark.parametrize("client", ["till", "shop"])
async def test_the_21st_miss_of_a_terminal_is_refused_and_another_is_served(
    server: Server, ledger: FakeLedger, client: str
) -> None:
    ledger.answer = lambda *_: Reply(404, "CertificateUnknown", "req_0", {})
    answers = [await miss(server, "T1", client=client) for _ in range(21)]
    assert [answer.status for answer in answers] == [404] * 20 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 601
    assert (await miss(server, "T2", client=client)).status == 404
    assert len(ledger.asked) == 21


async def test_malformed_codes_are_misses_too(server: Server) -> None:
    for _ in range(20):
        answer = await server.post("/certificates/lookup", {"code": "GC00"})
    assert answer.status == 422
    assert (await server.post("/certificates/lookup", {"code": "GC00"})).status == 429
    void = f"{HOLDS}/au_5r2k9mz0c7w3fq8t1xvhd4ynbe_1/void"
    assert (await server.post(void)).status == 200


async def test_an_operators_unknown_id_is_no_guess(server: Server, ledger: FakeLedger) -> None:
    ledger.answer = lambda *_: Reply(404, "CertificateUnknown", "req_0", {})
    path = "/certificates/gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
    answers = [await server.get(path, client="desk") for _ in range(22)]
    assert {answer.code for answer in answers} == {"CertificateUnknown"}
