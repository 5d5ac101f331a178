"""Scenario 4: codes made here are shown once; a lost answer is cancelled, not repeated."""

import asyncio
from typing import Any

from app.contracts.topics import SALES
from tests.flows.certificates.town import Card, Town

UPLOAD = "/certificates/upload/batch"


def order_for(town: Town, batch: str, count: int) -> dict[str, Any]:
    rows = {"count": count, "nominal": 300_000, "currency": "RUB", "validityDays": 365}
    return {"batchId": f"{town.run}-{batch}", "chunk": 1, "generate": rows}


def card_of(town: Town, shown: dict[str, Any], batch_id: str) -> Card:
    code = shown["code"].replace("-", "")
    card = Card(code, town.id_of(code), 300_000, batch_id, shown["row"])
    assert card.id == shown["certificateId"]
    return card


async def test_generated_codes_are_shown_once_and_can_be_taken_back(town: Town) -> None:
    wanted = order_for(town, "made", 100)
    batch_id = wanted["batchId"]
    answer = await town.post(UPLOAD, wanted, client="loader", key="k-1")
    assert answer.status_code == 202
    cards = [card_of(town, shown, batch_id) for shown in answer.json()["codes"]]
    assert len({card.code for card in cards}) == 100
    for card in cards:
        await town.state(card, status="Issued")

    again = await town.post(UPLOAD, wanted, client="loader", key="k-1")
    assert (again.status_code, again.json()["code"]) == (409, "CodesAlreadyShown")

    sold, unsold = cards[0], cards[1:]
    await town.sell(sold)
    path = f"/certificates/batches/{batch_id}/chunks/1/cancel"
    body = {"attempt": 1, "reason": "answer lost"}
    cancelled = await town.post(path, body, client="loader", key="c-1")
    assert cancelled.status_code == 200
    assert (cancelled.json()["cancelled"], cancelled.json()["kept"]) == (99, 1)
    replayed = await town.post(path, body, client="loader", key="c-1")
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert replayed.json() == cancelled.json()
    reused = await town.post(path, body | {"reason": "other"}, client="loader", key="c-1")
    assert reused.json()["code"] == "IdempotencyKeyReused"

    for card in unsold:
        await town.state(card, status="Cancelled")
    await town.state(sold, status="Active")
    order_id = town.new_order()
    await town.send(SALES, order_id, town.sale(order_id, unsold[0]))
    (line,) = await town.lines(order_id, "Refused")
    assert line["refusal"] == "CertificateCancelled"

    anew = await town.post(UPLOAD, wanted, client="loader", key="k-2", Prefer="wait=20")
    assert anew.json()["attempt"] == 2
    assert (anew.json()["issued"], anew.json()["rejected"]) == (99, 1)
    fresh = {shown["code"].replace("-", "") for shown in anew.json()["codes"]}
    assert len(fresh) == 99
    assert fresh.isdisjoint(card.code for card in cards)


async def test_a_chunk_twice_at_once_is_worked_on_once(town: Town) -> None:
    wanted = order_for(town, "twice", 50)
    answers = await asyncio.gather(
        *(town.post(UPLOAD, wanted, client="loader", key="k", worker=n % 2) for n in range(4))
    )
    shown = [answer for answer in answers if answer.status_code == 202]
    assert len(shown) == 1
    others = [answer for answer in answers if answer.status_code != 202]
    assert {answer.status_code for answer in others} == {409}
    codes = {answer.json()["code"] for answer in others}
    assert codes <= {"RequestInFlight", "CodesAlreadyShown"}
    assert await town.batch_done(wanted["batchId"]) == {"issued": 50}


async def test_generating_what_cannot_be_issued_is_refused(town: Town) -> None:
    wanted = order_for(town, "bad", 5)
    wanted["generate"]["nominal"] = 0
    answer = await town.post(UPLOAD, wanted, client="loader")
    assert (answer.status_code, answer.json()["code"]) == (400, "RequestInvalid")


async def test_an_unknown_chunk_cannot_be_cancelled(town: Town) -> None:
    path = f"/certificates/batches/{town.run}-none/chunks/1/cancel"
    answer = await town.post(path, {"attempt": 1, "reason": "x"}, client="loader")
    assert (answer.status_code, answer.json()["code"]) == (404, "BatchUnknown")
