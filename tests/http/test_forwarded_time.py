"""The time of a request is that at which it was accepted, whoever decides it."""

import time

import aiohttp
import msgspec

from app.domain.certificates.commands import ReadOrder
from app.domain.policy import HOUR_MS
from tests.http.worker import CODE, FakeLedger, Server, Start, sent
from web.forwarding import Envelope, Signer

GOOD = {"code": CODE, "amount": 100, "currency": "RUB"}
SIGNER = Signer(b"f" * 32)
_pack = msgspec.msgpack.encode


class EnvelopeBefore(msgspec.Struct, frozen=True, array_like=True):
    """As it was before requests told when they were accepted."""

    kind: str
    id: str
    left_ms: int
    fields: msgspec.Raw


async def test_a_request_keeps_the_time_at_which_it_was_accepted(
    start: Start, owner: Server, owner_ledger: FakeLedger
) -> None:
    """Its worker's clock goes an hour slow: the owner takes that time, not its own."""
    ledger = FakeLedger()
    ledger.owner = lambda _key: owner.internal
    slow = await start(ledger, settings={"clock_offset_ms": -HOUR_MS})
    before = time.time_ns() // 1_000_000 - HOUR_MS
    await slow.post("/certificates/authorizations", GOOD)
    (accepted_at,) = owner_ledger.accepted_at
    assert accepted_at is not None
    assert before <= accepted_at <= time.time_ns() // 1_000_000 - HOUR_MS


async def test_workers_of_the_version_before_understand_and_are_understood(
    session: aiohttp.ClientSession, owner: Server, owner_ledger: FakeLedger
) -> None:
    fields = msgspec.Raw(_pack(ReadOrder("req_1")))
    new = _pack(Envelope("ReadOrder", "req_1", 1_000, fields, 5))
    read = msgspec.msgpack.decode(new, type=EnvelopeBefore)
    assert (read.kind, read.id, read.left_ms, bytes(read.fields)) == (
        *("ReadOrder", "req_1", 1_000),
        bytes(fields),
    )
    old = _pack(EnvelopeBefore("ReadOrder", "req_1", 1_000, fields))
    assert await sent(session, owner, "SO-1", old, SIGNER.headers("SO-1", old)) == 200
    assert owner_ledger.accepted_at == [None]
