"""Scenario 6: the same rows by topic, without a database in the way."""

import asyncio

from app.contracts.topics import BATCHES, dead_letters_of
from tests.flows.certificates.town import Town, row_of

DEAD = dead_letters_of(BATCHES)


async def test_one_malformed_row_is_buried_and_the_others_are_issued(town: Town) -> None:
    batch_id = f"{town.run}-topic"
    cards = [town.card(batch_id=batch_id, row=n) for n in (1, 2, 3)]
    rows = [row_of(card) for card in cards]
    rows[1]["code"] = "GC-not-a-code"
    message = {"batchId": batch_id, "chunk": 1, "rowsTotal": 3, "rows": rows}
    await town.send(BATCHES, batch_id, message)
    for card in (cards[0], cards[2]):
        await town.state(card, status="Issued")
    await town.watch.until(lambda: len(town.watch.all(DEAD, batch_id)) == 1, "a dead letter")
    await _outcomes(town, batch_id)

    await town.send(BATCHES, batch_id, message)
    await town.watch.until(lambda: len(town.watch.all(DEAD, batch_id)) == 2, "it again")
    await town.watch.quiet()
    assert len(town.watch.all(DEAD, batch_id)) == 2
    for card in (cards[0], cards[2]):
        assert town.watch.transactions(card.id) == ["Issued"]
    await _outcomes(town, batch_id)


async def _outcomes(town: Town, batch_id: str) -> None:
    """The mart hears of each row by itself, and nobody told it how many there are."""
    async with asyncio.timeout(60):
        while await town.batch_done(batch_id) != {"issued": 2, "rejected": 1}:
            await asyncio.sleep(0.2)
