"""Fixtures of the scenarios: two scenes for the whole session, one with the shortest terms."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.proving.cluster import Cluster
from tests.flows.certificates.payments_desk import PaymentsDesk, open_desk
from tests.flows.certificates.scene import Scene, open_scene

# Terms of no length: what has to wait for them is over with the next tick. But no order asks its
# certificates again.
USUAL_POLICY = {"hold_min_s": 1, "saga_retry_s": [1, 2] + [5] * 60}
BRISK_POLICY = USUAL_POLICY | {
    "allocation_days": 0,
    "contact_after_activation_days": 0,
    "late_capture_days": 0,
    "reversal_horizon_h": 0,
    "saga_retry_s": [3_600],
}


@contextmanager
def _running(data: Path, policy: dict[str, Any]) -> Iterator[Cluster]:
    settings = {"GIFTMARK_POLICY": json.dumps(policy)}
    cluster = Cluster(data, workers=2, settings=settings)
    try:
        cluster.start()
        asyncio.run(cluster.ready())
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def brisk_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with _running(tmp_path_factory.mktemp("brisk"), BRISK_POLICY) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def scene_cluster(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """The town, or with GIFTMARK_SCENE=ledger one without database and services."""
    if os.environ.get("GIFTMARK_SCENE") != "ledger":
        yield request.getfixturevalue("town_cluster")
        return
    with _running(tmp_path_factory.mktemp("scene"), USUAL_POLICY) as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(scene_cluster: Cluster) -> AsyncIterator[Scene]:
    """Everything at its usual terms; its reader hears all that is published in the session."""
    async with open_scene(scene_cluster) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def brisk(brisk_cluster: Cluster) -> AsyncIterator[Scene]:
    """Allocations, contacts, late captures and reversals are over at once: pay before you sell."""
    async with open_scene(brisk_cluster) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def payments_desk(scene: Scene) -> AsyncIterator[PaymentsDesk]:
    """The other side of every refund on the scene."""
    async with open_desk(scene) as desk:
        yield desk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back at everything comes last."""
    items.sort(key=lambda item: "test_s41" in item.nodeid)
