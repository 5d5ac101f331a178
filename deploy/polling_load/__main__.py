"""Polls many open orders for a while and says what it cost and whether it was fair."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.polling_load import __doc__ as manual
from deploy.polling_load.ground import standing, working
from deploy.polling_load.measuring import SUZ_A_SECOND, Figures, watch
from deploy.polling_load.seeding import Load, seed


def main() -> None:
    asked = _asked()
    load = Load(participants=asked.participants, orders=asked.orders, mode=asked.mode)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="giftmark-polling-") as folder:
        data = Path(asked.data or folder)
        console.print("starting broker, database, emulator", highlight=False)
        with standing(data, load) as ground:
            players = asyncio.run(seed(ground.place, load))
            console.print(f"{load.orders} + 1 orders are open; polling", highlight=False)
            with working(ground, asked.workers) as pids:
                figures = watch(players, pids, load=load, seconds=asked.seconds)
    console.print(_table(figures, load, workers=asked.workers))
    broken = figures.broken(load)
    for sentence in broken:
        console.print(sentence, style="red")
    sys.exit(1 if broken else 0)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.polling_load",
        description=manual,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--participants", type=int, default=20)
    parser.add_argument("--orders", type=int, default=2_000, help="of all of them together")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--mode", choices=("status", "list"), default="status")
    parser.add_argument("--data", help="folder to keep the logs of the run in")
    return parser.parse_args()


def _table(figures: Figures, load: Load, *, workers: int) -> Table:
    table = Table("what", "measured", "allowed", title=f"{load.mode} mode, {workers} worker(s)")
    rows = (
        ("open orders", f"{load.orders} of {load.participants} participants + 1 of one", ""),
        ("polls", f"{figures.calls} in {figures.seconds:.0f} s", ""),
        ("polls a second", f"{figures.calls_a_second:.1f}", ""),
        *[("orders polled at least once", str(figures.polled), "")] * (load.mode == "status"),
        ("SUZ calls in one second", str(figures.most_in_a_second), f"<= {SUZ_A_SECOND}"),
        ("refused by a limit", str(figures.refused), "0"),
        ("longest gap of the single order", f"{figures.single_gap_s:.1f} s", "<= 60 s"),
        ("longest gap of another participant", f"{figures.longest_gap_s:.1f} s", ""),
        ("memory of the workers", f"{figures.peak_mib} MiB", ""),
        ("processor of the workers", f"{figures.cpu_percent} % of a core", ""),
    )
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
