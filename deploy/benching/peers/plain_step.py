"""The plain step that peers in Python make: one balance per key, no law."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

AMOUNT_AT = {
    "IssueCertificate": 2,
    "AllocateCertificate": 3,
    "Authorize": 0,
    "Capture": 1,
    "Restore": 1,
}
unpack = msgspec.msgpack.Decoder().decode
State = dict[str, Any]


def applied(value: bytes, load: Callable[[str], State | None]) -> tuple[str, State] | None:
    """Key and state after the command; None for a malformed one, which is skipped."""
    try:
        _, name, _, kind, key, fields, *_ = unpack(value)
        at = AMOUNT_AT.get(kind, -1)
        amount = (fields[at] or 0) if at >= 0 else 0
    except (msgspec.DecodeError, TypeError, ValueError):
        return None
    state = load(key) or {"id": key, "balance": 0, "held": 0, "n": 0, "last": ""}
    state["balance"] += amount
    state["n"] += 1
    state["last"] = name
    return key, state


class Stopwatch:
    """Counts records; the figure is what lies between `warm` and `total` of them."""

    def __init__(
        self, warm: int, total: int, *, cpu_s: Callable[[], float] = time.process_time
    ) -> None:
        self._cpu_s = cpu_s
        self._warm = warm
        self._total = total
        self._seen = 0
        self._began = (0.0, 0.0)

    def tick(self) -> bool:
        """True at the last record; then the figure has been printed."""
        if self._seen == self._warm:
            self._began = (time.perf_counter(), self._cpu_s())
        self._seen += 1
        if self._seen != self._total:
            return False
        wall, cpu = time.perf_counter() - self._began[0], self._cpu_s() - self._began[1]
        done = self._total - self._warm
        found = {"done": done, "wall_s": wall, "cpu_s": cpu, "peak_kb": _peak_kb()}
        # Faust turns `sys.stdout` into a log.
        os.write(1, json.dumps(found).encode() + b"\n")
        return True


def _peak_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
