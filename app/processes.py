"""Keeps a list of child processes running: starts, watches, restarts and ends them."""

import os
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.tether import ask, reap, spawn

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
SETTLED_S = 30.0
STARTS_PER_MINUTE = 10
STOP_PATIENCE_S = 5.0
LOG_BYTES = 64 << 20


class ProcessSpec(msgspec.Struct, frozen=True):
    """A command to keep running; its environment is added to that of this process."""

    name: str
    command: tuple[str, ...]
    env: dict[str, str] = {}
    cwd: Path | None = None
    address: str = ""
    health: str = ""


class RestartPolicy:
    """When a process that ended may start again; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._starts: deque[float] = deque(maxlen=STARTS_PER_MINUTE)
        self._pause = FIRST_PAUSE_S

    def started(self, now: float) -> None:
        self._starts.append(now)

    def next_start(self, ended: float) -> float:
        """Pauses double while the process keeps dying young; a minute holds at most ten starts."""
        young = bool(self._starts) and ended - self._starts[-1] < SETTLED_S
        pause = self._pause if young else FIRST_PAUSE_S
        self._pause = min(pause * 2, LONGEST_PAUSE_S)
        full = len(self._starts) == STARTS_PER_MINUTE
        return max(ended + pause, self._starts[0] + 60.0 if full else 0.0)


class TendedProcess:
    """One process of the list with what happened to it."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._policy = RestartPolicy()
        self._next_start = 0.0
        self._last_exit: int | None = None

    @property
    def exit_code(self) -> int | None:
        """Of the last process that ended."""
        ended = self.process is not None and self.process.poll() is not None
        return self.process.returncode if self.process and ended else self._last_exit

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        environment = {**os.environ, **self.spec.env}
        with self.log.open("ab") as output:
            self.process = spawn(
                self.spec.command, output=output, env=environment, cwd=self.spec.cwd
            )
        self._policy.started(time.monotonic())

    def tend(self) -> None:
        """Notices an end, starts again when its pause is over."""
        now = time.monotonic()
        if self.running:
            shorten(self.log)
        elif self.process is not None:
            self._last_exit = self.process.returncode
            self.process = None
            self._next_start = self._policy.next_start(now)
        elif now >= self._next_start:
            self.restarts += 1
            self.start()


class Supervisor:
    """Runs all processes of a list until `stop`; their output goes to files in `logs`."""

    def __init__(self, specs: Sequence[ProcessSpec], *, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.processes = [TendedProcess(spec, logs / f"{spec.name}.log") for spec in specs]

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def tend(self) -> None:
        for process in self.processes:
            process.tend()

    def stop(self) -> None:
        """Asks all at once, kills who has not ended after the common patience."""
        deadline = time.monotonic() + STOP_PATIENCE_S
        running = [child.process for child in self.processes if child.process is not None]
        for process in running:
            ask(process, signal.SIGTERM)
        for process in running:
            reap(process, max(0.0, deadline - time.monotonic()))


def shorten(log: Path, *, limit: int = LOG_BYTES) -> None:
    """Keeps one older part; the writer appends, so it goes on at the new end."""
    if log.stat().st_size > limit:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)
