"""What the polling of a while cost and whether it was fair, read from the emulator's journals."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import psutil

from deploy.polling_load.seeding import Load
from deploy.sandbox.driver import Player

OPERATION = {"status": "suz.order_status", "list": "suz.order_list"}
SUZ_A_SECOND = 10
PATIENCE = 2
SAMPLE_S = 0.5
PAGE = 5_000


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """`polled`: orders of big participants asked for at least once; gaps are nominal seconds."""

    seconds: float
    calls: int
    calls_by_single: int
    polled: int
    most_in_a_second: int
    refused: int
    longest_gap_s: float
    single_gap_s: float
    peak_mib: int
    cpu_percent: int
    clean: bool

    @property
    def calls_a_second(self) -> float:
        return self.calls / self.seconds

    def broken(self, load: Load) -> list[str]:
        """What was promised and does not hold."""
        promises = {
            "a remote limit was passed": self.refused == 0
            and self.most_in_a_second <= SUZ_A_SECOND,
            "the single order waited too long": self.calls_by_single > 0
            and self.single_gap_s <= PATIENCE * load.interval_s,
            "an invariant of the emulator is broken": self.clean,
        }
        return [name for name, holds in promises.items() if not holds]


def watch(players: Sequence[Player], pids: Sequence[int], *, load: Load, seconds: float) -> Figures:
    """Let the workers poll for so many real seconds and read what was done."""
    for player in players:
        player.control("DELETE", "/journal")
    began_ms = time.time_ns() // 1_000_000
    peak_mib, cpu = _resources(pids, seconds)
    lasted = time.time_ns() // 1_000_000 - began_ms
    asked = [_asked(player, load) for player in players]
    verdicts = [player.control("GET", "/invariants") for player in players]
    gaps = [_longest_gap(times, began_ms, lasted) * load.scale / 1_000 for times in map(_at, asked)]
    return Figures(
        seconds=lasted / 1_000,
        calls=sum(map(len, asked)),
        calls_by_single=len(asked[-1]),
        polled=len({e["query"].get("orderId") for entries in asked[:-1] for e in entries}),
        most_in_a_second=max(v["most_calls_in_a_window"].get("suz", 0) for v in verdicts),
        refused=sum(sum(v["refused_by_limit"].values()) for v in verdicts),
        longest_gap_s=max(gaps[:-1]),
        single_gap_s=gaps[-1],
        peak_mib=peak_mib,
        cpu_percent=cpu,
        clean=all(v["clean"] for v in verdicts),
    )


def _resources(pids: Sequence[int], seconds: float) -> tuple[int, int]:
    """(highest resident memory in MiB, processor time in percent of one core) of all workers."""
    workers = [psutil.Process(pid) for pid in pids]
    spent = sum(sum(worker.cpu_times()[:2]) for worker in workers)
    peak, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        peak = max(peak, sum(worker.memory_info().rss for worker in workers))
        time.sleep(min(SAMPLE_S, seconds))
    spent = sum(sum(worker.cpu_times()[:2]) for worker in workers) - spent
    return peak >> 20, round(100 * spent / seconds)


def _asked(player: Player, load: Load) -> list[dict[str, Any]]:
    """Every poll in the journal, page by page."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        path = f"/journal?operation={OPERATION[load.mode]}&after={after}&limit={PAGE}"
        page = player.control("GET", path)
        found += page
        if len(page) < PAGE:
            return found
        after = page[-1]["request"]


def _at(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["at_ms"] for entry in entries]


def _longest_gap(times: list[int], began_ms: int, lasted_ms: int) -> int:
    """The longest time without a call, the beginning and the end included."""
    marks = [began_ms, *sorted(times), began_ms + lasted_ms]
    return max(later - earlier for earlier, later in itertools.pairwise(marks))
