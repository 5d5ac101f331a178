"""The fault suite: how exact the ledger is while its machine is being hurt."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.proving.run import Outcome, prove


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/prove", description=__doc__)
    parser.add_argument("--faults", type=int, default=20, help="how many, one after the other")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--tills", type=int, default=8, help="HTTP clients at once")
    parser.add_argument("--certificates", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="giftmark-prove-") as folder:
        outcome = prove(
            Path(folder),
            faults=asked.faults,
            seed=asked.seed,
            workers=asked.workers,
            tills=asked.tills,
            certificates=asked.certificates,
        )
    show(outcome, asked.seed)
    sys.exit(0 if outcome.clean else 1)


def show(outcome: Outcome, seed: int) -> None:
    console = Console()
    table = Table("figure", "value", title=f"Fault suite, seed {seed}")
    for kind, count in sorted(outcome.faults.items()):
        table.add_row(f"fault: {kind}", f"{count:,}")
    verdict = outcome.verdict
    rows = {
        "operations by HTTP": outcome.operations,
        "requests sent": outcome.attempts,
        "transactions published": outcome.transactions,
        "acknowledged and lost": verdict.lost,
        "doubled": verdict.doubled,
        "contradicted answers": verdict.contradicted,
        "out of real-time order": verdict.out_of_order,
        "audit differences": outcome.differences,
        "never clearly answered": outcome.unknown,
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:,}")
    table.add_row("longest wait for a clear answer", f"{outcome.longest_wait_s:.1f} s")
    console.print(table)
    for example in (*verdict.examples[:10], *outcome.slow_ends):
        console.print(example, highlight=False)


if __name__ == "__main__":
    main()
