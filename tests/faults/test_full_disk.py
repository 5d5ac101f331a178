"""A process whose files may not grow, its log among them: it works on, and it can still end."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.proving.cluster import CHECKOUT

STORY = """
import resource, structlog
from app import logs
from app.worker import fatal
logs.configure("{form}", "INFO")
log = structlog.get_logger("story")
log.info("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
for number in range(5_000):
    log.info("nobody can write this down", number=number)
{end}
"""


def told(tmp_path: Path, form: str, end: str) -> tuple[int, str]:
    """Exit code and log of a process whose disk fills up after its first line."""
    path = tmp_path / "log"
    with path.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", STORY.format(form=form, end=end)],
            cwd=CHECKOUT,
            stdout=output,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
    return done.returncode, path.read_text()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_that_cannot_be_written_stops_nobody(tmp_path: Path, form: str) -> None:
    code, log = told(tmp_path, form, "import os; os._exit(3)")
    assert code == 3
    assert "before" in log
    assert "nobody" not in log


def test_a_fault_ends_the_process_though_it_cannot_be_told(tmp_path: Path) -> None:
    assert told(tmp_path, "json", "fatal(ValueError('disk'))")[0] == 70
