"""Three workers under load, killed, frozen, ended, the broker restarted: every answer is kept."""

from pathlib import Path

import pytest

from deploy.proving.run import prove


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_doubled_or_made_while_everything_is_hurt(
    tmp_path: Path,
) -> None:
    outcome = prove(tmp_path, faults=20, seed=20)
    assert sum(outcome.faults.values()) >= 20
    assert outcome.operations > 500
    assert outcome.transactions > 1_000
    assert outcome.verdict.clean, outcome.verdict
    assert outcome.differences == 0
    assert not outcome.slow_ends
