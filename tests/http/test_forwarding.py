"""Two workers: the one that is asked passes the command to the one that owns the key."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from aiohttp import client_exceptions
from prometheus_client import CollectorRegistry, Counter

from app.domain.certificates.commands import Authorize, ReadOrder
from app.domain.decision import Reply
from tables.errors import DeadlineOver, OutcomeUnknown, OwnerUnavailable
from tests.http.worker import CODE, FakeLedger, Server, Start, sent
from web.forwarding import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Envelope,
    Forwarder,
    Signer,
    translated,
)

HOLDS = "/certificates/authorizations"
GOOD = {"code": CODE, "amount": 100, "currency": "RUB"}
SIGNER = Signer(b"f" * 32)


@pytest.fixture
async def asked(server: Server, ledger: FakeLedger, owner: Server) -> Server:
    """The worker that is asked; every key is owned by the other one."""
    ledger.owner = lambda _key: owner.internal + "/"
    return server


async def test_a_forwarded_command_arrives_whole_and_the_code_does_not(
    asked: Server, ledger: FakeLedger, owner_ledger: FakeLedger, *, certificate: str
) -> None:
    fields = {"authorizationId": "au_x_1", "approved": 100, "expiresAt": "2026-09-01T10:30:00.000Z"}
    owner_ledger.answer = lambda *_: Reply(201, None, "req_0", fields)
    answer = await asked.post(HOLDS, GOOD, Store_Id="S17")
    key, command, command_id, left_s = owner_ledger.asked[0]
    assert (answer.status, answer.json) == (201, fields)
    assert key == certificate
    assert isinstance(command, Authorize)
    assert (command.call.client, command.call.store_id) == ("till", "S17")
    assert command.call.instance == command_id
    assert 0 < left_s <= 3
    assert CODE.replace("-", "") not in repr(command)
    assert not ledger.asked


async def test_both_workers_answer_the_same_bytes(
    asked: Server, owner: Server, owner_ledger: FakeLedger
) -> None:
    members = {"available": 7, "holds": ("au_1", "au_2")}
    owner_ledger.answer = lambda *_: Reply(409, "HoldsOpen", "req_first", members, replayed=True)
    here, there = await asked.post(HOLDS, GOOD), await owner.post(HOLDS, GOOD)
    assert (here.status, here.content) == (there.status, there.content)
    assert here.headers["Idempotency-Replayed"] == "true"


async def test_misses_are_counted_where_the_caller_asked(
    asked: Server, owner_ledger: FakeLedger
) -> None:
    owner_ledger.answer = lambda *_: Reply(404, "CertificateUnknown", "req_0", {})
    statuses = [(await asked.post(HOLDS, GOOD)).status for _ in range(21)]
    assert statuses == [404] * 20 + [429]


@pytest.mark.parametrize("order", ["SO-1", "SO/1", "SO 1%", "заказ", "a:b?c#d", "%2F"])
async def test_any_key_survives_the_way(
    asked: Server, owner_ledger: FakeLedger, order: str
) -> None:
    await asked.get(f"/certificates/orders/{quote(order, safe='')}")
    assert owner_ledger.asked[0][0] == order
    assert isinstance(owner_ledger.asked[0][1], ReadOrder)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OwnerUnavailable("partition 1 is opening"), "OwnerUnavailable"),
        (DeadlineOver("partition 1 is slow"), "OwnerUnavailable"),
        (OutcomeUnknown("partition 1 closed"), "OutcomeUnknown"),
        (RuntimeError("bug"), "OutcomeUnknown"),
    ],
)
async def test_what_the_owner_cannot_decide_is_told_apart(
    asked: Server, owner: Server, owner_ledger: FakeLedger, *, error: Exception, code: str
) -> None:
    def fail(*_: object) -> Reply:
        raise error

    owner_ledger.answer = fail
    for worker in (asked, owner):
        answer = await worker.post(HOLDS, GOOD)
        assert (answer.status, answer.code) == (503, code)
        assert "Retry-After" in answer.headers


async def test_nobody_owns_the_key(server: Server, ledger: FakeLedger) -> None:
    def nobody(_key: str) -> str | None:
        raise OwnerUnavailable("partition 3 has no owner")

    ledger.owner = nobody
    answer = await server.post(HOLDS, GOOD)
    assert (answer.status, answer.code) == (503, "OwnerUnavailable")


async def test_an_owner_that_is_gone_was_never_asked(
    server: Server, ledger: FakeLedger, unused_port: int
) -> None:
    ledger.owner = lambda _key: f"http://127.0.0.1:{unused_port}"
    answer = await server.post(HOLDS, GOOD)
    assert (answer.status, answer.code) == (503, "OwnerUnavailable")


async def test_an_owner_that_hangs_up_may_have_decided(
    server: Server, ledger: FakeLedger, hanging_up: str
) -> None:
    ledger.owner = lambda _key: hanging_up
    answer = await server.post(HOLDS, GOOD)
    assert (answer.status, answer.code) == (503, "OutcomeUnknown")


async def test_an_owner_that_says_nothing_may_have_decided(start: Start, silent: str) -> None:
    ledger = FakeLedger()
    ledger.owner = lambda _key: silent
    server = await start(ledger, settings={"http_deadline_ms": 200})
    answer = await server.post(HOLDS, GOOD)
    assert (answer.status, answer.code) == (503, "OutcomeUnknown")


async def test_an_order_no_worker_could_sign_is_refused(
    session: aiohttp.ClientSession, owner: Server, owner_ledger: FakeLedger
) -> None:
    body = _pack(Envelope("ReadOrder", "req_1", 1_000, msgspec.Raw(_pack(ReadOrder("req_1")))))
    good = SIGNER.headers("SO-1", body)
    stale = str(int(time.time()) - 120)

    def signed_at(stamp: str) -> dict[str, str]:
        signature = SIGNER._mac(stamp, "SO-1", body)
        return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature}

    cases = [
        ("SO-1", body, good, 200),
        ("SO-1", body, signed_at(str(int(time.time()) - 30)), 200),
        ("SO-2", body, good, 401),
        ("SO-1", body + b" ", good, 401),
        ("SO-1", body, {**good, TIMESTAMP_HEADER: stale}, 401),
        ("SO-1", body, signed_at(stale), 401),
        ("SO-1", body, {**good, TIMESTAMP_HEADER: "soon"}, 401),
        ("SO-1", body, {**good, SIGNATURE_HEADER: ""}, 401),
        ("SO-1", body, Signer(b"x" * 32).headers("SO-1", body), 401),
        ("SO-1", body, {}, 401),
    ]
    for key, content, headers, status in cases:
        assert await sent(session, owner, key, content, headers) == status
    assert len(owner_ledger.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        msgspec.msgpack.encode(["TomorrowsCommand", "req_1", 10, []]),
        msgspec.msgpack.encode(["ReadOrder", "req_1", 10, [1, 2]]),
    ],
)
async def test_a_command_the_owner_does_not_know_is_not_decided(
    session: aiohttp.ClientSession, owner: Server, owner_ledger: FakeLedger, *, body: bytes
) -> None:
    assert await sent(session, owner, "SO-1", body, SIGNER.headers("SO-1", body)) == 400
    assert not owner_ledger.asked


async def test_workers_with_different_keys_do_not_serve_one_another(
    start: Start, owner: Server, owner_ledger: FakeLedger
) -> None:
    ledger = FakeLedger()
    ledger.owner = lambda _key: owner.internal
    stranger = await start(ledger, settings={"forward_key": b"x" * 32})
    answer = await stranger.post(HOLDS, GOOD)
    assert (answer.code, owner_ledger.asked) == ("OwnerUnavailable", [])


def test_every_error_of_the_client_becomes_one_of_the_ledgers() -> None:
    errors = [
        error
        for error in vars(client_exceptions).values()
        if isinstance(error, type) and issubclass(error, aiohttp.ClientError)
    ]
    assert len(errors) > 15
    for error in [*errors, OSError, TimeoutError, ConnectionResetError, msgspec.DecodeError]:
        unsent = issubclass(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        expected = OwnerUnavailable if unsent else OutcomeUnknown
        with pytest.raises(expected) as caught, translated(outcomes()):
            raise made(error)
        assert type(caught.value) is expected


async def test_forwards_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.forwarding.IN_FLIGHT_MAX", 0)
    forwarder = Forwarder(SIGNER, outcomes())
    later = asyncio.get_running_loop().time() + 1
    with pytest.raises(OwnerUnavailable, match="too many"):
        await forwarder.request(
            "http://owner", "SO-1", ReadOrder("r"), command_id="r", deadline=later, now=1
        )


async def test_nothing_is_sent_after_the_deadline(owner: Server, owner_ledger: FakeLedger) -> None:
    forwarder = Forwarder(SIGNER, outcomes())
    past = asyncio.get_running_loop().time() - 1
    with pytest.raises(OwnerUnavailable, match="no time"):
        await forwarder.request(
            owner.internal, "SO-1", ReadOrder("r"), command_id="r", deadline=past, now=1
        )
    assert not owner_ledger.asked


_pack = msgspec.msgpack.encode


def made(error: type[Exception]) -> Exception:
    """An instance without its arguments: only its class counts."""
    made: Exception = error.__new__(error)
    return made


def outcomes() -> Counter:
    return Counter("forwards", "", ["outcome"], registry=CollectorRegistry())


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.fixture
async def hanging_up() -> AsyncIterator[str]:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    released = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    released.set()
    server.close()
