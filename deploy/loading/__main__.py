"""Runs one load and says what it took and whether every row was issued once."""

import argparse
import asyncio
import base64
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.certificates.database import Database
from app.certificates.reconcile import Reconciled, reconcile
from app.embedded_postgres import PostgresServer
from app.kafka_access import KafkaAccess
from app.migrations import migrate
from deploy.loading import __doc__ as manual
from deploy.loading.run import Issued, Load, Loaded, Plan, ids_of, issued, write_file
from deploy.proving.cluster import Cluster, secrets_of

console = Console()


def main() -> None:
    asked = _asked()
    plan = Plan(asked.rows, asked.kills)
    with tempfile.TemporaryDirectory(prefix="giftmark-loading-") as folder:
        broken = _ran(Path(asked.data or folder), plan, workers=asked.workers)
    for sentence in broken:
        console.print(sentence, style="red")
    sys.exit(1 if broken else 0)


def _ran(data: Path, plan: Plan, *, workers: int) -> list[str]:
    data.mkdir(parents=True, exist_ok=True)
    path = data / "gifts.csv"
    write_file(path, plan.rows)
    server = PostgresServer(data / "postgres")
    dsn = server.start()
    cluster = Cluster(data / "town", workers=workers, services=1, database=dsn)
    try:
        migrate(dsn)
        cluster.start()
        asyncio.run(cluster.ready())
        console.print(f"loading {plan.rows:,} rows", highlight=False)
        assert server.pid is not None
        loaded = asyncio.run(Load(cluster, path, plan=plan, database=server.pid).run())
        console.print(_table(loaded, plan))
        wanted = ids_of(path, base64.b64decode(secrets_of(cluster.data)["code_pepper"]))
        found = asyncio.run(issued(cluster.broker.bootstrap, wanted))
        result, seconds = asyncio.run(_reconciled(cluster.broker.bootstrap, dsn))
    finally:
        cluster.stop()
        server.stop()
    console.print(f"issued once: {found.certificates - found.twice:,}; events: {found.told:,}")
    console.print(f"reconciliation: {len(result.differences)} differences in {seconds:.0f} s")
    return _broken(found, result, plan)


async def _reconciled(bootstrap: str, dsn: str) -> tuple[Reconciled, float]:
    database, started = Database(dsn), time.monotonic()
    try:
        result = await reconcile(KafkaAccess(bootstrap), database)
    finally:
        await database.close()
    return result, time.monotonic() - started


def _broken(found: Issued, result: Reconciled, plan: Plan) -> list[str]:
    wrong = []
    if (found.certificates, found.twice) != (plan.rows, 0):
        wrong.append(f"{found.certificates:,} of {plan.rows:,} issued, {found.twice:,} twice")
    if result.differences or result.behind or result.certificates != plan.rows:
        wrong.append(f"the mart differs: {len(result.differences)}, behind: {result.behind}")
    return wrong


def _table(loaded: Loaded, plan: Plan) -> Table:
    killed = f", killed: {', '.join(loaded.killed)}" if loaded.killed else ""
    table = Table(
        "part", "processor s", "µs a row", "peak MiB", title=f"{plan.rows:,} rows{killed}"
    )
    for name, cost in loaded.costs.items():
        each = f"{cost.cpu_s / plan.rows * 1e6:.0f}"
        table.add_row(name, f"{cost.cpu_s:.0f}", each, f"{cost.peak_mib:.0f}")
    total = sum(cost.cpu_s for cost in loaded.costs.values())
    table.add_row("together", f"{total:.0f}", f"{total / plan.rows * 1e6:.0f}", "")
    for what, seconds in (("taken", loaded.taken_s), ("issued", loaded.issued_s)):
        table.add_row(f"{what} in {seconds:.0f} s", f"{plan.rows / seconds:,.0f} rows/s", "", "")
    return table


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.loading",
        description=manual,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--data", help="folder to keep what the run leaves")
    return parser.parse_args()


if __name__ == "__main__":
    main()
