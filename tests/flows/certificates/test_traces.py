"""W3C Trace Context: from a request or a message to every event of what it changed."""

from collections.abc import Iterator

import pytest

from app.contracts.topics import COMMANDS, ORDER_STATE, SALES, STATE, TRANSACTION
from tests.flows.certificates.front import HOLDS
from tests.flows.certificates.letters import NOMINAL, fresh, line, paid, payment, sale
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPLOAD = "/certificates/upload/batch"


def traceparent(n: int) -> str:
    return f"00-{n:032x}-{n:016x}-01"


def told(scene: Scene, topic: str, entity: str) -> Iterator[str]:
    """What the headers of the entity's events said, each once."""
    named = scene.watch.traces.items()
    return (
        said for (where, event), said in named if (where, event.split(":")[0]) == (topic, entity)
    )


async def test_a_sale_is_traced_through_its_order_to_its_certificate(scene: Scene) -> None:
    (gift,) = await scene.issue()
    order = fresh("SO")
    await scene.pay(payment(order, paid(NOMINAL)))
    await scene.send_traced(SALES, sale(order, line(gift)), traceparent(7))
    await scene.watch.until(lambda: scene.watch.lines(order) == ["Activated"], "activated")
    expected = f"traceparent: {traceparent(7)}"
    assert expected in set(told(scene, ORDER_STATE, order))
    assert set(told(scene, TRANSACTION, gift.id)) == {expected}
    assert COMMANDS not in {topic for topic, _ in scene.watch.traces}


async def test_a_request_is_traced_whichever_worker_takes_it(scene: Scene) -> None:
    gift = await scene.active()
    expected = []
    for n, worker in enumerate(scene.cluster.workers, 100):
        asked = {"code": gift.code, "amount": 100, "currency": "RUB", "reference": fresh("r")}
        answer = await scene.till.post(
            HOLDS, asked, worker=worker, headers={"traceparent": traceparent(n)}
        )
        assert answer.status == 201
        expected.append(f"traceparent: {traceparent(n)}")
    kinds = scene.watch.kinds
    await scene.watch.until(
        lambda: kinds(gift.id).count("Authorized") == len(expected), "all of them published"
    )
    untraced = await scene.till.authorize(gift, 100)
    assert untraced.status == 201
    await scene.watch.until(
        lambda: kinds(gift.id).count("Authorized") == len(expected) + 1, "the untraced one, too"
    )
    assert list(told(scene, TRANSACTION, gift.id)) == expected
    assert list(told(scene, STATE, gift.id)) == expected


async def test_an_upload_is_traced_to_every_certificate(scene: Scene) -> None:
    batch_id = fresh("B")
    rows = [{"row": n, "code": scene.code(), "nominal": NOMINAL, "currency": "RUB"} for n in (1, 2)]
    sent = {"batchId": batch_id, "chunk": 1, "rows": rows}
    taken = await scene.loader.post(UPLOAD, sent, headers={"traceparent": traceparent(5)})
    assert taken.status == 202
    issued = scene.watch.rows
    await scene.watch.until(lambda: all(issued[batch_id, n] for n in (1, 2)), "both issued")
    ids = [issued[batch_id, n][0]["certificateId"] for n in (1, 2)]
    await scene.watch.until(lambda: all(map(scene.watch.kinds, ids)), "their transactions, too")
    for one in ids:
        assert set(told(scene, TRANSACTION, one)) == {f"traceparent: {traceparent(5)}"}


@pytest.mark.parametrize("given", ["", "7", "00-" + 32 * "0" + "-" + 16 * "1" + "-01"])
async def test_what_is_no_trace_is_left_out(scene: Scene, given: str) -> None:
    gift = await scene.active()
    asked = {"code": gift.code, "amount": 100, "currency": "RUB", "reference": fresh("r")}
    assert (await scene.till.post(HOLDS, asked, headers={"traceparent": given})).status == 201
    await scene.watch.until(lambda: scene.watch.kinds(gift.id)[-1] == "Authorized", "published")
    assert not list(told(scene, TRANSACTION, gift.id))
