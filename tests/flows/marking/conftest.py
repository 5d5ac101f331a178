"""The emulator as a process, a migrated database, one worker alone, and the whole stack."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import psycopg2
import pytest

from app.contracts.topics import manifest
from app.embedded_postgres import PostgresServer
from app.kafka_access import KafkaAccess
from app.marking import people
from app.marking.database import connect
from app.migrations import migrate
from app.topics_admin import ensure_topics
from deploy.sandbox.driver import running
from tests.flows.marking.abreast import Abreast, beside
from tests.flows.marking.processes import environment
from tests.flows.marking.rig import SCALE, Rig, playing_worker
from tests.flows.marking.stack import Stack


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


@pytest.fixture(scope="session")
def stack_environment(kafka: str, postgres_server: PostgresServer, sandbox: str) -> dict[str, str]:
    """Topics and schema of the stack, and how its workers are told of everything."""
    asyncio.run(ensure_topics(KafkaAccess(kafka), manifest(4, 4)))
    return environment(_own_database(postgres_server), kafka, sandbox)


@pytest.fixture(scope="session")
def stack(
    stack_environment: dict[str, str], sandbox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One running stack for all scenarios; each of them brings a participant of its own."""
    folder = tmp_path_factory.mktemp("stack")
    env = {**stack_environment, "GIFTMARK_DATA_DIR": str(folder)}
    dsn = env["GIFTMARK_DATABASE_URL"]
    made = Stack(env, sandbox, folder, dsn)
    made.admin_key = asyncio.run(_first_admin(dsn))
    made.worker("w1")
    yield made
    for worker in made.workers:
        worker.stop()


def _own_database(server: PostgresServer) -> str:
    name = f"stack_{secrets.token_hex(4)}"
    with closing(psycopg2.connect(server.dsn())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    dsn = server.dsn(name)
    migrate(dsn)
    return dsn


async def _first_admin(dsn: str) -> str:
    database = await connect(dsn)
    try:
        user = await people.add_user(database, "root", secrets.token_hex(8), is_admin=True)
        return await people.add_key(database, user, "root")
    finally:
        await database.close()


ABREAST = pytest.StashKey[Abreast]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that run side by side come together, behind everything else of this folder."""
    marked = [item for item in items if beside(item)]
    others = [item for item in items if not beside(item)]
    last = [item for item in others if "nothing_leaks" in item.nodeid]
    items[:] = [*(item for item in others if item not in last), *marked, *last]


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not beside(pyfuncitem):
        return None
    session = pyfuncitem.session
    if ABREAST not in session.stash:
        session.stash[ABREAST] = Abreast(session.items, pyfuncitem.funcargs["stack"])
    session.stash[ABREAST].told(pyfuncitem)
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    if not beside(item) and ABREAST in item.session.stash:
        item.session.stash[ABREAST].end()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if ABREAST in session.stash:
        session.stash[ABREAST].end()
