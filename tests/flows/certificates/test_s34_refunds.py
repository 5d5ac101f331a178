"""Scenarios 34, 35, 36: the remainder goes back in money, with all that Payments may want."""

import base64
import uuid
from typing import Any

import msgspec
import pytest

from app.certificates.sealing import Sealer
from app.domain.certificates.commands import Sealed
from deploy.proving.cluster import secrets_of
from tests.flows.certificates.front import REFUNDS
from tests.flows.certificates.letters import NOMINAL, Gift, moment
from tests.flows.certificates.payments_desk import PaymentsDesk
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_refund_by_the_shown_code_ends_in_money(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    body = {"channel": "POS", "method": "OriginalPayment", "expectedAmount": NOMINAL}
    asked = await scene.till.post(f"/certificates/{gift.code}/refund", body)
    assert (asked.status, asked.of("status"), asked.of("amount")) == (202, "Requested", NOMINAL)
    refund = asked.of("refundRequestId")
    await watch.until(lambda: watch.refund_requests[gift.id], "told to Payments")
    (sent,) = watch.refund_requests[gift.id]
    assert (sent["action"], sent["refundRequestId"], sent["attempt"]) == ("Refund", refund, 1)
    assert (sent["amount"], sent["orderId"], sent["sealedDetails"]) == (
        NOMINAL,
        gift.order_id,
        None,
    )
    pending = watch.state(gift.id)
    assert (pending["status"], pending["refundHeld"]) == ("RefundPending", NOMINAL)
    refused = await scene.till.authorize(gift, 100)
    assert refused.short == (409, "RefundInProgress")
    assert refused.of("refundRequestId") == refund
    await payments_desk.says(refund, "RefundInitiated")
    await payments_desk.says(refund, "RefundSettled")
    await watch.until(lambda: watch.state(gift.id)["status"] == "Refunded", "refunded")
    await watch.until(lambda: len(watch.kinds(gift.id)) == 6, "its operations, too")
    assert watch.kinds(gift.id)[3:] == ["RefundRequested", "RefundInitiated", "Refund"]
    assert (watch.state(gift.id)["balance"], watch.state(gift.id)["refunded"]) == (0, NOMINAL)
    shown = await scene.payments.get(f"{REFUNDS}/{refund}")
    assert (shown.of("status"), shown.of("orderId")) == ("Settled", gift.order_id)
    assert gift.code not in scene.cluster.logs()
    assert gift.code.replace("-", "") not in scene.cluster.logs()


async def test_holds_and_open_refunds_stand_in_the_way(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 100_000)
    early = await scene.till.refund(gift)
    assert early.short == (409, "HoldsOpen")
    assert early.of("holds") == [hold]
    await scene.till.on(hold, "void")
    refund = (await scene.till.refund(gift)).of("refundRequestId")
    second = await scene.till.refund(gift)
    assert second.short == (409, "RefundInProgress")
    assert second.of("refundRequestId") == refund
    await payments_desk.says(refund, "RefundFailed", reason="account closed")
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "RefundFailed", "failed")
    await watch.until(lambda: watch.state(gift.id)["status"] == "Active", "its state, too")
    state = watch.state(gift.id)
    assert (state["status"], state["available"], state["refundHeld"]) == ("Active", NOMINAL, 0)
    assert (await scene.till.refund(gift)).status == 202


def opened(scene: Scene, gift: Gift, sealed: dict[str, str]) -> Any:
    """The details as Payments reads them, with the key that it shares."""
    assert sealed.keys() == {"kid", "nonce", "box"}
    key = base64.b64decode(secrets_of(scene.cluster.data)["payout_key"])
    nonce, box = (base64.b64decode(sealed[name]) for name in ("nonce", "box"))
    return msgspec.json.decode(Sealer([key]).open(Sealed(sealed["kid"], nonce, box), gift.id))


async def test_details_are_asked_for_sealed_and_nowhere_in_clear(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch, phone = await scene.active(), scene.watch, scene.phone()
    refund = (await scene.till.refund(gift)).of("refundRequestId")
    details = f"{REFUNDS}/{refund}/details"
    body = {"method": "FastPayments", "details": {"phone": phone, "bank": "Northern"}}
    early = await scene.till.post(details, body)
    assert early.short == (409, "RefundDetailsNotAsked")
    await payments_desk.says(refund, "AlternateDetailsRequired", version=3)
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "AlternateDetailsRequired", "asked")
    key = str(uuid.uuid4())
    given = await scene.till.post(details, body, key=key)
    assert (given.status, given.of("status"), given.of("attempt")) == (202, "Requested", 2)
    again = await scene.till.post(details, body, key=key)
    assert again.replayed
    assert again.raw == given.raw
    elsewhere = body | {"details": {"phone": phone, "bank": "Southern"}}
    other = await scene.till.post(details, elsewhere, key=key)
    assert other.short == (422, "IdempotencyKeyReused")
    await watch.until(lambda: len(watch.refund_requests[gift.id]) == 2, "asked again")
    second = watch.refund_requests[gift.id][1]
    assert (second["attempt"], second["method"]) == (2, "FastPayments")
    assert phone not in str(second)
    assert phone.encode() not in base64.b64decode(second["sealedDetails"]["box"])
    assert opened(scene, gift, second["sealedDetails"]) == body["details"]
    await payments_desk.says(refund, "RefundSettled", attempt=2, version=1)
    await watch.until(lambda: watch.state(gift.id)["status"] == "Refunded", "refunded")
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Refund", "its operation, too")
    assert watch.kinds(gift.id).count("Refund") == 1
    shown = await scene.payments.get(f"{REFUNDS}/{refund}")
    assert shown.body.get("details") is None
    assert phone not in str(watch.told)


async def test_details_with_a_card_number_are_refused(scene: Scene) -> None:
    gift = await scene.active()
    bank = {"holder": "4111 1111 1111 1111", "account": "40817810099910004312", "bic": "044525225"}
    refused = await scene.till.refund(gift, method="BankTransfer", details=bank)
    assert refused.short == (422, "DetailsContainCard")
    assert "4111" not in refused.raw.decode()


async def test_a_buyer_who_gives_no_details_gets_the_balance_back(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    refund = (await scene.till.refund(gift)).of("refundRequestId")
    cancel = f"{REFUNDS}/{refund}/cancel"
    early = await scene.till.post(cancel, {"reason": "changed their mind"})
    assert early.short == (409, "RefundAlreadyStarted")
    await payments_desk.says(refund, "AlternateDetailsRequired")
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "AlternateDetailsRequired", "asked")
    done = await scene.till.post(cancel, {"reason": "changed their mind"})
    assert (done.status, done.of("status")) == (200, "Cancelled")
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "back")
    await watch.until(lambda: len(watch.refund_requests[gift.id]) == 2, "told to Payments")
    assert watch.refund_requests[gift.id][1]["action"] == "Cancel"


async def test_a_reversal_during_the_refund_leaves_its_money_active(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch, reference = await scene.active(), scene.watch, str(uuid.uuid4())
    hold = await scene.till.hold(gift, 100_000, reference=reference)
    await scene.till.on(hold, "capture")
    refund = (await scene.till.refund(gift)).of("refundRequestId")
    assert (await scene.till.reverse(gift, reference, moment())).of("outcome") == "reversed"
    await payments_desk.says(refund, "RefundSettled")
    await watch.until(lambda: watch.state(gift.id)["refunded"] == 200_000, "refunded")
    state = watch.state(gift.id)
    assert (state["status"], state["available"]) == ("Active", 100_000)
