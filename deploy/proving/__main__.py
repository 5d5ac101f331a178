"""The fault suite: how exact the ledger is while its machine is being hurt."""

import argparse
import logging
import math
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from deploy.proving.faults import FAULTS
from deploy.proving.run import Outcome, Plan, prove

SOON_S = 5.0  # the session time-out of the workers and two seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="deploy/prove", description=__doc__)
    parser.add_argument("--faults", type=int, default=20, help="how many, one after the other")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--tills", type=int, default=8, help="HTTP clients at once")
    parser.add_argument("--wave", type=int, default=200, help="certificates issued at a time")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no fault begins later")
    parser.add_argument(
        "--only",
        action="append",
        dest="kinds",
        choices=tuple(FAULTS),
        metavar="KIND",
        help=f"this kind of fault, may be given again: {'; '.join(FAULTS)}",
    )
    parser.add_argument("--keep", type=Path, help="a folder for data and logs, kept")
    asked = vars(parser.parse_args())
    keep = asked.pop("keep")
    asked["kinds"] = tuple(asked["kinds"] or FAULTS)
    # Clients of a broker that is hurt have much to say.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="giftmark-prove-") as folder:
        outcome = prove(keep or Path(folder), Plan(**asked), told=progress.print)
    show(outcome, asked["seed"])
    sys.exit(0 if outcome.clean else 1)


def show(outcome: Outcome, seed: int) -> None:
    console = Console()
    table = Table("figure", "value", title=f"Fault suite, seed {seed}")
    for name, value in figures(outcome).items():
        table.add_row(name, value)
    console.print(table)
    for example in (*outcome.verdict.examples, *outcome.balance.examples, *outcome.slow_ends):
        console.print(example, highlight=False)


def figures(outcome: Outcome) -> dict[str, str]:
    rows = {f"fault: {kind}": f"{count:,}" for kind, count in sorted(outcome.faults.items())}
    rows["faults"] = f"{sum(outcome.faults.values()):,} in {outcome.seconds / 60:.1f} min"
    exits = ", ".join(f"{count} × {code}" for code, count in sorted(outcome.exits.items()))
    rows["workers that ended by themselves, by exit code"] = exits or "none"
    counts = {
        "operations by HTTP": outcome.operations,
        "operations by topics (rows, lines, payments)": outcome.by_topics,
        "requests sent": outcome.requests,
        "messages by topics": outcome.messages,
        "public transactions": outcome.balance.events,
        "published again": outcome.balance.retold,
        "unknown answers": outcome.unknown,
        "answers asked for again": outcome.repetitions,
        "spoiled messages": outcome.spoiled,
        "certificates judged": outcome.verdict.judged,
    }
    rows |= {name: f"{value:,}" for name, value in counts.items()}
    rows |= {f"[bold]{name}": f"{value:,}" for name, value in forbidden(outcome).items()}
    takeovers = sorted(outcome.takeovers_s)
    if takeovers:
        rows["takeover after a kill, median"] = f"{median(takeovers):.1f} s"
        soon = sum(taken <= SOON_S for taken in takeovers)
        rows[f"takeovers within {SOON_S:g} s"] = f"{soon} of {len(takeovers)}"
        rows["takeover after a kill, longest"] = f"{takeovers[-1]:.1f} s"
    rows["longest time without an answer, of a certificate"] = f"{outcome.longest_wait_s:.1f} s"
    return rows


def forbidden(outcome: Outcome) -> dict[str, int]:
    """What must be nothing."""
    verdict, balance = outcome.verdict, outcome.balance
    return {
        "acknowledged and lost": verdict.lost,
        "doubled": verdict.doubled,
        "never asked for": verdict.unasked,
        "asked for by topics and not done": outcome.kept.lost,
        "asked for by topics and done again": outcome.kept.doubled,
        "done by topics and never asked for": outcome.kept.unasked,
        "repeated and answered otherwise": verdict.answered_otherwise,
        "created minor units": balance.created,
        "vanished minor units": balance.vanished,
        "certificates not linearizable": verdict.not_linearizable,
        "certificates undecided": verdict.undecided,
        "events told again with other content": balance.changed,
        "broken chains": balance.broken_chains,
        "balances below zero": balance.negative,
        "last states unlike the chain's end": balance.other_states,
        "journal and topics differ (audit)": outcome.audit_differences,
        "mart and journal differ": outcome.mart_differences,
        "spoiled and not in a dead-letter topic": outcome.not_buried,
        "good and in a dead-letter topic": outcome.buried.good,
        "kills without a takeover": outcome.no_takeover,
        "ends of over 10 s": len(outcome.slow_ends),
    }


if __name__ == "__main__":
    main()
