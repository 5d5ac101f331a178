"""The sender on a real database and gateway process: doubles, losses, kills, erasure."""

import asyncio
import itertools
import multiprocessing
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg2
import pytest

from app.certificates.notify.store import CLAIM_MOST, Ended
from app.domain.policy import Policy
from app.embedded_postgres import PostgresServer
from app.migrations import migrate
from tests.flows.certificates.letters import fresh
from tests.flows.certificates.mail_room import POINTS, Office, asked, dying
from tests.flows.certificates.sms_gateway import CHECKOUT, SmsGateway, running_gateway

PHONE = "+79990000001"
PHONES = (f"+7999{number}" for number in itertools.count(1_000_000))
# Forks of a clean process, so that not every one of them imports everything again.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.flows.certificates.mail_room"])


@pytest.fixture(scope="module")
def gateway_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmsGateway]:
    with running_gateway(tmp_path_factory.mktemp("sms") / "gateway.log") as running:
        yield running


@pytest.fixture
async def gateway(gateway_process: SmsGateway) -> SmsGateway:
    await gateway_process.behave("prompt")
    return gateway_process


@pytest.fixture(scope="module")
def mail_database(postgres_server: PostgresServer) -> str:
    """The DSN of a database for this module, its schema in place."""
    name = f"mail_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(postgres_server.dsn())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    dsn = postgres_server.dsn(name)
    migrate(dsn)
    return dsn


@pytest.fixture
def dsn(mail_database: str) -> str:
    """Of the same database, with no message in it."""
    with psycopg2.connect(mail_database) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE certificates.notification")
    return mail_database


@pytest.fixture
async def office(dsn: str, gateway: SmsGateway) -> AsyncIterator[Office]:
    opened = Office(dsn, gateway.url)
    yield opened
    await opened.close()


def row_of(name: str) -> str:
    return f"{name}:1:activated:1"


async def test_a_request_that_comes_often_is_one_message_and_one_result(
    office: Office, gateway: SmsGateway
) -> None:
    name = fresh("SO")
    for _ in range(3):
        await office.store.keep([asked(name, phone=PHONE), asked(name, phone=PHONE)])
        await office.run()
    (message,) = await gateway.messages(id=row_of(name))
    assert (message["posts"], message["delivered"]) == (1, 1)
    assert (message["to"], message["channel"]) == (PHONE, "SMS")
    assert "GC7K-2M9T-XQ4P-0D8V-R6N4" in message["text"]
    assert office.told == [Ended(row_of(name), "activated", name, "1", "SENT")]


# Manner, state at the end, posts, deliveries. What is hidden for longer than the second send
# waits arrives twice: better than never.
ENDS = [
    ("prompt", "SENT", 1, 1),
    ("deaf", "SENT", 2, 1),
    ("mute", "SENT", 1, 1),
    ("slow", "SENT", 1, 1),
    ("late", "SENT", 1, 1),
    ("hidden", "SENT", 2, 2),
    ("doubling", "SENT", 1, 2),
    ("refusing", "FAILED", 1, 0),
    ("busy", "SENT", 2, 1),
    ("broken", "SENT", 2, 1),
    ("torn", "SENT", 1, 1),
]


@pytest.mark.parametrize(("manner", "state", "posts", "delivered"), ENDS)
async def test_each_way_of_a_gateway_has_one_end(
    office: Office, gateway: SmsGateway, *, manner: str, state: str, posts: int, delivered: int
) -> None:
    name, phone = fresh("SO"), next(PHONES)
    await gateway.behave(manner, to=phone, times=1, delay_ms=1_000)
    await office.store.keep([asked(name, phone=phone)])
    await office.run()
    assert [one.state for one in office.told] == [state]
    if delivered:
        await gateway.delivered(phone, count=delivered)
    (message,) = await gateway.messages(id=row_of(name))
    assert (message["posts"], message["delivered"]) == (posts, delivered)


async def test_a_gateway_that_takes_everything_and_tells_nothing_gets_two_sends_and_no_third(
    dsn: str, office: Office, gateway: SmsGateway
) -> None:
    name, phone = fresh("SO"), "+79990000002"
    await gateway.behave("mute", to=phone, silent=True)
    await office.store.keep([asked(name, phone=phone)])
    for _ in range(60):
        await office.sender.work()
        await asyncio.sleep(0.03)
    (message,) = await gateway.messages(id=row_of(name))
    assert (message["posts"], message["delivered"]) == (2, 2)
    older(dsn, "1 hour")
    await office.run()
    assert [one.state for one in office.told] == ["FAILED"]
    row = await office.database.one("SELECT error, sends FROM certificates.notification")
    assert row == {"error": "OutcomeUnknown", "sends": 2}
    (message,) = await gateway.messages(id=row_of(name))
    assert message["posts"] == 2


@pytest.mark.parametrize("manner", ["prompt", "hidden"])
async def test_kills_at_every_point_lose_no_message_and_send_none_three_times(
    dsn: str, office: Office, gateway: SmsGateway, *, manner: str
) -> None:
    for point in POINTS:
        phone, name = next(PHONES), fresh("SO")
        await gateway.behave(manner, to=phone, times=1, delay_ms=300)
        await office.store.keep([asked(name, phone=phone)])
        assert await asyncio.to_thread(killed, dsn, gateway.url, point) == -9
        older(dsn, "1 minute", only=f"{name}:%")
        await office.run()
        (message,) = await gateway.delivered(phone)
        assert (point, message["posts"] <= 2, message["delivered"] <= 2) == (point, True, True)
    rows = await office.database.rows(
        "SELECT state, sends <= 2 AS kept, told FROM certificates.notification"
    )
    assert rows == [{"state": "SENT", "kept": True, "told": True}] * len(POINTS)


