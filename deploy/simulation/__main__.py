"""Plays many histories: `python -m deploy.simulation --seeds 2000 --first 1 --jobs 2`."""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from deploy.simulation.world import Report, play

CHUNK = 50
SHOWN = 5


class Failure(NamedTuple):
    seed: int
    cause: str


def try_seeds(first: int, count: int) -> tuple[list[Report], list[Failure]]:
    """Every history of the range; one that ends badly does not hold up the others."""
    reports, failures = [], []
    for seed in range(first, first + count):
        try:
            reports.append(play(seed))
        except Exception:  # noqa: BLE001 - whatever the product raises is a finding
            failures.append(Failure(seed, traceback.format_exc(limit=-3)))
    return reports, failures


def play_all(first: int, count: int, *, jobs: int) -> Iterator[tuple[list[Report], list[Failure]]]:
    """In chunks, side by side."""
    starts = range(first, first + count, CHUNK)
    sizes = [min(CHUNK, first + count - start) for start in starts]
    if jobs == 1:
        yield from map(try_seeds, starts, sizes)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(try_seeds, starts, sizes)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulation")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="number of the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    began = time.monotonic()
    reports: list[Report] = []
    failures: list[Failure] = []
    for played, failed in play_all(args.first, args.seeds, jobs=args.jobs):
        reports += played
        for failure in failed[: max(0, SHOWN - len(failures))]:
            print(f"seed {failure.seed}\n{failure.cause}", file=sys.stderr)
        failures += failed
    seconds = time.monotonic() - began
    print(
        f"{len(reports)} histories held, {len(failures)} broke, {seconds:.1f} s: "
        f"{sum(one.commands for one in reports):,} commands, "
        f"{sum(one.events for one in reports):,} transactions, "
        f"{sum(one.crashes for one in reports):,} crashes, "
        f"{sum(one.captured for one in reports):,} captured, "
        f"{sum(one.paid_out for one in reports):,} refunded"
    )
    if failures:
        numbers = " ".join(str(failure.seed) for failure in failures[:50])
        print(f"again: python -m deploy.simulation --seeds 1 --first N, N of {numbers}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
