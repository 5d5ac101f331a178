"""What makes two requests the same request."""

from typing import Any

import pytest

from tests.http.worker import CODE, FakeLedger, Server

HOLDS = "/certificates/authorizations"
HOLD = f"{HOLDS}/au_5r2k9mz0c7w3fq8t1xvhd4ynbe"
GOOD = {"code": CODE, "amount": 100, "currency": "RUB", "reference": "r"}


async def hashes(server: Server, ledger: FakeLedger, **asked: Any) -> tuple[bytes, bytes]:
    path = asked.pop("path", HOLDS)
    assert (await server.post(path, asked.pop("body", GOOD), **asked)).status == 200
    call = ledger.command.call
    return call.key_hash, call.body_hash


@pytest.mark.parametrize(
    "same",
    [
        {"key": '"k1"'},
        {"body": {**GOOD, "code": "gc7k2m9txq4pod8vr6n4"}},
        {"body": {**GOOD, "partialApproval": False}},
        {"body": dict(reversed(GOOD.items()))},
        {"Actor": "somebody", "Terminal_Id": "T9"},
    ],
)
async def test_the_same_request_spelled_otherwise(
    server: Server, ledger: FakeLedger, same: dict[str, Any]
) -> None:
    assert await hashes(server, ledger) == await hashes(server, ledger, **same)


@pytest.mark.parametrize("other", [{"key": "k2"}, {"key": "K1"}, {"client": "shop"}])
async def test_another_key_or_client(
    server: Server, ledger: FakeLedger, other: dict[str, Any]
) -> None:
    first, second = await hashes(server, ledger), await hashes(server, ledger, **other)
    assert first[0] != second[0]
    assert first[1] == second[1]


@pytest.mark.parametrize("change", [{"amount": 101}, {"partialApproval": True}, {"reference": "s"}])
async def test_another_body_under_the_same_key(
    server: Server, ledger: FakeLedger, change: dict[str, Any]
) -> None:
    first = await hashes(server, ledger)
    second = await hashes(server, ledger, body={**GOOD, **change})
    assert first[0] == second[0]
    assert first[1] != second[1]


async def test_the_hold_belongs_to_what_the_key_was_used_for(
    server: Server, ledger: FakeLedger
) -> None:
    first = await hashes(server, ledger, path=f"{HOLD}_1/capture", body={})
    second = await hashes(server, ledger, path=f"{HOLD}_2/capture", body={})
    void = await hashes(server, ledger, path=f"{HOLD}_1/void", body={})
    assert first[0] == second[0] != void[0]
    assert first[1] != second[1]


async def test_both_forms_of_a_refund_share_their_keys(server: Server, ledger: FakeLedger) -> None:
    body = {"channel": "POS", "method": "Cash"}
    by_path = await hashes(server, ledger, path=f"/certificates/{CODE}/refund", body=body)
    by_body = await hashes(
        server, ledger, path="/certificates/refunds", body={**body, "code": CODE}
    )
    assert by_path == by_body


async def test_hashes_are_macs_of_sixteen_bytes(server: Server, ledger: FakeLedger) -> None:
    assert [len(part) for part in await hashes(server, ledger)] == [16, 16]


@pytest.mark.parametrize("key", ['"a\\"b"', '"a\\\\b"', "a b", "é" * 3])
async def test_keys_of_the_draft_standard(server: Server, ledger: FakeLedger, key: str) -> None:
    answer = await server.post(HOLDS, {**GOOD, "reference": None}, key=key)
    if key.isascii():
        plain = key.strip('"').replace('\\"', '"').replace("\\\\", "\\")
        assert ledger.command.reference == plain
    else:
        assert answer.status == 400
