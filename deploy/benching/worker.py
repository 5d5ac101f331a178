"""A ledger worker with some of its handlers only, and a meter that writes what it did.

Started as `python -m deploy.benching.worker METER TOPIC…`: the handlers of these topics run,
all others stay away, so that each part of the work can be measured apart.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.handling import Handler
from app import logs
from app.ledger_role import LedgerRole
from app.metrics import FLOW, LEDGER
from app.settings import Settings, settings
from app.worker import install_loop, run

EVERY_S = 0.05
PEAK = "VmHWM:"


class Sample(msgspec.Struct, frozen=True):
    """Counters of the process at one instant; `at` in seconds, monotonic; `peak_kb` resident."""

    at: float
    cpu_s: float
    commands: float
    commits: float
    records: float
    published: float
    peak_kb: int


class MeteredRole(LedgerRole):
    """The product's role less the handlers that a row does not measure."""

    def __init__(
        self, known: Settings, internal: socket.socket, topics: Sequence[str], *, meter: Path
    ) -> None:
        self._topics = frozenset(topics)
        self._meter = meter
        super().__init__(known, internal)

    def _handlers(self) -> list[tuple[str, int, Handler]]:
        return [handler for handler in super()._handlers() if handler[0] in self._topics]

    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self._metering())

    async def _metering(self) -> None:
        encode = msgspec.json.Encoder().encode
        with self._meter.open("wb", buffering=0) as file:
            while not self.should_stop:
                file.write(encode(sample()) + b"\n")
                await asyncio.sleep(EVERY_S)


def sample() -> Sample:
    return Sample(
        time.monotonic(),
        time.process_time(),
        _sum(LEDGER.commands),
        _sum(LEDGER.commits),
        _sum(FLOW.records),
        _sum(FLOW.published),
        peak_kb(os.getpid()),
    )


def peak_kb(pid: int) -> int:
    """The most memory the process has held; 0 where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(PEAK)), 0)


def _sum(counter: Any) -> float:
    return float(
        sum(
            one.value
            for metric in counter.collect()
            for one in metric.samples
            if one.name.endswith("_total")
        )
    )


def main() -> None:
    meter, *topics = sys.argv[1:]
    known = settings()
    logs.configure(known.log_format, known.log_level)
    install_loop()
    asyncio.set_event_loop(asyncio.new_event_loop())
    internal = socket.socket()
    internal.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    internal.bind((known.internal_host, known.internal_port))
    run(MeteredRole(known, internal, topics, meter=Path(meter)).app)


if __name__ == "__main__":
    main()
