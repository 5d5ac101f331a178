"""What operators read of the mart through any ledger worker."""

import asyncio
from typing import Any

from tests.flows.certificates.town import Card, Town


async def shown(town: Town, card: Card, operations: int) -> dict[str, Any]:
    """The certificate's operations once the mart has that many."""
    path = f"/certificates/{card.id}/operations"
    async with asyncio.timeout(90):
        while True:
            found: dict[str, Any] = (await town.get(path)).json()
            if len(found["operations"]) >= operations:
                return found
            await asyncio.sleep(0.1)


async def test_operations_are_read_page_by_page(town: Town) -> None:
    card = await town.active()
    await shown(town, card, 3)
    all_of_it = await shown(town, card, 3)  # of a mart that had them when it was asked
    types = [operation["transactionType"] for operation in all_of_it["operations"]]
    assert types == ["Issued", "Allocated", "Activated"]
    assert all_of_it["asOf"] >= all_of_it["operations"][-1]["occurredAt"]
    path = f"/certificates/{card.id}/operations"
    first = (await town.get(f"{path}?limit=2")).json()
    rest = (await town.get(f"{path}?limit=2&after={first['next']}")).json()
    assert first["operations"] + rest["operations"] == all_of_it["operations"]
    assert "next" not in rest


async def test_certificates_are_found_by_what_is_known(town: Town) -> None:
    cards = await town.issue(3)
    order_id = await town.sell(cards[0])
    await shown(town, cards[0], 3)
    by_order = (await town.get(f"/certificates?orderId={order_id}")).json()["certificates"]
    assert [one["certificateId"] for one in by_order] == [cards[0].id]
    page = (await town.get(f"/certificates?batchId={cards[0].batch_id}&limit=2")).json()
    more = f"/certificates?batchId={cards[0].batch_id}&after={page['next']}"
    rest = (await town.get(more)).json()
    found = {one["certificateId"] for one in page["certificates"] + rest["certificates"]}
    assert found == {card.id for card in cards}
    nothing = await town.get("/certificates")
    assert (nothing.status_code, nothing.json()["code"]) == (400, "RequestInvalid")


async def test_reports_come_as_json_and_csv(town: Town) -> None:
    card = await town.active()
    last = (await shown(town, card, 3))["operations"][-1]
    report = await town.get("/certificates/reports/liability")
    assert sum(row["balance"] for row in report.json()["rows"]) >= card.nominal
    text = await town.get("/certificates/reports/liability?format=csv")
    assert last["occurredAt"] <= report.json()["asOf"] <= text.headers["As-Of"]
    assert text.headers["Content-Type"].startswith("text/csv")
    assert text.text.splitlines()[0] == "day,currency,product_id,balance,certificates"
    for path, status in (("none", 404), ("liability?from=x", 400), ("liability?format=pdf", 400)):
        assert (await town.get(f"/certificates/reports/{path}")).status_code == status
    assert (await town.get("/certificates/reports/liability", client="till")).status_code == 403
