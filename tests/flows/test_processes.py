"""Processes that are kept running."""

import sys
import time
from pathlib import Path

import pytest

from app.processes import (
    LONGEST_PAUSE_S,
    STARTS_PER_MINUTE,
    ProcessSpec,
    RestartPolicy,
    Supervisor,
    shorten,
)


@pytest.mark.parametrize(
    ("lives_s", "pauses"),
    [
        (0.0, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]),
        (29.0, [0.5, 1.0, 2.0]),
        (30.0, [0.5, 0.5, 0.5]),
    ],
)
def test_pauses_grow_while_a_process_dies_young(lives_s: float, pauses: list[float]) -> None:
    policy, now, seen = RestartPolicy(), 1000.0, []
    for _ in pauses:
        policy.started(now)
        ended = now + lives_s
        now = policy.next_start(ended)
        seen.append(now - ended)
    assert seen == pauses


def test_a_process_that_settled_is_forgiven() -> None:
    policy = RestartPolicy()
    for started, ended in ((0.0, 1.0), (2.0, 3.0), (5.0, 50.0)):
        policy.started(started)
        policy.next_start(ended)
    policy.started(51.0)
    assert policy.next_start(52.0) == 52.5 + 0.5


def test_a_minute_holds_a_bounded_number_of_starts() -> None:
    policy = RestartPolicy()
    for _ in range(STARTS_PER_MINUTE):
        policy.started(100.0)
    assert policy.next_start(100.0) == 160.0
    assert LONGEST_PAUSE_S < 60


def test_a_process_that_exits_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    script = "import os, sys; open(sys.argv[1], 'a').write('x'); sys.exit(7)"
    mark = tmp_path / "mark"
    dying = ProcessSpec("dying", (sys.executable, "-c", script, str(mark)))
    lasting = ProcessSpec(
        "lasting", ("sh", "-c", "echo $COLOUR; exec sleep 600"), {"COLOUR": "red"}
    )
    supervisor = Supervisor([dying, lasting], logs=tmp_path / "logs")
    supervisor.start()
    deadline = time.monotonic() + 30
    while not mark.exists() or len(mark.read_text()) < 3:
        assert time.monotonic() < deadline
        supervisor.tend()
        time.sleep(0.02)
    first, second = supervisor.processes
    assert (first.restarts, first.exit_code) == (2, 7)
    assert (second.restarts, second.running) == (0, True)
    supervisor.stop()
    assert [process.running for process in supervisor.processes] == [False, False]
    assert second.log.read_text() == "red\n"


def test_a_log_keeps_one_older_part(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab") as writer:
        writer.write(b"old")
        writer.flush()
        shorten(log, limit=2)
        writer.write(b"new")
        writer.flush()
        shorten(log, limit=100)
    assert (tmp_path / "worker.log.1").read_text() == "old"
    assert log.read_text() == "new"
