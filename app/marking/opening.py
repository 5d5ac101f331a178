"""Puts the marking half together: database, seals, clients, terms."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from app.integrations.errors import Upstream
from app.integrations.http import Times, UpstreamClient
from app.integrations.observing import Observer
from app.marking.crash import CrashPoint
from app.marking.database import connect
from app.marking.desk import Clients, Desk
from app.marking.ids import new_id
from app.marking.leases import release_former
from app.marking.limits import SharedLimiter
from app.marking.rotation import require_known_keys
from app.marking.sealing import Sealer
from app.marking.signer import Signers
from app.marking.terms import Terms
from app.marking.work import Publish


class Addresses(msgspec.Struct, frozen=True):
    """Origins of the three systems, without a path."""

    nk: str
    true_api: str
    suz: str


def times_of(terms: Terms, settings: Any) -> Times:
    """Deadlines of the clients, divided by the time scale like every other duration."""
    names = {
        "connect_s": "http_connect_s",
        "read_s": "http_read_s",
        "suz_write_s": "suz_write_s",
        "suz_list_s": "suz_list_read_s",
        "send_window_s": "marking_send_window_s",
    }
    given = {
        field: terms.scaled_s(getattr(settings, name))
        for field, name in names.items()
        if hasattr(settings, name)
    }
    return msgspec.convert(given, Times)


async def open_desk(
    dsn: str,
    *,
    terms: Terms,
    times: Times,
    addresses: Addresses,
    keys: Sequence[bytes],
    signers: Signers,
    observer: Observer,
    publish: Publish,
) -> Desk:
    """A desk on a migrated database. Raises WrongKeys; leases of a former start are freed."""
    database = await connect(dsn)
    sealer = Sealer(keys)
    try:
        await require_known_keys(database, sealer)
        owner = f"{terms.worker_name}/{os.getpid()}-{new_id()}"
        await release_former(database, worker=terms.worker_name, owner=owner)
    except BaseException:
        await database.close()
        raise
    limiter = SharedLimiter(database, terms)

    def client(upstream: Upstream, origin: str) -> UpstreamClient:
        return UpstreamClient(upstream, origin, limiter=limiter, observer=observer, times=times)

    clients = Clients(
        client(Upstream.NK, addresses.nk),
        client(Upstream.TRUE_API, addresses.true_api),
        client(Upstream.SUZ, addresses.suz),
    )
    return Desk(
        database,
        sealer,
        terms,
        terms.rules(),
        clients,
        signers,
        publish,
        CrashPoint(terms.marking_crash_at),
        owner,
        set(),
    )


async def close_desk(desk: Desk) -> None:
    await desk.clients.close()
    await desk.database.close()
