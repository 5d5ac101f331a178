"""Acceptance scenarios of refunds, operators and orders, asked of either of two workers."""

from tests.http.law import NOMINAL
from tests.http.pair import Pair
from tests.http.worker import CODE


async def test_a_refund_is_requested_and_seen(pair: Pair) -> None:
    body = {"code": CODE, "channel": "POS", "method": "Cash", "expectedAmount": NOMINAL}
    wrong = await pair.post("/certificates/refunds", {**body, "expectedAmount": 1})
    asked = await pair.post("/certificates/refunds", body)
    name = asked.json["refundRequestId"]
    seen = await pair.workers[1].get(f"/certificates/refunds/{name}")
    second = await pair.post(f"/certificates/{CODE}/refund", {"channel": "POS", "method": "Cash"})
    details = await pair.post(f"/certificates/refunds/{name}/details", {"method": "Cash"})
    cancelled = await pair.post(f"/certificates/refunds/{name}/cancel", {})
    assert (wrong.status, wrong.code) == (409, "RefundableAmountChanged")
    assert (asked.status, asked.json["status"], asked.json["amount"]) == (
        202,
        "Requested",
        NOMINAL,
    )
    assert (seen.json["status"], "sealedDetails" in seen.json) == ("Requested", False)
    assert (second.code, second.json["refundRequestId"]) == ("RefundInProgress", name)
    assert details.code == "RefundDetailsNotAsked"
    assert cancelled.code == "RefundAlreadyStarted"


async def test_a_retried_refund_with_sealed_details_is_a_replay(pair: Pair) -> None:
    bank = {"holder": "Ivanov I", "account": "40817810099910004312", "bic": "044525225"}
    body = {"code": CODE, "channel": "POS", "method": "BankTransfer", "details": bank}
    first = await pair.post("/certificates/refunds", body, key="same")
    again = await pair.post("/certificates/refunds", body, key="same")
    name = first.json["refundRequestId"]
    money = await pair.workers[1].get(f"/certificates/refunds/{name}", client="money")
    assert (first.status, first.content) == (202, again.content)
    assert set(money.json["sealedDetails"]) == {"kid", "nonce", "box"}


async def test_an_operator_resolves_a_refund(pair: Pair) -> None:
    body = {"code": CODE, "channel": "POS", "method": "Cash"}
    name = (await pair.post("/certificates/refunds", body)).json["refundRequestId"]
    path = f"/certificates/refunds/{name}/resolve"
    settled = {"outcome": "Settled", "amount": 100_000, "reason": "paid by hand"}
    done = await pair.post(path, settled, client="desk")
    again = await pair.post(path, settled, client="desk")
    assert (done.status, done.json["status"]) == (200, "Settled")
    assert (again.status, again.code) == (409, "RefundNotOpen")
    assert await pair.available() == (200_000, 0)


async def test_an_operator_blocks_extends_and_cancels(pair: Pair) -> None:
    path = f"/certificates/{pair.key}"
    blocked = await pair.post(f"{path}/block", {"reason": "stolen"}, client="desk")
    refused = await pair.authorize(1_000)
    unblocked = await pair.post(f"{path}/unblock", {"reason": "stolen"}, client="desk")
    past = {"validUntil": "2020-01-01T00:00:00Z", "reason": "x"}
    invalid = await pair.post(f"{path}/extend", past, client="desk")
    extended = await pair.post(
        f"{path}/extend", {**past, "validUntil": "2030-01-01T00:00:00+03:00"}, client="desk"
    )
    cancelled = await pair.post(f"{path}/cancel", {"reason": "mistake"}, client="desk")
    seen = await pair.workers[1].get(path, client="desk")
    assert (blocked.status, blocked.json["status"]) == (200, "Blocked")
    assert refused.code == "CertificateBlocked"
    assert unblocked.json["status"] == "Active"
    assert (invalid.status, invalid.code) == (422, "ValidityInvalid")
    assert extended.json["validUntil"] == "2029-12-31T21:00:00.000Z"
    assert cancelled.json["status"] == "Cancelled"
    assert (seen.json["status"], seen.json["writtenOff"]) == ("Cancelled", NOMINAL)
    assert "refusals" not in seen.json
    assert "results" not in seen.json


async def test_an_order_shows_its_lines(pair: Pair) -> None:
    order = await pair.workers[1].get("/certificates/orders/SO-1")
    unknown = await pair.workers[1].get("/certificates/orders/SO-2")
    assert order.status == 200
    assert order.json["settled"] is True
    assert order.json["lines"][0]["allocationStatus"] == "Activated"
    assert (unknown.status, unknown.code) == (404, "OrderUnknown")


async def test_a_contact_nobody_asked_for_is_refused(pair: Pair) -> None:
    line = "/certificates/orders/SO-1/lines"
    body = {"withoutNotification": True, "reason": "r"}
    refused = await pair.post(f"{line}/1/contact", body, client="desk")
    missing = await pair.post(f"{line}/9/contact", body, client="desk")
    gone = await pair.post(f"{line}/1/notify", client="desk")
    assert (refused.status, refused.code) == (409, "ContactNotAsked")
    assert (missing.status, missing.code) == (404, "LineUnknown")
    assert (gone.status, gone.code) == (409, "NotificationGone")
