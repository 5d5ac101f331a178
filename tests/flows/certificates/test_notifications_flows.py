"""Messages in a running town with a gateway: codes, refunds, operators, kills, no database."""

import asyncio
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg2
import pytest

from app.certificates.database import Database
from app.certificates.reconcile import reconcile
from app.contracts.topics import PAYMENTS, SALES
from app.domain.certificates.codes import grouped, parse
from app.embedded_postgres import PostgresServer
from app.kafka_access import KafkaAccess
from app.migrations import migrate
from deploy.proving.cluster import Cluster
from tests.flows.certificates.sms_gateway import SmsGateway, running_gateway
from tests.flows.certificates.town import NOMINAL, Card, Town, moment

PHONES = (f"+7998{number}" for number in itertools.count(1_000_000))
OUTAGE_S = float(os.environ.get("GIFTMARK_OUTAGE_S", "3"))
SETTINGS = {
    "GIFTMARK_POLICY": json.dumps({"hold_min_s": 1, "saga_retry_s": [1, 2] + [5] * 60}),
    "GIFTMARK_SMS_ANSWER_S": "1",
    "GIFTMARK_NOTIFY_RETRY_FIRST_S": "0.2",
    "GIFTMARK_NOTIFY_RESEND_S": "2",
}


class Place:
    """Town, gateway and database of this module alone: its tests hurt them."""

    def __init__(self, cluster: Cluster, gateway: SmsGateway, server: PostgresServer) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.server = server

    @property
    def database(self) -> str:
        return self.cluster.env["GIFTMARK_DATABASE_URL"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    server = PostgresServer(tmp_path_factory.mktemp("mail-database"), durable=False)
    dsn = server.start()
    migrate(dsn)
    data = tmp_path_factory.mktemp("mail-town")
    try:
        with running_gateway(data / "gateway.log") as gateway:
            settings = SETTINGS | {"GIFTMARK_SMS_URL": gateway.url}
            cluster = Cluster(data, workers=1, services=1, database=dsn, settings=settings)
            try:
                cluster.start()
                asyncio.run(cluster.ready())
                assert all(worker.running for worker in cluster.everyone), cluster.logs()[-4_000:]
                yield Place(cluster, gateway, server)
            finally:
                cluster.stop()
    finally:
        server.stop()


@pytest.fixture
async def town(place: Place) -> AsyncIterator[Town]:
    await place.gateway.behave("prompt")
    opened = Town(place.cluster)
    await opened.open()
    yield opened
    await opened.close()


async def sold(town: Town, card: Card, phone: str | None, **line: Any) -> str:
    """An order of one line with that buyer, settled; returns when the broker has both."""
    order_id = town.new_order()
    sale = town.sale(order_id, card)
    (first,) = sale["certificateLines"]
    first |= {"delivery": "SMS"} | line
    if phone is not None:
        sale["buyer"] = {"phone": phone, "lang": "en"}
    await town.send(SALES, order_id, sale)
    await town.send(PAYMENTS, order_id, town.payment(order_id, card))
    return order_id


async def notified(town: Town, order_id: str, state: str) -> None:
    """Waits until the order's first line shows that state of its message."""

    def shown() -> bool:
        lines = town._lines(order_id)
        return bool(lines) and lines[0]["notification"] == state

    await town.watch.until(shown, f"{order_id} {state}")


async def test_a_settled_sale_sends_its_code_once_and_the_order_shows_it(
    place: Place, town: Town
) -> None:
    (card,), phone = await town.issue(), next(PHONES)
    order_id = await sold(town, card, phone)
    await notified(town, order_id, "SENT")
    (message,) = await place.gateway.messages(to=phone)
    assert (message["posts"], message["delivered"]) == (1, 1)
    assert message["id"] == f"{order_id}:1:activated:1"
    code = parse(card.code)
    assert grouped(code.text) in message["text"]  # type: ignore[union-attr]
    assert "RUB\N{NO-BREAK SPACE}3,000" in message["text"]
    shown = (await town.get(f"/certificates/orders/{order_id}")).json()
    assert shown["lines"][0]["notification"] == "SENT"


async def test_the_audit_tells_whose_contact_was_opened_and_nothing_of_it(
    place: Place, town: Town
) -> None:
    (card,), phone = await town.issue(), next(PHONES)
    order_id = await sold(town, card, phone)
    await notified(town, order_id, "SENT")
    database, deadline = Database(place.database), asyncio.get_running_loop().time() + 20
    rows: list[dict[str, Any]] = []
    while not rows and asyncio.get_running_loop().time() < deadline:
        rows = await database.rows(
            "SELECT client, certificate_id, a::text AS everything FROM mart.audit a"
            " WHERE order_id = %(name)s AND command = 'OpenContact'",
            name=order_id,
        )
        await asyncio.sleep(0.1)
    await database.close()
    ((client, certificate_id, everything),) = [row.values() for row in rows]
    assert (client, certificate_id) == ("notifications", card.id)
    assert phone not in everything
    assert card.code not in everything


async def test_a_refused_number_shows_as_failed_and_an_operator_sends_again(
    place: Place, town: Town
) -> None:
    (card,), phone = await town.issue(), next(PHONES)
    await place.gateway.behave("refusing", to=phone, times=1)
    order_id = await sold(town, card, phone)
    await notified(town, order_id, "FAILED")
    assert (await town.state(card, status="Active")).data["available"] == NOMINAL
    path = f"/certificates/orders/{order_id}/lines/1/notify"
    again = await town.post(path, client="desk", key=f"{order_id}-again")
    assert (again.status_code, again.json()["notification"]) == (202, "ASKED")
    await notified(town, order_id, "SENT")
    found = {one["id"]: one["delivered"] for one in await place.gateway.messages(to=phone)}
    assert found == {f"{order_id}:1:activated:1": 0, f"{order_id}:1:activated:2": 1}
    replayed = await town.post(path, client="desk", key=f"{order_id}-again")
    assert replayed.headers["Idempotency-Replayed"] == "true"


async def test_a_supplied_contact_gets_the_message_without_the_code(
    place: Place, town: Town
) -> None:
    (card, silent), phone = await town.issue(2), next(PHONES)
    order_id, other = await sold(town, card, None), await sold(town, silent, None)
    for name in (order_id, other):
        await town.lines(name, "AwaitingContact")
    path = "/certificates/orders/{}/lines/1/contact"
    contact = {"contact": {"phone": phone, "lang": "en"}, "reason": "customer called"}
    supplied = await town.post(path.format(order_id), contact, client="desk")
    assert supplied.status_code == 202
    nobody = {"withoutNotification": True, "reason": "printed on paper"}
    assert (await town.post(path.format(other), nobody, client="desk")).status_code == 202
    await notified(town, order_id, "SENT")
    await town.lines(other, "Activated")
    (message,) = await place.gateway.messages(to=phone)
    assert message["delivered"] == 1
    assert f"…{card.last4}" in message["text"]
    assert card.code.replace("-", "")[:8] not in message["text"].replace("-", "")
    everything = await place.gateway.messages()
    assert [one for one in everything if one["id"].startswith(f"{other}:")] == []


async def test_a_holder_who_asked_for_a_refund_hears_of_it(place: Place, town: Town) -> None:
    card, phone = await town.active(), next(PHONES)
    order_id = (await town.state(card)).data["orderId"]
    asked = {
        "code": card.code,
        "channel": "WEB",
        "method": "OriginalPayment",
        "contact": {"phone": phone, "lang": "ru"},
    }
    refund = await town.post("/certificates/refunds", asked, client="shop")
    assert refund.status_code == 202, refund.text
    name = refund.json()["refundRequestId"]
    for version, status in enumerate(("AlternateDetailsRequired", "RefundFailed"), 1):
        word = {
            "orderId": order_id,
            "paymentId": f"{order_id}-R",
            "version": version,
            "occurredAt": moment(),
            "paymentStatus": status,
            "amount": NOMINAL,
            "currency": "RUB",
            "orderLineId": "1",
            "refundDetails": {"refundRequestId": name, "attempt": 1},
        }
        await town.send(PAYMENTS, order_id, word)
        found = await place.gateway.delivered(phone, count=version)
    assert [one["id"].split(":")[1] for one in found] == [
        "refund_details_required",
        "refund_failed",
    ]
    assert all(f"…{card.last4}" in one["text"] for one in found)


async def test_a_killed_sender_loses_no_code_and_sends_none_three_times(
    place: Place, town: Town
) -> None:
    cards, phones = await town.issue(12), [next(PHONES) for _ in range(12)]
    for phone in phones:
        await place.gateway.behave("slow", to=phone, times=1, delay_ms=700)
    for card, phone in zip(cards, phones, strict=True):
        await sold(town, card, phone)
    while not await place.gateway.messages(to=phones[0]):
        await asyncio.sleep(0.02)
    (services,) = place.cluster.services
    assert services.end(signal.SIGKILL) == -signal.SIGKILL
    services.start()
    await place.cluster.ready()
    for phone in phones:
        (message,) = await place.gateway.delivered(phone)
        assert message["posts"] <= 2


async def pay(town: Town, card: Card) -> None:
    """A till's hold and capture, each clear at the first attempt."""
    hold = {"code": card.code, "amount": 100, "currency": "RUB"}
    held = await town.post("/certificates/authorizations", hold, patient=False)
    assert held.status_code == 201, held.text
    path = f"/certificates/authorizations/{held.json()['authorizationId']}/capture"
    assert (await town.post(path, patient=False)).status_code == 200


async def test_without_the_database_everybody_sells_and_pays_and_the_messages_come_later(
    place: Place, town: Town
) -> None:
    # A certificate remembers its last 64 holds and takes no more that day.
    paying = [await town.active() for _ in range(2 + int(OUTAGE_S) // 10)]
    cards, tills = await town.issue(40), itertools.cycle(paying)
    phones = [next(PHONES) for _ in cards]
    away_until, holds = asyncio.get_running_loop().time() + OUTAGE_S, 0
    place.server.kill()
    try:
        for card, phone in zip(cards, phones, strict=True):
            await sold(town, card, phone)
            await pay(town, next(tills))
            assert await place.gateway.messages(to=phone) == []
        holds = len(cards)
        while asyncio.get_running_loop().time() < away_until:
            await pay(town, next(tills))
            holds += 1
            await asyncio.sleep(0.2)
        for card in cards:
            await town.state(card, status="Active")
    finally:
        place.server.start()
    for phone in phones:
        (message,) = await place.gateway.delivered(phone)
        assert message["posts"] == 1
    database = Database(place.database)
    result = await reconcile(KafkaAccess(town.bootstrap), database, patience_s=30)
    row = await database.one(
        "SELECT sum(-d_held) AS spent FROM mart.operation"
        " WHERE certificate_id = ANY(%(ids)s) AND transaction_type = 'Captured'",
        ids=[card.id for card in paying],
    )
    await database.close()
    assert (result.differences, result.behind) == ([], 0)
    assert row == {"spent": 100 * holds}


async def test_no_code_and_no_phone_stands_in_table_or_logs(place: Place, town: Town) -> None:
    (card,), phone = await town.issue(), next(PHONES)
    order_id = await sold(town, card, phone)
    await notified(town, order_id, "SENT")
    with (
        psycopg2.connect(place.database) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT n::text, sealed FROM certificates.notification n")
        rows = cursor.fetchall()
    stored = "".join(text for text, _ in rows) + place.cluster.logs()
    boxes = b"".join(bytes(box) for _, box in rows if box is not None)
    plain = card.code.replace("-", "")
    assert order_id in stored
    for secret in (phone, phone[1:], card.code, plain):
        assert secret not in stored
        assert secret.encode() not in boxes
