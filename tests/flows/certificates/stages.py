"""Fixtures of the scenarios: two scenes for the whole session, one with the shortest terms."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.prove.cluster import Cluster
from tests.flows.certificates.scene import Scene, open_scene

# Terms of no length: what has to wait for them is over with the next tick.
BRISK_POLICY = {
    "hold_min_s": 1,
    "saga_retry_s": [1, 2] + [5] * 60,
    "allocation_days": 0,
    "contact_after_activation_days": 0,
    "late_capture_days": 0,
    "reversal_horizon_h": 0,
}


@pytest.fixture(scope="session")
def brisk_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(
        tmp_path_factory.mktemp("brisk"),
        workers=2,
        settings={"GIFTMARK_POLICY": json.dumps(BRISK_POLICY)},
    )
    try:
        cluster.start()
        asyncio.run(cluster.ready())
        yield cluster
    finally:
        cluster.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(town_cluster: Cluster) -> AsyncIterator[Scene]:
    """Everything at its usual terms; its reader hears all that is published in the session."""
    async with open_scene(town_cluster) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def brisk(brisk_cluster: Cluster) -> AsyncIterator[Scene]:
    """Allocations, contacts, late captures and reversals are over at once: pay before you sell."""
    async with open_scene(brisk_cluster) as opened:
        yield opened
