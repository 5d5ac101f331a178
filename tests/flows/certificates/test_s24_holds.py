"""Scenario 24: every cell of the table of holds, as the tills hear it."""

import asyncio
import uuid
from typing import NamedTuple

import pytest

from tests.flows.certificates.front import Answer
from tests.flows.certificates.letters import Gift, moment
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKS = ("capture", "capture beyond", "void", "restore", "restore beyond", "reverse")
SHEET = {
    "Held": (
        "200 Captured",
        "422 CaptureExceedsAuthorization",
        "200 Voided",
        "409 NotCaptured",
        "409 NotCaptured",
        "200 reversed",
    ),
    "Held, partly captured": (
        "200 Captured",
        "422 CaptureExceedsAuthorization",
        "200 Captured",
        "200 Held",
        "422 RestoreExceedsCapture",
        "200 reversed",
    ),
    "Captured": (
        "409 AlreadyCaptured",
        "409 AlreadyCaptured",
        "409 AlreadyCaptured",
        "200 Captured",
        "422 RestoreExceedsCapture",
        "200 reversed",
    ),
    "Voided": (
        "409 AlreadyVoided",
        "409 AlreadyVoided",
        "409 AlreadyVoided",
        "409 NotCaptured",
        "409 NotCaptured",
        "200 nothingToReverse",
    ),
    "Expired": (
        "200 Captured late",
        "409 AuthorizationExpired",
        "200 Voided",
        "409 NotCaptured",
        "409 NotCaptured",
        "200 nothingToReverse",
    ),
    "Reversed": (
        "409 AuthorizationReversed",
        "409 AuthorizationReversed",
        "409 AuthorizationReversed",
        "409 AuthorizationReversed",
        "409 AuthorizationReversed",
        "200 alreadyReversed",
    ),
}


class Held(NamedTuple):
    gift: Gift
    id: str
    reference: str


async def brought(scene: Scene, gift: Gift, standing: str) -> Held:
    """A hold of 1 000 in that state, of which 400 are captured where it is in part."""
    reference, till = str(uuid.uuid4()), scene.till
    more = {"holdSeconds": 1} if standing == "Expired" else {}
    hold = Held(gift, await till.hold(gift, 1_000, reference=reference, **more), reference)
    match standing:
        case "Held, partly captured":
            await till.on(hold.id, "capture", amount=400, final=False)
        case "Captured":
            await till.on(hold.id, "capture")
        case "Voided":
            await till.on(hold.id, "void")
        case "Reversed":
            await till.reverse(gift, reference, moment())
        case "Expired":
            kinds = scene.watch.kinds
            await scene.watch.until(
                lambda: kinds(gift.id).count("HoldExpired") == len(ASKS), "all expired"
            )
    return hold


async def ask(scene: Scene, hold: Held, what: str) -> Answer:
    till = scene.till
    match what:
        case "capture":
            return await till.on(hold.id, "capture", amount=500)
        case "capture beyond":
            return await till.on(hold.id, "capture", amount=1_001)
        case "restore":
            return await till.on(hold.id, "restore", amount=400)
        case "restore beyond":
            return await till.on(hold.id, "restore", amount=1_001)
        case "reverse":
            return await till.reverse(hold.gift, hold.reference, moment())
        case _:
            return await till.on(hold.id, what)


def shown(answer: Answer) -> str:
    body = answer.body
    told = body.get("code") or body.get("state") or body.get("outcome")
    return f"{answer.status} {told}" + (" late" if body.get("late") else "")


@pytest.mark.parametrize("standing", SHEET)
async def test_every_ask_of_a_hold_has_its_answer(scene: Scene, standing: str) -> None:
    gift = await scene.active()
    holds = await asyncio.gather(*(brought(scene, gift, standing) for _ in ASKS))
    answers = [await ask(scene, hold, what) for hold, what in zip(holds, ASKS, strict=True)]
    assert dict(zip(ASKS, map(shown, answers), strict=True)) == dict(
        zip(ASKS, SHEET[standing], strict=True)
    )
