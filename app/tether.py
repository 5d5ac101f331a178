"""Starts child processes that cannot outlive this process, not even after its kill -9."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

TRAMPOLINE = Path(__file__).with_name("trampoline.py")

# The kernel ties a child to the thread that forked it; this one lives as long as the process.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tether")


def tethered(
    command: Sequence[str], *, death_signal: int = signal.SIGKILL, user: str = ""
) -> list[str]:
    """The command line that runs `command` until it ends or its parent does."""
    script = [sys.executable, "-I", "-S", str(TRAMPOLINE)]
    return [*script, str(os.getpid()), str(int(death_signal)), user, *command]


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    death_signal: int = signal.SIGKILL,
    user: str = "",
) -> subprocess.Popen[bytes]:
    """A running child of its own session, so that Ctrl-C reaches only the process that tends it."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            tethered(command, death_signal=death_signal, user=user),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )

    return _spawner.submit(start).result()


def end(process: subprocess.Popen[bytes], *, stop_signal: int, patience_s: float) -> int:
    """Asks the child to stop, kills it when it does not; returns its exit code."""
    ask(process, stop_signal)
    return reap(process, patience_s)


def ask(process: subprocess.Popen[bytes], stop_signal: int) -> None:
    if process.poll() is None:
        process.send_signal(stop_signal)


def reap(process: subprocess.Popen[bytes], patience_s: float) -> int:
    """Its exit code; kills a child that has not ended within the patience."""
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
