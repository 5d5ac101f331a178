"""One running town for all scenarios: broker, database, two ledger workers, one services worker."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import psycopg2
import pytest

from app.embedded_postgres import PostgresServer
from app.migrations import migrate
from deploy.proving.cluster import Cluster
from tests.flows.certificates.stages import (
    brisk,
    brisk_cluster,
    payments_desk,
    pytest_collection_modifyitems,
    scene,
    scene_cluster,
)
from tests.flows.certificates.town import Town

__all__ = [
    "brisk",
    "brisk_cluster",
    "payments_desk",
    "pytest_collection_modifyitems",
    "scene",
    "scene_cluster",
]

# Limits that let the scenarios wait for seconds where people wait for minutes.
POLICY = {"hold_min_s": 1, "saga_retry_s": [1, 2] + [5] * 60}


@pytest.fixture(scope="session")
def town_database(postgres_server: PostgresServer) -> str:
    """The DSN of the town's own database, its schema in place."""
    name = f"town_{uuid.uuid4().hex}"
    with closing(psycopg2.connect(postgres_server.dsn())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    dsn = postgres_server.dsn(name)
    migrate(dsn)
    return dsn


@pytest.fixture(scope="session")
def town_cluster(tmp_path_factory: pytest.TempPathFactory, town_database: str) -> Iterator[Cluster]:
    """Shared by the whole session: tests leave it running and ready."""
    cluster = Cluster(
        tmp_path_factory.mktemp("town"),
        workers=2,
        services=1,
        database=town_database,
        settings={"GIFTMARK_POLICY": json.dumps(POLICY)},
    )
    try:
        cluster.start()
        asyncio.run(cluster.ready())
        stopped = [worker.name for worker in cluster.everyone if not worker.running]
        assert not stopped, f"{stopped} stopped: {cluster.logs()[-4_000:]}"
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def town(town_cluster: Cluster) -> AsyncIterator[Town]:
    """Hands in the running town; what it watches begins with the test."""
    town = Town(town_cluster)
    await town.open()
    yield town
    await town.close()
