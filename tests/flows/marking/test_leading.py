"""The lease of the leader: one worker has it, and whoever lost it does not believe to lead."""

import asyncio

import pytest

from app.marking import leading
from app.marking.leading import Leadership
from tests.flows.marking.rig import Rig

SHORT_S = 0.05


async def test_a_lease_that_runs_is_kept_and_not_taken(rig: Rig) -> None:
    first, second = Leadership(rig.database, "w1/1"), Leadership(rig.database, "w2/1")
    assert await first.renew()
    assert not await second.renew()
    assert await first.renew()
    assert (first.leads, second.leads) == (True, False)


async def test_a_lease_that_ran_out_changes_hands_and_is_not_taken_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Leadership(rig.database, "w1/1"), Leadership(rig.database, "w2/1")
    with monkeypatch.context() as short:
        short.setattr(leading, "LEASE_S", SHORT_S)
        assert await first.renew()
        await asyncio.sleep(2 * SHORT_S)
        assert not first.leads
        assert await second.renew()
    assert not await first.renew()
    assert not first.leads


async def test_only_its_holder_gives_the_lease_back(rig: Rig) -> None:
    first, second = Leadership(rig.database, "w1/1"), Leadership(rig.database, "w2/1")
    assert await first.renew()
    await second.resign()
    assert not await second.renew()
    await first.resign()
    assert not first.leads
    assert await second.renew()
