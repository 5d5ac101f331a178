"""Dead letters in the running town: seen, opened, sent again, given up; each with a trace."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from app.certificates.database import Database
from app.certificates.sealing import DeadLetterSealer
from app.contracts import dead_letters
from app.contracts.topics import (
    COMMANDS,
    HANDLED,
    NOTIFICATIONS,
    PAYMENTS,
    SALES,
    dead_letters_of,
)
from deploy.proving.cluster import secrets_of
from tests.flows.certificates.letter_desk import acted, call, command_line, listed, whole
from tests.flows.certificates.town import NOMINAL, Town, moment

PHONE = "+79997770001"


async def test_a_faulty_sale_is_listed_shown_without_secrets_and_given_up(town: Town) -> None:
    card, order_id = town.card(), town.new_order()
    faulty = town.sale(order_id, card, orderStatus="Perhaps", buyer={"phone": PHONE})
    await town.send(SALES, order_id, faulty)
    (letter,) = await listed(town, order_id)
    assert (letter["stage"], letter["code"], letter["topic"]) == (
        "VALIDATE",
        "RequestInvalid",
        SALES,
    )
    shown = await call(town, "GET", f"/{letter['letter']}")
    assert shown.status_code == 200, shown.text
    payload = shown.json()["payload"]
    assert payload["orderStatus"] == "Perhaps"
    assert payload["certificateLines"][0]["code"] == f"•••{card.last4}"
    for secret in (card.code, card.code.replace("-", ""), PHONE):
        assert secret not in shown.text

    assert await acted(town, "discard", letter["letter"], reason="a test of theirs") == [
        ("discarded", None)
    ]
    assert await listed(town, order_id, count=0) == []
    again = await acted(town, "replay", letter["letter"])
    assert again == [("refused", "LetterHandled")]
    handled = (await call(town, "GET", f"/{letter['letter']}")).json()["handled"]
    assert (handled["what"], handled["actor"]) == ("discarded", "anna")
    assert handled["reason"] == "a test of theirs"


async def test_opening_and_giving_up_stand_in_the_audit_of_the_mart(
    town: Town, town_database: str
) -> None:
    order_id = town.new_order()
    await town.send(SALES, order_id, {"orderId": order_id, "certificateLines": []})
    (letter,) = await listed(town, order_id)
    await call(town, "GET", f"/{letter['letter']}")
    await acted(town, "discard", letter["letter"], reason="nothing in it")
    database, deadline = Database(town_database), asyncio.get_running_loop().time() + 20
    rows: list[dict[str, Any]] = []
    while len(rows) < 2 and asyncio.get_running_loop().time() < deadline:
        rows = await database.rows(
            "SELECT command, actor, client, reason FROM mart.audit WHERE order_id = %(name)s"
            " ORDER BY occurred_at",
            name=letter["letter"],
        )
        await asyncio.sleep(0.1)
    await database.close()
    assert [(one["command"], one["actor"], one["reason"]) for one in rows] == [
        ("ShowDeadLetter", "anna", None),
        ("DiscardDeadLetter", "anna", "nothing in it"),
    ]


async def test_a_replayed_sale_arrives_as_it_was(town: Town) -> None:
    """A letter about a message that is right, as after the mending of a fault of ours."""
    (card,), order_id = await town.issue(), town.new_order()
    name = await bury(town, SALES, order_id, value=json.dumps(town.sale(order_id, card)).encode())
    assert await acted(town, "replay", name) == [("replayed", None)]
    await town.lines(order_id, "Allocated")
    assert await listed(town, order_id, count=0) == []
    (record,) = [one for one in await whole(town, SALES) if one.key == order_id.encode()]
    assert dict(record.headers)[dead_letters.REPLAYED] == name.encode()


async def test_what_is_faulty_still_comes_back_as_a_letter_of_its_own(town: Town) -> None:
    order_id = town.new_order()
    await town.send(PAYMENTS, order_id, {"orderId": order_id, "certificateAllocations": []})
    (first,) = await listed(town, order_id)
    code, said = await command_line(town, "replay", "--entity", order_id)
    assert (code, "1 done, 0 refused" in said) == (0, True), said
    (second,) = await listed(town, order_id)
    assert second["letter"] != first["letter"]
    assert second["code"] == first["code"]


async def test_a_refused_command_goes_back_to_the_ledger_and_changes_nothing(town: Town) -> None:
    """Two payments of one version contradict each other: the second is a dead command."""
    (card,) = await town.issue()
    order_id = await town.sell(card)
    before = (await town.get(f"/certificates/orders/{order_id}")).json()
    other = town.payment(order_id, card, amount=NOMINAL + 1, occurredAt=moment())
    await town.send(PAYMENTS, order_id, other)
    (letter,) = await listed(town, order_id)
    assert (letter["code"], letter["replaysTo"]) == ("VersionConflict", COMMANDS)
    shown = (await call(town, "GET", f"/{letter['letter']}")).json()["payload"]
    assert (shown["kind"], shown["fields"]["amount"]) == ("ApplyPayment", NOMINAL + 1)
    assert await acted(town, "replay", letter["letter"]) == [("replayed", None)]
    (again,) = await listed(town, order_id)
    assert (again["code"], again["letter"] != letter["letter"]) == ("VersionConflict", True)
    assert (await town.get(f"/certificates/orders/{order_id}")).json() == before


@pytest.mark.parametrize("topic", [COMMANDS, NOTIFICATIONS])
async def test_bytes_that_nobody_can_read_are_listed_from_inner_topics_too(
    town: Town, topic: str
) -> None:
    key = f"garbage-{town.run}-{topic}"
    await town.send(topic, key, b"\xc1garbage")
    (letter,) = await listed(town, key)
    assert letter["stage"] == "DECODE"
    shown = (await call(town, "GET", f"/{letter['letter']}")).json()
    assert "undecodable" in shown["payload"]
    assert "garbage" not in str(shown["payload"])
    await acted(town, "discard", letter["letter"], reason="garbage")


async def test_the_command_line_lists_shows_and_refuses_in_words(town: Town) -> None:
    order_id = town.new_order()
    await town.send(SALES, order_id, {"orderId": order_id, "certificateLines": []})
    (letter,) = await listed(town, order_id)
    code, said = await command_line(town, "list", "--entity", order_id)
    assert (code, letter["letter"] in said, "1 open" in said) == (0, True, True), said
    code, said = await command_line(town, "show", letter["letter"])
    assert (code, json.loads(said)["entity"]) == (0, order_id)
    code, said = await command_line(town, "replay", f"{SALES}.DLQ/0/999999", letter["letter"])
    assert (code, "LetterUnknown" in said, "1 done, 1 refused" in said) == (1, True, True), said
    (newer,) = await listed(town, order_id)
    code, said = await command_line(town, "discard", newer["letter"], "--reason", "empty sale")
    assert (code, "1 done, 0 refused" in said) == (0, True), said
    assert (await command_line(town, "show", "nonsense"))[0] == 2


BAD_REQUESTS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "?limit=0", {}, 400),
    ("GET", "/x.DLQ/0/0", {}, 400),
    ("GET", f"/{SALES}.DLQ/0/999999", {}, 404),
    ("GET", f"/{SALES}.DLQ/99/0", {}, 404),
    ("POST", "/replay", {"json": {}}, 400),
    ("POST", "/replay", {"json": {"letters": ["nonsense"]}}, 400),
    ("POST", "/replay", {"content": b'{"letters":["x"]}'}, 400),
    ("POST", "/discard", {"json": {"letters": [f"{SALES}.DLQ/0/0"]}}, 400),
]


@pytest.mark.parametrize(("method", "path", "request_", "status"), BAD_REQUESTS)
async def test_a_wrong_request_is_told_what_is_wrong(
    town: Town, *, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    answer = await call(town, method, path, **request_)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


async def test_nobody_opens_a_letter_without_a_name(town: Town) -> None:
    (services,) = town.cluster.services
    url = f"http://127.0.0.1:{services.internal}/dead-letters/{SALES}.DLQ/0/0"
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert (answer.status_code, "Actor" in answer.json()["detail"]) == (400, True)


async def test_a_letter_that_was_sent_but_not_marked_is_sent_again_and_nothing_new_happens(
    town: Town,
) -> None:
    """The mark is written last: a crash before it leaves the letter in the list."""
    (card,), order_id = await town.issue(), town.new_order()
    sale = town.sale(order_id, card)
    name = await bury(town, SALES, order_id, value=json.dumps(sale).encode())
    await town.send(SALES, order_id, sale)
    await town.lines(order_id, "Allocated")
    before = await town.look_up(card)
    assert [one["letter"] for one in await listed(town, order_id)] == [name]
    assert await acted(town, "replay", name, name) == [("replayed", None)]
    assert await listed(town, order_id, count=0) == []
    await town.watch.quiet()
    assert await town.look_up(card) == before
    marks = [one for one in await whole(town, HANDLED) if one.key == name.encode()]
    assert [json.loads(one.value)["what"] for one in marks] == ["replayed"]


async def bury(town: Town, topic: str, key: str, *, value: bytes) -> str:
    """The name of a letter that holds that message, sealed as intake seals it."""
    grave = base64.b64decode(secrets_of(town.cluster.data)["dead_letter_key"])
    kid, box = DeadLetterSealer([grave]).seal(value)
    place = dead_letters.Place(topic, 0, 0)
    cause = dead_letters.Cause("VALIDATE", "FieldInvalid", "a fault of ours", 1, key)
    async with AIOKafkaProducer(bootstrap_servers=town.bootstrap, acks="all") as producer:
        done = await producer.send_and_wait(
            dead_letters_of(topic),
            box,
            key.encode(),
            partition=0,
            headers=dead_letters.headers(place, cause, sealed=kid),
        )
    return f"{done.topic}/{done.partition}/{done.offset}"
