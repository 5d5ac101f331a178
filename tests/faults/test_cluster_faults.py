"""Three workers under load while everything around them is hurt: every answer is kept."""

from pathlib import Path

import pytest

from app.worker import FAULT
from deploy.proving.__main__ import forbidden
from deploy.proving.faults import FAULTS
from deploy.proving.run import Plan, prove


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_doubled_or_made_while_everything_is_hurt(
    tmp_path: Path,
) -> None:
    outcome = prove(tmp_path, Plan(faults=len(FAULTS), seed=20))
    assert outcome.faults == dict.fromkeys(FAULTS, 1)
    assert len(FAULTS) >= 20
    assert outcome.exits[FAULT], "a full disk ended nobody"
    assert outcome.takeovers_s
    assert outcome.operations > 500
    assert outcome.balance.events > 1_000
    examples = outcome.verdict.examples, outcome.balance.examples
    assert not any(forbidden(outcome).values()), (forbidden(outcome), examples)
    assert outcome.clean
