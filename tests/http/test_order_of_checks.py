"""Shape, rights and limits: which check answers first, and how."""

from typing import Any

import pytest

from app.domain.decision import Reply
from tests.http.worker import CODE, FakeLedger, Server, Start
from web.batches_models import BatchUpload
from web.intake import parsed
from web.problems import Problem

HOLDS = "/certificates/authorizations"
GOOD = {"code": CODE, "amount": 100, "currency": "RUB"}
BAD_CODE = {**GOOD, "code": "GC7K-2M9T-XQ4P-0D8V-R6N5"}
BAD_BODY = {"code": CODE, "amount": "100", "currency": "RUB"}


async def test_a_good_authorization_reaches_the_ledger_as_a_command(
    server: Server, ledger: FakeLedger, certificate: str
) -> None:
    answer = await server.post(HOLDS, GOOD, Store_Id="S17", Terminal_Id="T2", Actor="Анна")
    key, _, command_id, left_s = ledger.asked[0]
    command = ledger.command
    assert answer.status == 200
    assert key == certificate
    assert (command.amount, command.currency, command.reference) == (100, "RUB", "k1")
    call = command.call
    assert (call.client, call.channel, call.stores) == ("till", "POS", ("S17",))
    assert (call.store_id, call.terminal_id, call.actor) == ("S17", "T2", "Анна")
    assert call.instance == command_id
    assert command_id.startswith("req_")
    assert 0 < left_s <= 3


@pytest.mark.parametrize(
    ("client", "body", "headers", "status", "code"),
    [
        ("nobody", BAD_BODY, {}, 401, "Unauthenticated"),
        ("desk", BAD_BODY, {}, 403, "ScopeMissing"),
        ("till", b"x" * 70_000, {}, 413, "BodyTooLarge"),
        ("till", BAD_BODY, {"Content_Type": "text/plain"}, 415, "MediaTypeUnknown"),
        ("till", BAD_CODE, {"key": None}, 400, "IdempotencyKeyMissing"),
        ("till", BAD_BODY, {}, 400, "RequestInvalid"),
        ("till", b"{", {}, 400, "RequestInvalid"),
        ("till", BAD_CODE, {}, 422, "CodeMalformed"),
        ("till", GOOD, {"Store_Id": "S18"}, 403, "ScopeMissing"),
        ("till", GOOD, {"Actor": "a" * 129}, 400, "RequestInvalid"),
        ("till", GOOD, {"key": "k" * 256}, 400, "RequestInvalid"),
    ],
)
async def test_the_first_failing_check_answers(
    server: Server,
    ledger: FakeLedger,
    *,
    client: str,
    body: Any,
    headers: dict[str, Any],
    status: int,
    code: str,
) -> None:
    answer = await server.post(HOLDS, body, client=client, **headers)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"].startswith("https://gift.example/problems/")
    assert answer.json["instance"].startswith("req_")
    assert not ledger.asked


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": 0}, "/amount"),
        ({"amount": 1.0}, "/amount"),
        ({"amount": True}, "/amount"),
        ({"currency": "rub"}, "/currency"),
        ({"partialAproval": True}, "/partialAproval"),
        ({"holdSeconds": 59}, "/holdSeconds"),
        ({"holdSeconds": 604_801}, "/holdSeconds"),
        ({"reference": "a\nb"}, "/reference"),
        ({"reference": ""}, "/reference"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
async def test_an_invalid_body_is_refused_by_pointer_and_not_repeated(
    server: Server, change: dict[str, Any], pointer: str
) -> None:
    answer = await server.post(HOLDS, {**GOOD, **change})
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert CODE not in answer.content.decode()


def test_a_pointer_names_nothing_that_was_not_sent() -> None:
    """`nominal` may be a number or a text: neither of these is a member of the body."""
    body = b'{"batchId":"1","chunk":0,"generate":{"count":1,"nominal":[],"currency":"RUB"}}'
    with pytest.raises(Problem) as refused:
        parsed(BatchUpload, body)
    pointers = {error["pointer"] for error in refused.value.members["errors"]}
    assert pointers == {"/generate/nominal"}


async def test_a_long_key_needs_a_reference_of_its_own(server: Server) -> None:
    refused = await server.post(HOLDS, GOOD, key="k" * 65)
    taken = await server.post(HOLDS, {**GOOD, "reference": "r"}, key="k" * 65)
    assert refused.json["errors"][0]["pointer"] == "/reference"
    assert taken.status == 200


async def test_an_unknown_path_and_method_are_problems_too(server: Server) -> None:
    path = await server.get("/nowhere")
    method = await server.call("PUT", "/certificates/sales/check")
    assert (path.status, path.code) == (404, "RouteUnknown")
    assert (method.status, method.code, method.headers["Allow"]) == (
        405,
        "RouteMethodUnknown",
        "POST",
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{HOLDS}/au_5r2k9mz0c7w3fq8t1xvhd4ynbe_0/void", "AuthorizationUnknown"),
        (f"{HOLDS}/rf_5r2k9mz0c7w3fq8t1xvhd4ynbe_1/void", "AuthorizationUnknown"),
        (f"{HOLDS}/au_short_1/void", "AuthorizationUnknown"),
        ("/certificates/refunds/au_5r2k9mz0c7w3fq8t1xvhd4ynbe_1/cancel", "RefundUnknown"),
    ],
)
async def test_an_id_that_cannot_be_ours_is_unknown(
    server: Server, ledger: FakeLedger, *, path: str, code: str
) -> None:
    answer = await server.post(path, {})
    assert (answer.status, answer.code) == (404, code)
    assert not ledger.asked