async def test_two_senders_side_by_side_send_each_message_once(
    dsn: str, office: Office, gateway: SmsGateway
) -> None:
    names = [fresh("SO") for _ in range(80)]
    await office.store.keep([asked(name, phone="+79990000003") for name in names])
    other = Office(dsn, gateway.url)
    await asyncio.gather(office.run(), other.run())
    found = await gateway.messages(to="+79990000003")
    assert [one["posts"] for one in found] == [1] * len(names)
    told = {one.id for one in [*office.told, *other.told]}
    assert told == {row_of(name) for name in names}
    await other.close()


async def test_every_opening_of_a_contact_is_recorded_many_at_a_time(
    office: Office, gateway: SmsGateway
) -> None:
    names = [row_of(fresh("SO")) for _ in range(40)]
    requests = [asked(name.partition(":")[0], phone="+79990000004") for name in names]
    await office.store.keep(requests)
    await office.run()
    assert [len(batch) for batch in office.opened] == [CLAIM_MOST, len(names) - CLAIM_MOST]
    assert {name for batch in office.opened for name in batch} == set(names)


async def test_a_second_send_opens_the_contact_again(office: Office, gateway: SmsGateway) -> None:
    name, phone = fresh("SO"), next(PHONES)
    await gateway.behave("deaf", to=phone, times=1)
    await office.store.keep([asked(name, phone=phone)])
    await office.run()
    assert office.opened == [[row_of(name)]] * 2


async def test_what_the_audit_cannot_record_stays_sealed_and_is_sent_later(
    office: Office, gateway: SmsGateway
) -> None:
    name = fresh("SO")
    await office.store.keep([asked(name, phone=PHONE)])
    office.audit_away = True
    await office.sender.work()
    row = await office.database.one("SELECT state, sends, error FROM certificates.notification")
    assert row == {"state": "RETRY", "sends": 0, "error": "AccessNotRecorded"}
    assert await gateway.messages(id=row_of(name)) == []
    office.audit_away = False
    await office.run()
    (message,) = await gateway.messages(id=row_of(name))
    assert (message["posts"], office.opened) == (1, [[row_of(name)]])


async def test_what_cannot_be_sent_fails_with_its_cause_and_asks_no_gateway(
    office: Office, gateway: SmsGateway
) -> None:
    moved, nobody = asked(fresh("SO"), phone=PHONE), asked(fresh("SO"))
    moved = msgspec.structs.replace(moved, order_line_id="2")
    await office.store.keep([moved, nobody])
    await office.run()
    rows = await office.database.rows("SELECT error FROM certificates.notification")
    assert {row["error"] for row in rows} == {"ContactUnreadable", "ContactMissing"}
    assert await gateway.messages(id=moved.id) == []


async def test_without_a_phone_the_message_goes_by_e_mail(
    office: Office, gateway: SmsGateway
) -> None:
    name = fresh("SO")
    await office.store.keep([asked(name, email="a@example.org", code=None, lang="en")])
    await office.run()
    (message,) = await gateway.messages(id=row_of(name))
    assert (message["channel"], message["to"]) == ("EMAIL", "a@example.org")
    assert message["subject"] == "Gift certificate"
    assert "…R6N4" in message["text"]


# Age of the row, age of its end, whether the box is still there, whether the row is.
AGES = [
    ("6 days", "6 days", True, True),
    ("8 days", "8 days", False, True),
    ("61 days", "6 days", False, True),
    ("401 days", "401 days", False, False),
]


@pytest.mark.parametrize(("age", "ended", "sealed", "kept"), AGES)
async def test_contacts_leave_the_table_after_their_time(
    dsn: str, office: Office, *, age: str, ended: str, sealed: bool, kept: bool
) -> None:
    await office.store.keep([asked(fresh("SO"), phone=PHONE)])
    await office.run()
    older(dsn, age, ended)
    await office.store.sweep(Policy())
    rows = await office.database.rows(
        "SELECT sealed IS NOT NULL AS sealed FROM certificates.notification"
    )
    assert rows == ([{"sealed": sealed}] if kept else [])


async def test_a_failed_message_keeps_its_contact_for_sixty_days(
    dsn: str, office: Office, gateway: SmsGateway
) -> None:
    await gateway.behave("refusing", to="+79990000009")
    await office.store.keep([asked(fresh("SO"), phone="+79990000009")])
    await office.run()
    for age, sealed in (("59 days", True), ("3 days", False)):
        older(dsn, age, age)
        await office.store.sweep(Policy())
        row = await office.database.one(
            "SELECT sealed IS NOT NULL AS sealed FROM certificates.notification"
        )
        assert row == {"sealed": sealed}


def older(dsn: str, age: str, ended: str | None = None, *, only: str = "%") -> None:
    """Moves what is stored into the past."""
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE certificates.notification SET created_at = created_at - %(age)s::interval,"
            " ended_at = ended_at - %(ended)s::interval,"
            " next_try_at = next_try_at - %(age)s::interval,"
            " last_send_at = last_send_at - %(age)s::interval"
            " WHERE notification_id LIKE %(only)s",
            {"age": age, "ended": ended or age, "only": only},
        )


def killed(dsn: str, url: str, point: str) -> int | None:
    """The exit code of a sender that dies at that point."""
    process = FORKS.Process(target=dying, args=(dsn, url, point), daemon=True)
    process.start()
    process.join(30)
    return process.exitcode


def test_the_emulator_shares_no_code_with_the_product() -> None:
    for path in Path(CHECKOUT, "deploy", "sandbox_sms").glob("*.py"):
        assert "from app" not in path.read_text()
