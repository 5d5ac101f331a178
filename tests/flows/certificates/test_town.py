"""The town itself: what every scenario stands on."""

from tests.flows.certificates.town import Town


async def test_a_sold_certificate_pays_through_any_worker(town: Town) -> None:
    card = await town.active(nominal=300_000)
    body = {"code": card.code, "amount": 120_000, "currency": "RUB"}
    held = await town.post("/certificates/authorizations", body, worker=1)
    assert held.status_code == 201
    assert held.json()["available"] == 180_000
    assert (await town.state(card, held=120_000)).data["available"] == 180_000
    assert town.watch.transactions(card.id) == ["Issued", "Allocated", "Activated", "Authorized"]
    assert (await town.look_up(card, worker=0))["available"] == 180_000
