"""A handler that raises ends its process; nothing is acknowledged that was not handled."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from app.tether import end, spawn
from app.worker import FAULT
from tests.contracts.engine import until
from tests.contracts.membership import group, numbers, write

CHECKOUT = Path(__file__).resolve().parents[2]


async def test_an_unexpected_exception_ends_the_process_and_the_batch_comes_again(
    kafka: str, tmp_path: Path
) -> None:
    async with group(kafka, tmp_path) as one:
        arguments = (kafka, one.id, one.topic.name, str(tmp_path))
        log = tmp_path / "log"

        def start(fail: str) -> subprocess.Popen[bytes]:
            script = CHECKOUT / "tests" / "contracts" / "failing_member.py"
            with log.open("ab") as output:
                return spawn(
                    [sys.executable, str(script), *arguments, fail],
                    env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                    output=output,
                )

        process = start("7")
        await write(kafka, one.topic.name, {0: numbers(3)})
        await until(lambda: "handled" in log.read_text(), 30)
        await write(kafka, one.topic.name, {0: numbers(5, 3)})
        await until(lambda: process.poll() is not None)
        assert process.returncode == FAULT
        assert _handled(log) == [0, 1, 2]
        await write(kafka, one.topic.name, {0: numbers(2, 8)})
        process = start("none")
        await until(lambda: 9 in _handled(log), 30)
        assert end(process, stop_signal=signal.SIGTERM, patience_s=10) == 0
        assert _handled(log)[-7:] == list(range(3, 10))
        assert await one.committed() == {0: 10}


def _handled(log: Path) -> list[int]:
    lines = [line for line in log.read_text().splitlines() if line.startswith("handled")]
    return [int(word) for line in lines for word in line.split()[1:]]
