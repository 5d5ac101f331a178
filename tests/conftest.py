"""A real broker and a real database for every test that asks for one."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from hypothesis import HealthCheck, settings

from app.embedded_kafka import KafkaBroker
from app.embedded_postgres import PostgresServer

# A busy machine makes drawing slow; that says nothing of the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# What takes long to start and is shared by a session: each is started in one process only.
SHARED = {
    "stack": "stack",
    "town_cluster": "town",
    "scene_cluster": "town",
    "brisk_cluster": "town",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `-n`: tests of what is shared stay together and come first, all others go by file."""
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: groups[item] not in SHARED.values())
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    needed = getattr(item, "fixturenames", ())
    shared = (group for fixture, group in SHARED.items() if fixture in needed)
    return next(shared, item.nodeid.partition("::")[0])


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one broker for the whole session; use topic names of your own."""
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    yield broker.start()
    broker.stop()


@pytest.fixture(scope="module")
def start_broker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], KafkaBroker]]:
    """Starts brokers that belong to one test module, to be killed and started again."""
    brokers: list[KafkaBroker] = []

    def start() -> KafkaBroker:
        brokers.append(KafkaBroker(tmp_path_factory.mktemp("broker")))
        brokers[-1].start()
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running broker of the test's own."""
    own = KafkaBroker(tmp_path_factory.mktemp("broker"))
    own.start()
    yield own
    own.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a fresh, empty database."""
    name = f"t_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(postgres_server.dsn())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
            yield postgres_server.dsn(name)
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
