"""Scenarios 33, 43: terms that end and are extended; what guests of the web shop may not learn."""

import uuid

import pytest

from tests.flows.certificates.front import HOLDS, Answer
from tests.flows.certificates.letters import NOMINAL, Gift, moment
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until_over(scene: Scene, gift: Gift) -> None:
    """Gives it a term of a moment and waits for its end."""
    path, watch = f"/certificates/{gift.id}/extend", scene.watch
    answer = await scene.desk.post(path, {"validUntil": moment(1), "reason": "printed wrong"})
    assert answer.status == 200
    await watch.until(lambda: watch.state(gift.id)["status"] == "Expired", "expired")


async def test_what_was_approved_in_time_is_captured_after_the_term(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 100_000)
    await until_over(scene, gift)
    assert (await scene.till.authorize(gift, 100)).short == (409, "CertificateExpired")
    assert (await scene.till.on(hold, "capture")).status == 200
    path = f"/certificates/{gift.id}/extend"
    again = await scene.desk.post(path, {"validUntil": moment(3_600), "reason": "kindness"})
    assert (again.status, again.of("status")) == (200, "Active")
    assert (await scene.till.authorize(gift, 100)).status == 201
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Authorized", "published")
    assert watch.kinds(gift.id)[3:] == [
        "Authorized",
        "Extended",
        "Expired",
        "Captured",
        "Extended",
        "Authorized",
    ]


async def test_an_expired_certificate_is_refunded(scene: Scene) -> None:
    gift = await scene.active()
    await until_over(scene, gift)
    answer = await scene.till.refund(gift, expectedAmount=NOMINAL)
    assert (answer.status, answer.of("amount")) == (202, NOMINAL)


async def hidden(scene: Scene) -> list[str]:
    """Codes that pay nothing, each for another reason."""
    blocked, cancelled = await scene.active(), await scene.active()
    (unsold,) = await scene.issue()
    for gift, act in ((blocked, "block"), (cancelled, "cancel")):
        answer = await scene.desk.post(f"/certificates/{gift.id}/{act}", {"reason": "lost"})
        assert answer.status == 200
    codes = [scene.code(), unsold.code, blocked.code, cancelled.code, "GC00-0000"]
    return [*codes, codes[0].replace("-", "")]


def anonymous(answer: Answer) -> tuple[int, bytes, str]:
    instance = str(answer.of("instance"))
    length = answer.headers["Content-Length"]
    return answer.status, answer.raw.replace(instance.encode(), b"?"), length


@pytest.mark.parametrize("path", ["/certificates/lookup", HOLDS, "/certificates/refunds"])
async def test_guests_cannot_tell_one_useless_code_from_another(scene: Scene, path: str) -> None:
    bodies: dict[str, dict[str, object]] = {
        "/certificates/lookup": {},
        HOLDS: {"amount": 100, "currency": "RUB"},
        "/certificates/refunds": {"channel": "WEB", "method": "OriginalPayment"},
    }
    visitor = {"Terminal-Id": str(uuid.uuid4())}
    answers = [
        await scene.shop.post(path, {"code": code, **bodies[path]}, headers=visitor)
        for code in await hidden(scene)
    ]
    assert {one.short for one in answers} == {(404, "CertificateNotUsable")}
    assert len({anonymous(one) for one in answers}) == 1


async def test_one_who_guesses_is_stopped_and_nobody_else(scene: Scene) -> None:
    worker = scene.cluster.workers[0]
    guest, other = {"Terminal-Id": str(uuid.uuid4())}, {"Terminal-Id": str(uuid.uuid4())}
    gift = await scene.active()

    async def look(code: str, headers: dict[str, str]) -> int:
        body = {"code": code}
        answer = await scene.shop.post(
            "/certificates/lookup", body, key="", worker=worker, headers=headers
        )
        return answer.status

    misses = [await look(scene.code(), guest) for _ in range(20)]
    assert misses == [404] * 20
    assert await look(scene.code(), guest) == 429
    assert await look(gift.code, guest) == 429
    assert await look(gift.code, other) == 200
