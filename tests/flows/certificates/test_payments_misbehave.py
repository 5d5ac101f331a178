"""Payments in all its manners at once: the books of both sides agree to the kopeck."""

import asyncio
import os
import random
import time
from typing import Any

import pytest

from deploy.sandbox_payments.manners import MANNERS
from tests.flows.certificates.front import REFUNDS
from tests.flows.certificates.letters import Gift
from tests.flows.certificates.payments_desk import PaymentsDesk
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROUNDS = int(os.environ.get("GIFTMARK_REFUND_ROUNDS", "2"))
OPEN = {"Requested", "Initiated", "AlternateDetailsRequired"}
ENDLESS = {"silent", "initiated", "other_amount"}


async def course(scene: Scene, desk: PaymentsDesk, manner: str, /, *, seed: int) -> Gift:
    """One refund from its request to its end, by an operator where Payments brings none."""
    dice, gift = random.Random(f"{manner}{seed}"), await scene.active()
    await desk.treats(gift, manner)
    if dice.random() < 0.5:
        hold = await scene.till.hold(gift, dice.randint(1, 200_000))
        await scene.till.on(hold, "capture")
    refund = (await scene.till.refund(gift)).of("refundRequestId")
    if manner in ("asks_details", "pays_twice"):
        kinds = scene.watch.kinds
        await scene.watch.until(lambda: "AlternateDetailsRequired" in kinds(gift.id), "asked")
        phone = {"phone": scene.phone(), "bank": "Northern"}
        body = {"method": "FastPayments", "details": phone}
        assert (await scene.till.post(f"{REFUNDS}/{refund}/details", body)).status == 202
    if manner in ENDLESS:
        body = {"outcome": "Failed", "reason": "by hand"}
        assert (await scene.desk.post(f"{REFUNDS}/{refund}/resolve", body)).status == 200
    async with asyncio.timeout(90):
        while (await scene.payments.get(f"{REFUNDS}/{refund}")).of("status") in OPEN:
            await asyncio.sleep(0.1)
    return gift


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_the_books_agree_whatever_payments_says(
    scene: Scene, payments_desk: PaymentsDesk, number: int
) -> None:
    named = [name for name in MANNERS if name != "other_amount"]
    gifts = await asyncio.gather(
        *(course(scene, payments_desk, name, seed=number) for name in named)
    )
    watch = scene.watch
    deadline = time.monotonic() + 20
    while wrong := _disagreements(scene, named, await payments_desk.books(), gifts=gifts):
        assert time.monotonic() < deadline, wrong
        await asyncio.sleep(0.1)
    for gift in gifts:
        state = watch.state(gift.id)
        assert state["refunded"] <= state["loaded"] - state["captured"]
        assert state["refundHeld"] == 0


def _disagreements(
    scene: Scene, named: list[str], books: dict[str, dict[str, Any]], *, gifts: list[Gift]
) -> list[str]:
    """The manners whose money differs between the ledger and Payments."""
    wrong = []
    for manner, gift in zip(named, gifts, strict=True):
        state, book = scene.watch.state(gift.id), books[gift.id]
        if state["refunded"] + state["shortfall"] != book["paid"]:
            wrong.append(manner)
    return wrong
