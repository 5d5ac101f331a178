"""Fixtures: workers with a public and an internal server on ports of the system's choice."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.domain.policy import Policy
from app.settings import Settings
from tests.http.law import LawfulLedger
from tests.http.pair import Pair
from tests.http.worker import (
    CLIENTS,
    CODE,
    PEPPER,
    SECRET,
    FakeLedger,
    Server,
    Start,
    identify,
    sealed,
)
from web.access import Clients
from web.apps import Deps, internal_app, public_app
from web.routing import Edge
from web.running import runner


@pytest.fixture
def certificate() -> str:
    key = identify(CODE)
    assert key is not None
    return key


@pytest.fixture
def clients_file(tmp_path: Path) -> Path:
    path = tmp_path / "clients.json"
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    entries = [{"secrets": [digest], **client} for client in CLIENTS]
    path.write_text(json.dumps({"clients": entries}))
    return path


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
async def start(clients_file: Path) -> AsyncIterator[Start]:
    runners: list[web.AppRunner] = []
    session = aiohttp.ClientSession()

    async def run(app: web.Application) -> str:
        server = runner(app)
        await server.setup()
        runners.append(server)
        await web.TCPSite(server, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{server.addresses[0][1]}"

    async def begin(ledger: FakeLedger, **more: Any) -> Server:
        policy = more.pop("policy", Policy())
        settings = Settings.model_validate(
            {
                "public_url": "https://gift.example",
                "code_pepper": PEPPER,
                "contact_keys": [b"c" * 32],
                "payout_key": b"o" * 32,
                "dead_letter_key": b"d" * 32,
                "forward_key": b"f" * 32,
                **more.pop("settings", {}),
            }
        )
        edge = Edge(policy=policy, certificate_id=identify, seal_contact=sealed, seal_payout=sealed)
        deps = Deps(
            settings=settings,
            ledger=ledger,
            clients=Clients(clients_file),
            edge=edge,
            registry=CollectorRegistry(),
            **more,
        )
        return Server(await run(public_app(deps)), await run(internal_app(deps)), session)

    yield begin
    await session.close()
    for running in runners:
        await running.cleanup()


@pytest.fixture
async def server(start: Start, ledger: FakeLedger) -> Server:
    return await start(ledger)


@pytest.fixture
async def owner_ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
async def owner(start: Start, owner_ledger: FakeLedger) -> Server:
    return await start(owner_ledger)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def pair(start: Start, certificate: str) -> Pair:
    ledger, remote = LawfulLedger(), LawfulLedger()
    owner = await start(ledger)
    remote.owner = lambda _key: owner.internal
    ledger.activate(certificate)
    return Pair(ledger, owner, other=await start(remote), key=certificate)
