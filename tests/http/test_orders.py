"""Orders as operators see and help them."""

import json
from typing import Any

import pytest

from tests.http.worker import FakeLedger, Server

LINE = "/certificates/orders/SO-1/lines/2"


async def test_a_contact_is_sealed_for_its_order_line(server: Server, ledger: FakeLedger) -> None:
    body = {"contact": {"email": "a@b.ru", "lang": "en"}, "reason": "asked by phone"}
    assert (await server.post(f"{LINE}/contact", body, client="desk")).status == 200
    key, command, *_ = ledger.asked[0]
    assert (key, ledger.command.order_line_id, ledger.command.reason) == (
        "SO-1",
        "2",
        "asked by phone",
    )
    assert json.loads(ledger.command.contact.box) == [body["contact"], "SO-12"]
    assert "a@b.ru" not in repr(command).replace(repr(ledger.command.contact), "")


async def test_an_operator_may_do_without_a_notification(
    server: Server, ledger: FakeLedger
) -> None:
    body = {"withoutNotification": True, "reason": "handed over"}
    assert (await server.post(f"{LINE}/contact", body, client="desk")).status == 200
    assert ledger.command.contact is None


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "r"},
        {"withoutNotification": False, "reason": "r"},
        {"withoutNotification": True},
        {"withoutNotification": True, "contact": {"phone": "+79990000001"}, "reason": "r"},
    ],
)
async def test_half_said_contacts_are_refused(server: Server, body: dict[str, Any]) -> None:
    answer = await server.post(f"{LINE}/contact", body, client="desk")
    assert (answer.status, answer.code) == (400, "RequestInvalid")


async def test_a_message_is_sent_again(server: Server, ledger: FakeLedger) -> None:
    assert (await server.post(f"{LINE}/notify", client="desk")).status == 200
    assert (ledger.asked[0][0], ledger.command.order_line_id) == ("SO-1", "2")


async def test_an_id_longer_than_ours_is_refused(server: Server, ledger: FakeLedger) -> None:
    answer = await server.get(f"/certificates/orders/{'x' * 65}")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "/path/orderId")
    assert not ledger.asked
