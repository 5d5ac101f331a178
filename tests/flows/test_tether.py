"""Children that the kernel ends with the process that started them."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from app.embedded_postgres import system_user
from app.tether import end, spawn, tethered

PARENT = """
import signal, subprocess, sys
from app.embedded_postgres import system_user
from app.tether import spawn
print(spawn((sys.executable, "-c", "import time; time.sleep(600)")).pid, flush=True)
signal.pause()
"""


def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    with subprocess.Popen((sys.executable, "-c", PARENT), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
    assert psutil.wait_procs([child], timeout=5)[1] == []


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    children: list[subprocess.Popen[bytes]] = []
    said = tmp_path / "said"

    def ask() -> None:
        with said.open("wb") as output:
            children.append(spawn(("sh", "-c", "echo begun; exec sleep 600"), output=output))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    (child,) = children
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    assert said.read_text() == "begun\n"
    assert end(child, stop_signal=15, patience_s=5) == -15


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb+") as said:
        deaf = spawn(("sh", "-c", "trap '' TERM; echo deaf; while :; do :; done"), output=said)
        while not (tmp_path / "said").read_text():
            assert deaf.poll() is None
        assert end(deaf, stop_signal=15, patience_s=0.2) == -9


def test_a_command_does_not_begin_after_its_parent_ended() -> None:
    orphan = tethered(("echo", "begun"))
    orphan[orphan.index(str(os.getpid()))] = "1"
    done = subprocess.run(orphan, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""


def test_a_child_of_another_user_reaches_the_folders_of_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "tool").write_text("#!/bin/sh\necho reached\n")
    (folder / "tool").chmod(0o755)
    check = f"test -x {folder}/tool && {folder}/tool"
    command = tethered(("sh", "-c", check), user=system_user())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "reached\n", done.stderr
