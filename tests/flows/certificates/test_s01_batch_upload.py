"""Scenarios 1 to 3: a chunk is issued once, its rows are judged one by one."""

from typing import Any

from app.contracts.topics import BATCHES, TRANSACTION, dead_letters_of
from tests.flows.certificates.town import Card, Town, row_of

UPLOAD = "/certificates/upload/batch"
DEAD = dead_letters_of(BATCHES)


def cards_of(town: Town, batch: str, count: int) -> list[Card]:
    return [town.card(batch_id=f"{town.run}-{batch}", row=n) for n in range(1, count + 1)]


def chunk_of(cards: list[Card], **more: Any) -> dict[str, Any]:
    rows = [row_of(card) for card in cards]
    return {"batchId": cards[0].batch_id, "chunk": 1, "rows": rows} | more


def outcomes(answer: dict[str, Any]) -> dict[str, int]:
    names = ("queued", "issued", "duplicate", "rejected")
    return {name: answer[name] for name in names if answer[name]}


async def test_three_good_rows_are_issued_and_worth_nothing_yet(town: Town) -> None:
    cards = cards_of(town, "good", 3)
    taken = await town.post(UPLOAD, chunk_of(cards), client="loader")
    assert taken.status_code == 202
    assert outcomes(taken.json()) == {"queued": 3}
    assert taken.headers["Cache-Control"] == "no-store"
    for card in cards:
        state = (await town.state(card, status="Issued")).data
        assert (state["nominal"], state["batchId"]) == (card.nominal, card.batch_id)
        money = ("available", "held", "refundHeld", "balance", "loaded", "captured")
        assert [state[name] for name in money] == [0] * 6
    progress = await town.progress(cards[0].batch_id)
    assert outcomes(progress) == {"issued": 3}
    assert (progress["rows"], progress["percent"]) == (3, 100)
    assert progress["chunks"] == [
        {"chunk": 1, "attempt": 1, "state": "QUEUED", "rows": 3, "rejected": 0}
    ]
    page = await town.get(taken.json()["statusUrl"] + "/rows?limit=2", client="loader")
    assert [row["row"] for row in page.json()["rows"]] == [1, 2]
    assert page.json()["next"] == 2


async def test_a_chunk_sent_again_is_never_issued_again(town: Town) -> None:
    cards = cards_of(town, "again", 3)
    first = await town.post(UPLOAD, chunk_of(cards), client="loader", key="k-1")
    again = await town.post(UPLOAD, chunk_of(cards), client="loader", key="k-1", worker=1)
    assert (first.status_code, again.status_code) == (202, 202)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["attempt"] == first.json()["attempt"] == 1

    other = chunk_of(cards[:2])
    reused = await town.post(UPLOAD, other, client="loader", key="k-1")
    assert (reused.status_code, reused.json()["code"]) == (422, "IdempotencyKeyReused")

    resent = await town.post(UPLOAD, chunk_of(cards), client="loader", key="k-2", Prefer="wait=20")
    assert (resent.status_code, outcomes(resent.json())) == (200, {"duplicate": 3})
    await town.watch.quiet()
    for card in cards:
        assert town.watch.transactions(card.id) == ["Issued"]


async def test_bad_rows_are_named_and_buried_and_good_rows_pass(town: Town) -> None:
    (foreign,) = await town.issue()
    cards = cards_of(town, "mixed", 5)
    rows = [row_of(card) for card in cards]
    rows[1]["nominal"] = 0
    rows[2]["code"] = rows[0]["code"]
    rows[3]["code"] = foreign.code
    chunk = {"batchId": cards[0].batch_id, "chunk": 1, "rows": rows}
    answer = await town.post(UPLOAD, chunk, client="loader", Prefer="respond-async, wait=20")
    assert answer.status_code == 200
    assert outcomes(answer.json()) == {"issued": 2, "rejected": 3}
    why = {row["row"]: row["code"] for row in answer.json()["rejectedRows"]}
    assert why == {2: "NominalInvalid", 3: "CodeRepeated", 4: "CodeAlreadyExists"}

    key = cards[0].batch_id
    await town.watch.until(lambda: len(town.watch.all(DEAD, key)) == 2, "two dead letters")
    await town.watch.quiet()
    dead = town.watch.all(DEAD, key)
    assert [one.headers["gc.row"] for one in dead] == ["2", "3"]
    for one, card in zip(dead, (cards[1], cards[0]), strict=True):
        assert one.headers["__connect.errors.topic"] == BATCHES
        assert one.headers["__connect.errors.stage"] == "VALIDATE"
        assert (
            one.headers["__connect.errors.exception.class.name"] == why[int(one.headers["gc.row"])]
        )
        assert one.headers["gc.sealed"]
        assert card.code.encode() not in one.value
    assert (await town.look_up(foreign))["status"] == "Issued"


