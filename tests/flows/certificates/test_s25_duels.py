"""Scenario 25: of 200 who want the same hold at once exactly one gets it."""

import asyncio
import os
import uuid
from collections import Counter

import pytest

from tests.flows.certificates.front import Answer
from tests.flows.certificates.letters import NOMINAL, moment
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROUNDS = int(os.environ.get("GIFTMARK_DUEL_ROUNDS", "3"))
CROWD = 200


def short(answer: Answer) -> str:
    body = answer.body
    return str(body.get("code") or body.get("outcome") or body["state"])


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_one_capture_or_void_wins(scene: Scene, number: int) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 100_000)
    acts = ("capture", "void") * (CROWD // 2)
    answers = await asyncio.gather(*(scene.till.on(hold, act) for act in acts))
    heard = Counter(short(one) for one in answers)
    winner, loser = (
        ("Captured", "AlreadyCaptured") if "Captured" in heard else ("Voided", "AlreadyVoided")
    )
    assert heard == {winner: 1, loser: CROWD - 1}
    assert {one.status for one in answers if short(one) == loser} == {409}
    left = NOMINAL - 100_000 * (winner == "Captured")
    assert (await scene.till.lookup(gift)).of("available") == left
    await watch.until(lambda: len(watch.kinds(gift.id)) == 5, "published")
    assert watch.kinds(gift.id)[3:] == ["Authorized", winner]
    await watch.until(lambda: watch.state(gift.id)["available"] == left, "its state, too")


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_capture_void_and_reverse_make_one_history(scene: Scene, number: int) -> None:
    gift, watch = await scene.active(), scene.watch
    reference = str(uuid.uuid4())
    hold = await scene.till.hold(gift, 100_000, reference=reference)
    crowd = [
        scene.till.reverse(gift, reference, moment())
        if n % 3 == 2
        else scene.till.on(hold, ("capture", "void")[n % 3])
        for n in range(CROWD)
    ]
    heard = Counter(short(one) for one in await asyncio.gather(*crowd))
    assert heard["Captured"] + heard["Voided"] <= 1
    assert heard["reversed"] == 1 - heard["Voided"]  # a capture is undone, a void leaves nothing
    assert heard["TooManyOperations"] == 0
    assert sum(heard.values()) == CROWD
    shown = await scene.shown(gift)
    assert (shown["available"], shown["held"]) == (NOMINAL, 0)
    assert shown["captured"] == shown["restored"] == 100_000 * heard["Captured"]
    events = 1 + heard["Captured"] + heard["Voided"] + heard["reversed"]
    await watch.until(lambda: len(watch.kinds(gift.id)) == 3 + events, "published")
    assert Counter(watch.kinds(gift.id)[3:]) == Counter(
        Authorized=1,
        Captured=heard["Captured"],
        Voided=heard["Voided"],
        Reversed=heard["reversed"],
    )
