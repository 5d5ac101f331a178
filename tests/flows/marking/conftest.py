"""The emulator as a process, a migrated database, and one worker of the marking half."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.migrations import migrate
from deploy.sandbox.driver import running
from tests.flows.marking.rig import SCALE, Rig, playing_worker


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    with running(SCALE) as origin:
        yield origin


@pytest.fixture
def dsn(postgres: str) -> str:
    migrate(postgres)
    return postgres


@pytest.fixture
async def rig(dsn: str, sandbox: str) -> AsyncIterator[Rig]:
    async with playing_worker(dsn, sandbox, inn="7700000016") as worker:
        yield worker
