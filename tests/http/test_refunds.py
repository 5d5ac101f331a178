"""Refund requests: who may, by which means, and what is sealed."""

import json
from typing import Any

import pytest

from app.domain.decision import Reply
from tests.http.worker import CODE, FakeLedger, Server
from web.refunds_models import holds_card_number

REFUNDS = "/certificates/refunds"
REFUND = f"{REFUNDS}/rf_5r2k9mz0c7w3fq8t1xvhd4ynbe_1"
BANK = {"holder": "Ivanov I", "account": "40817810099910004312", "bic": "044525225"}
TRANSFER = {"code": CODE, "channel": "POS", "method": "BankTransfer", "details": BANK}
CARD = "4111 1111 1111 1111"


async def test_contact_and_details_are_sealed_for_the_certificate(
    server: Server, ledger: FakeLedger, certificate: str
) -> None:
    contact = {"phone": "+79990000001"}
    body = {**TRANSFER, "contact": contact, "expectedAmount": 200}
    assert (await server.post(REFUNDS, body)).status == 200
    command = ledger.command
    assert json.loads(command.details.box) == [BANK, certificate]
    assert json.loads(command.contact.box) == [{**contact, "lang": "ru"}, certificate]
    assert (command.channel, command.method, command.expected_amount) == (
        "POS",
        "BankTransfer",
        200,
    )


async def test_the_code_may_stand_in_the_path(
    server: Server, ledger: FakeLedger, certificate: str
) -> None:
    body = {"channel": "POS", "method": "OriginalPayment"}
    assert (await server.post(f"/certificates/{CODE}/refund", body)).status == 200
    assert ledger.asked[0][0] == certificate


@pytest.mark.parametrize(
    ("client", "change", "status", "code"),
    [
        ("till", {"channel": "WEB"}, 422, "ChannelNotAllowed"),
        ("shop", {"channel": "WEB", "method": "Cash", "details": None}, 422, "MethodNotAllowed"),
        ("till", {"details": {**BANK, "holder": f"I {CARD} 123"}}, 422, "DetailsContainCard"),
        ("till", {"details": None}, 400, "RequestInvalid"),
        ("till", {"details": {"phone": "+79990000001", "bank": "B"}}, 400, "RequestInvalid"),
        ("till", {"method": "OriginalPayment"}, 400, "RequestInvalid"),
        ("till", {"certificateId": "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"}, 400, "RequestInvalid"),
        ("till", {"contact": {"lang": "ru"}}, 400, "RequestInvalid"),
        ("till", {"contact": {"phone": "89990000001"}}, 400, "RequestInvalid"),
    ],
)
async def test_refund_requests_that_are_refused(
    server: Server, *, client: str, change: dict[str, Any], status: int, code: str
) -> None:
    answer = await server.post(REFUNDS, {**TRANSFER, **change}, client=client)
    assert (answer.status, answer.code) == (status, code)


async def test_only_an_operator_refunds_by_id_and_with_a_reason(
    server: Server, ledger: FakeLedger
) -> None:
    key = "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
    body = {"certificateId": key, "method": "OriginalPayment", "reason": "lost card"}
    till = await server.post(REFUNDS, {**body, "channel": "POS"})
    desk = await server.post(REFUNDS, {**body, "channel": "OPERATOR"}, client="desk")
    silent = await server.post(
        REFUNDS, {**body, "channel": "OPERATOR", "reason": None}, client="desk"
    )
    assert (till.status, till.code) == (403, "ScopeMissing")
    assert (desk.status, ledger.asked[0][0], ledger.command.reason) == (200, key, "lost card")
    assert silent.status == 400


async def test_sealed_details_are_shown_to_payments_only(
    server: Server, ledger: FakeLedger
) -> None:
    for client, shown in (("money", True), ("till", False), ("desk", False)):
        await server.get(REFUND, client=client)
        assert ledger.command.with_details is shown


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"outcome": "Settled", "amount": 5, "reason": "r"}, 200),
        ({"outcome": "Failed", "reason": "r"}, 200),
        ({"outcome": "Settled", "reason": "r"}, 400),
        ({"outcome": "Failed", "amount": 5, "reason": "r"}, 400),
        ({"outcome": "Failed"}, 400),
    ],
)
async def test_resolving_takes_an_amount_with_settled_only(
    server: Server, body: dict[str, Any], status: int
) -> None:
    assert (await server.post(f"{REFUND}/resolve", body, client="desk")).status == status


async def test_details_asked_for_are_sealed_too(server: Server, ledger: FakeLedger) -> None:
    body = {"method": "FastPayments", "details": {"phone": "+79990000001", "bank": "B"}}
    ledger.answer = lambda *_: Reply(202, None, "req_0", {})
    assert (await server.post(f"{REFUND}/details", body)).status == 202
    assert json.loads(ledger.command.details.box)[0] == body["details"]


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("4111111111111111", True),
        (CARD, True),
        ("4111-1111-1111-1111", True),
        (f"call me: {CARD} 123", True),
        ("４１１１111111111111", True),
        ("4111111111111112", False),
        ("40817810099910004312", False),
        ("411111111111", False),
        ("+79990000001", False),
        ("no digits", False),
    ],
)
def test_card_numbers_are_recognised(text: str, card: bool) -> None:
    assert holds_card_number(text) is card
