"""Dead letters of batch rows: sent again as batches of themselves, whichever way they came."""

import json
from typing import Any

import pytest

from app.contracts import dead_letters
from app.contracts.topics import BATCHES
from tests.flows.certificates.letter_desk import acted, command_line, listed, whole
from tests.flows.certificates.town import Card, Town, row_of

UPLOAD = "/certificates/upload/batch"


async def test_a_bad_row_is_sent_again_as_a_batch_of_itself(town: Town) -> None:
    good, bad = town.card(batch_id=f"{town.run}-rows"), town.card(row=2)
    rows = [row_of(good), row_of(bad) | {"nominal": 0}]
    message = {"batchId": good.batch_id, "chunk": 7, "attempt": 3, "rows": rows}
    await town.send(BATCHES, good.batch_id, message)
    (letter,) = await listed(town, bad.id)
    assert (letter["code"], letter["row"]) == ("NominalInvalid", "2")
    assert await acted(town, "replay", letter["letter"]) == [("replayed", None)]
    (again,) = await listed(town, bad.id)
    assert again["letter"] != letter["letter"]
    (sent,) = [
        json.loads(one.value)
        for one in await whole(town, BATCHES)
        if dict(one.headers).get(dead_letters.REPLAYED) == letter["letter"].encode()
    ]
    assert {name: sent[name] for name in ("batchId", "chunk", "attempt")} == {
        "batchId": good.batch_id,
        "chunk": 7,
        "attempt": 4,
    }
    assert sent["rows"] == [row_of(bad) | {"nominal": 0}]


def repeated(card: Card) -> list[dict[str, Any]]:
    """The code stands twice, and the first time nobody can issue it: the second is right."""
    return [row_of(card) | {"nominal": 0}, row_of(card) | {"row": 2, "validityDays": 30}]


def as_json(town: Town, card: Card) -> tuple[str, bytes, str]:
    chunk = {"batchId": card.batch_id, "chunk": 1, "rows": repeated(card)}
    return UPLOAD, json.dumps(chunk).encode(), "application/json"


def as_csv(town: Town, card: Card) -> tuple[str, bytes, str]:
    lines = ["row,code,nominal,currency,validityDays,metadata"]
    for row in repeated(card):
        cells = (row["row"], row["code"], row["nominal"], "RUB", row.get("validityDays", ""))
        lines.append(",".join(map(str, cells)) + ',"{""gift"": 1}"')
    query = f"?batchId={card.batch_id}&chunk=1"
    return UPLOAD + query, "\r\n".join(lines).encode(), "text/csv"


@pytest.mark.parametrize("form", [as_json, as_csv])
async def test_a_row_of_an_upload_is_sent_again_by_command_and_issued(
    town: Town, form: Any
) -> None:
    card = town.card(batch_id=f"{town.run}:{form.__name__}")
    path, body, media = form(town, card)
    answer = await town.post(path, body, client="loader", Content_Type=media)
    assert (answer.status_code, answer.json()["rejected"]) == (202, 2)
    letters = {one["code"]: one["letter"] for one in await listed(town, card.id, count=2)}
    code, said = await command_line(town, "replay", letters["CodeRepeated"])
    assert (code, "1 done, 0 refused" in said) == (0, True), said

    assert (await town.state(card, status="Issued")).data["nominal"] == card.nominal
    assert (await town.look_up(card))["status"] == "Issued"
    assert await town.batch_done(card.batch_id) == {"issued": 1, "rejected": 1}
    rows = (await town.get(f"/certificates/batches/{card.batch_id}/rows")).json()["rows"]
    assert [(row["row"], row["outcome"]) for row in rows] == [(1, "rejected"), (2, "issued")]

    again = await command_line(town, "replay", letters["NominalInvalid"])
    assert again[0] == 0
    assert await town.batch_done(card.batch_id) == {"issued": 1, "rejected": 1}
    await town.watch.quiet()
    assert town.watch.transactions(card.id) == ["Issued"]


async def test_a_row_that_took_the_number_of_another_certificate_is_not_sent_again(
    town: Town,
) -> None:
    """Sent to the topic it would be a second certificate under one row."""
    first = town.card(batch_id=f"{town.run}-number")
    other = town.card(batch_id=first.batch_id)
    for card in (first, other):
        chunk = {"batchId": card.batch_id, "chunk": 1, "rows": [row_of(card)]}
        answer = await town.post(UPLOAD, chunk, client="loader", Prefer="wait=20")
    assert answer.json()["rejectedRows"][0]["code"] == "RowChanged"
    (letter,) = await listed(town, other.id)
    assert await acted(town, "replay", letter["letter"]) == [("refused", "RowChanged")]
    assert (await town.look_up(other)).get("code") == "CertificateUnknown"
