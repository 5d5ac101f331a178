"""The certificate day, ours beside what a user would take instead; only ratios are judged."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console

from deploy.benching.figures import Report
from deploy.benching.ground import CHECKOUT
from deploy.benching.plots import draw
from deploy.benching.run import Bench, plan
from deploy.benching.show import show

PARTS = ("step", "apart", "growth", "authorize", "takeover")
PICTURES = CHECKOUT / ".data" / "bench"


def main() -> None:
    asked = _asked()
    console = Console()
    chosen = plan(quick=asked.quick, seed=asked.seed, grow=asked.grow)
    parts = frozenset(asked.only)
    if "apart" in parts:
        parts |= {"step"}
    with tempfile.TemporaryDirectory(prefix="giftmark-bench-") as folder:
        bench = Bench(chosen, Path(folder), lambda line: console.print(line, highlight=False))
        report = asyncio.run(bench.run(parts))
    show(report, console)
    _keep(report, asked.json, console)
    missed = [bar for bar in report.bars if bar.holds is False]
    sys.exit(1 if asked.strict and (missed or report.skipped) else 0)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within five minutes, fewer rounds")
    parser.add_argument("--json", type=Path, help="write the report there too")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same day")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], help="these parts alone")
    parser.add_argument("--grow", type=int, choices=(5, 6, 7), default=6,
                        help="growth up to 10 to this power of certificates")  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit 1 when a bar is missed")
    asked: argparse.Namespace = parser.parse_args()
    return asked


def _keep(report: Report, path: Path | None, console: Console) -> None:
    text = msgspec.json.format(msgspec.json.encode(report))
    written = draw(report, PICTURES)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for target in (PICTURES / "report.json", path):
        if target is not None:
            target.write_bytes(text)
            written.append(target)
    for file in written:
        console.print(f"written: {file}", highlight=False)


if __name__ == "__main__":
    main()