async def test_the_three_formats_say_the_same(town: Town) -> None:
    lines = cards_of(town, "lines", 2)
    body = b"\n".join(f'{{"code":"{c.code}","nominal":5,"currency":"RUB"}}'.encode() for c in lines)
    query = f"?batchId={lines[0].batch_id}&chunk=1&firstRow=11"
    told: dict[str, Any] = {"client": "loader", "Prefer": "wait=20"}
    answer = await town.post(UPLOAD + query, body, **told, Content_Type="application/jsonl")
    assert outcomes(answer.json()) == {"issued": 2}

    cells = cards_of(town, "cells", 2)
    text = "code,nominal,currency,validityDays,metadata\r\n"
    text += f'{cells[0].code},7,RUB,365,"{{""k"": ""a,b""}}"\r\n{cells[1].code},7,RUB,,\r\n'
    text += "one cell too many,7,RUB,,,\r\n"
    query = f"?batchId={cells[0].batch_id}&chunk=1"
    answer = await town.post(UPLOAD + query, text.encode(), **told, Content_Type="text/csv")
    assert outcomes(answer.json()) == {"issued": 2, "rejected": 1}
    await town.watch.quiet()
    (issued,) = town.watch.all(TRANSACTION, cells[0].id)
    assert issued.data["metadata"] == {"k": "a,b"}
    rows = (await town.get(f"/certificates/batches/{lines[0].batch_id}/rows")).json()["rows"]
    assert [row["row"] for row in rows] == [11, 12]


async def test_a_misspelt_column_issues_nothing(town: Town) -> None:
    (card,) = cards_of(town, "misspelt", 1)
    rows = [row_of(card) | {"validuntil": "2030-01-01"}]
    answer = await town.post(UPLOAD, chunk_of([card], rows=rows), client="loader")
    assert [row["code"] for row in answer.json()["rejectedRows"]] == ["RowUnreadable"]
    await town.watch.quiet()
    assert town.watch.all(TRANSACTION, card.id) == []


async def test_a_dry_run_keeps_nothing(town: Town) -> None:
    cards = cards_of(town, "dry", 2)
    answer = await town.post(UPLOAD, chunk_of(cards, dryRun=True), client="loader")
    assert (answer.status_code, answer.json()["rejected"]) == (200, 0)
    unknown = await town.get(f"/certificates/batches/{cards[0].batch_id}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "BatchUnknown")


async def test_a_row_never_stands_for_two_certificates(town: Town) -> None:
    first, second = town.card(batch_id=f"{town.run}-two"), town.card(batch_id=f"{town.run}-two")
    for card, expected in ((first, {"issued": 1}), (second, {"rejected": 1})):
        answer = await town.post(UPLOAD, chunk_of([card]), client="loader", Prefer="wait=20")
        assert outcomes(answer.json()) == expected
    assert answer.json()["rejectedRows"][0]["code"] == "RowChanged"


async def test_what_is_no_chunk_is_refused_as_a_whole(town: Town) -> None:
    (card,) = cards_of(town, "whole", 1)
    chunk = chunk_of([card])
    asked: list[tuple[Any, dict[str, Any], int, str]] = [
        (chunk, {"client": "till"}, 403, "ScopeMissing"),
        (chunk, {"Content_Type": "text/html"}, 415, "MediaTypeUnknown"),
        (b"x" * (4 << 20 | 1), {}, 413, "BodyTooLarge"),
        (chunk | {"rows": [{}] * 5_001}, {}, 413, "BatchTooLarge"),
        (chunk | {"rowsTotal": 1_000_001}, {}, 413, "BatchTooLarge"),
        (chunk, {"key": ""}, 400, "IdempotencyKeyMissing"),
        (
            chunk | {"generate": {"count": 1, "nominal": 1, "currency": "RUB"}},
            {},
            400,
            "RequestInvalid",
        ),
        (b"code\r\n\xff", {"Content_Type": "text/csv"}, 400, "RequestInvalid"),
        ({"chunk": 1, "rows": []}, {}, 400, "RequestInvalid"),
    ]
    for body, more, status, code in asked:
        answer = await town.post(UPLOAD, body, **({"client": "loader"} | more))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
