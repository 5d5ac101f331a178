"""What a person sees while `up` runs: a live table on a terminal, lines elsewhere."""

from collections.abc import Sequence
from typing import Self

import httpx
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from app.processes import TendedProcess

HEALTH_TIMEOUT_S = 0.5
COLOURS = {"ready": "green", "not ready": "yellow", "ended": "red"}


class UpView:
    """Shows states and their changes; asks each running process for its health."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self.console = console
        self._states: dict[str, str] = {}
        self._live = Live(console=console, auto_refresh=False) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, processes: Sequence[TendedProcess]) -> bool:
        """Whether all are ready."""
        states = {process.spec.name: state_of(process) for process in processes}
        if self._live is not None:
            self._live.update(table(processes, states), refresh=True)
        else:
            self._print_changes(processes, states)
        self._states = states
        return all(state == "ready" for state in states.values())

    def late(self) -> str:
        """The names of those that are not ready."""
        return ", ".join(name for name, state in self._states.items() if state != "ready")

    def _print_changes(self, processes: Sequence[TendedProcess], states: dict[str, str]) -> None:
        for process in processes:
            name, state = process.spec.name, states[process.spec.name]
            if self._states.get(name) != state:
                self.console.print(line(process, state), highlight=False, soft_wrap=True)


def line(process: TendedProcess, state: str) -> str:
    told = f"{process.spec.name}: {state} {process.spec.address}"
    return ", ".join(part for part in (told, last_end(process, state)) if part)


def last_end(process: TendedProcess, state: str) -> str:
    """How it ended and where it says why; empty while all is well."""
    ended = process.exit_code is not None and state != "ready"
    return f"exit code {process.exit_code}, see {process.log}" if ended else ""


def table(processes: Sequence[TendedProcess], states: dict[str, str]) -> Table:
    shown = Table("process", "state", "pid", "restarts", "address")
    shown.add_column("last end", overflow="fold")
    for process in processes:
        state = states[process.spec.name]
        pid = str(process.process.pid) if process.process else ""
        colour = COLOURS[state]
        name, address = process.spec.name, process.spec.address
        told = (pid, str(process.restarts), address, escape(last_end(process, state)))
        shown.add_row(name, f"[{colour}]{state}", *told)
    return shown


def state_of(process: TendedProcess) -> str:
    if not process.running:
        return "ended"
    return "ready" if not process.spec.health or healthy(process.spec.health) else "not ready"


def healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=HEALTH_TIMEOUT_S, trust_env=False).is_success
    except httpx.TransportError:
        return False
