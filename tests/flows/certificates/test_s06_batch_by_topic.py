"""Scenario 6: the same rows by topic, without a database in the way."""

import asyncio
from typing import Any

from app.contracts.dead_letters import ROW
from app.contracts.topics import BATCHES, BI, STATE, TRANSACTION, dead_letters_of
from tables.partitioning import partition_of
from tests.flows.certificates.town import Card, Town, row_of

DEAD = dead_letters_of(BATCHES)


async def test_one_malformed_row_is_buried_and_the_others_are_issued(town: Town) -> None:
    batch_id = f"{town.run}-topic"
    first, second = (town.card(batch_id=batch_id, row=n) for n in (1, 3))
    message = batch(batch_id, first, second, chunk=1, malformed=2)
    await town.send(BATCHES, batch_id, message)
    for card in (first, second):
        await town.state(card, status="Issued")
    await town.watch.until(lambda: buried(town, batch_id), "a dead letter")
    assert buried(town, batch_id) == ["2"]
    await _outcomes(town, batch_id, issued=2, rejected=1)

    await town.send(BATCHES, batch_id, message)
    behind = [neighbour(town, card, row) for row, card in enumerate((first, second), 4)]
    await town.send(BATCHES, batch_id, batch(batch_id, *behind, chunk=2, malformed=6))
    awaited = [(topic, card.id) for topic in (STATE, TRANSACTION, BI) for card in behind]
    await town.watch.until(
        lambda: all(town.watch.last(topic, name) for topic, name in awaited), "all sent behind it"
    )
    await town.watch.until(lambda: "6" in buried(town, batch_id), "the last dead letter")
    assert buried(town, batch_id) == ["2", "2", "6"]
    for card in (first, second):
        assert town.watch.transactions(card.id) == ["Issued"]
        assert sequences(town, card) == {1}
    await _outcomes(town, batch_id, issued=4, rejected=2)


def batch(batch_id: str, *cards: Card, chunk: int, malformed: int) -> dict[str, Any]:
    """The cards' rows and one that is none."""
    bad = {"row": malformed, "code": "GC-not-a-code", "nominal": 300_000, "currency": "RUB"}
    return {"batchId": batch_id, "chunk": chunk, "rowsTotal": 6, "rows": [*map(row_of, cards), bad]}


def neighbour(town: Town, card: Card, row: int) -> Card:
    """Another card of the same batch and partition: what is told of it comes behind."""
    partitions = town.cluster.partitions
    while True:
        other = town.card(batch_id=card.batch_id, row=row)
        if partition_of(other.id, partitions) == partition_of(card.id, partitions):
            return other


def buried(town: Town, batch_id: str) -> list[str]:
    """The row numbers of the batch's dead letters."""
    return [letter.headers[ROW] for letter in town.watch.all(DEAD, batch_id)]


def sequences(town: Town, card: Card) -> set[int]:
    """Of all that was published of the card: every change of it has another."""
    return {seen.sequence for seen in town.watch.seen if seen.key == card.id}


async def _outcomes(town: Town, batch_id: str, **wanted: int) -> None:
    """The mart hears of each row by itself, and nobody told it how many there are."""
    async with asyncio.timeout(60):
        while await town.batch_done(batch_id) != wanted:
            await asyncio.sleep(0.2)