async def test_void_takes_an_empty_or_no_body(server: Server, ledger: FakeLedger) -> None:
    path = f"{HOLDS}/au_5r2k9mz0c7w3fq8t1xvhd4ynbe_7/void"
    assert (await server.post(path)).status == 200
    assert (await server.post(path, {})).status == 200
    assert (await server.post(path, {"amount": 1})).status == 400
    assert ledger.asked[0][0] == "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
    assert ledger.command.hold == 7


async def test_a_client_over_its_rate_is_told_when_to_come_back(server: Server) -> None:
    answers = [await server.post(HOLDS, GOOD, client="slow", key=f"k{n}") for n in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[2].code, answers[2].headers["Retry-After"]) == ("TooManyRequests", "1")


async def test_a_refusal_of_the_law_is_a_problem_with_its_members(
    server: Server, ledger: FakeLedger
) -> None:
    members = {"available": 50_000, "currency": "RUB"}
    ledger.answer = lambda *_: Reply(409, "InsufficientBalance", "req_01J6Q0", members)
    answer = await server.post(HOLDS, GOOD)
    assert answer.json == {
        "type": "https://gift.example/problems/insufficient-balance",
        "title": "Insufficient balance",
        "status": 409,
        "code": "InsufficientBalance",
        "instance": "req_01J6Q0",
        "available": 50_000,
        "currency": "RUB",
    }
    assert "Idempotency-Replayed" not in answer.headers


async def test_a_replay_has_the_first_instance_and_says_so(
    server: Server, ledger: FakeLedger
) -> None:
    ledger.answer = lambda *_: Reply(409, "HoldsOpen", "req_first", {}, replayed=True)
    first, second = await server.post(HOLDS, GOOD), await server.post(HOLDS, GOOD)
    assert first.content == second.content
    assert first.json["instance"] == "req_first"
    assert first.headers["Idempotency-Replayed"] == "true"


async def test_too_many_operations_says_when_to_come_back(
    server: Server, ledger: FakeLedger
) -> None:
    ledger.answer = lambda *_: Reply(429, "TooManyOperations", "req_0", {})
    assert "Retry-After" in (await server.post(HOLDS, GOOD)).headers


async def test_a_failure_inside_leaks_nothing_and_leaves_the_outcome_open(
    server: Server, ledger: FakeLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Reply:
        raise RuntimeError(CODE)

    ledger.answer = fail
    written = await server.post(HOLDS, GOOD)
    read = await server.post("/certificates/lookup", {"code": CODE})
    logged = capsys.readouterr()
    assert (written.status, written.code) == (503, "OutcomeUnknown")
    assert (read.status, read.code) == (500, "InternalError")
    assert "RuntimeError" in logged.out
    assert CODE not in logged.out + logged.err + written.content.decode()


async def test_only_the_routes_of_a_scope_are_open(start: Start) -> None:
    server = await start(FakeLedger())
    block = "/certificates/gc_5r2k9mz0c7w3fq8t1xvhd4ynbe/block"
    assert (await server.post(block, {"reason": "x"})).code == "ScopeMissing"
    assert (await server.post(block, {"reason": "x"}, client="desk")).status == 200
    assert (await server.post(block, {}, client="desk")).status == 400
    assert (await server.get("/certificates/orders/SO-1", client="money")).status == 200
    assert (await server.get("/certificates/orders/SO-1", client="till")).status == 200
