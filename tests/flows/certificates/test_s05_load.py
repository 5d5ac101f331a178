"""Scenario 5: the loader, killed and started again, issues every row of its file once."""

import asyncio
import base64
import csv
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.embedded_postgres import PostgresServer
from app.tether import spawn
from deploy.loading.run import Load, Plan, ids_of, issued, write_file
from deploy.proving.cluster import CHECKOUT, secrets_of
from tests.flows.certificates.town import Card, Town

# The scenario's million takes minutes: by this number, or with its figures by deploy.loading.
ROWS = int(os.environ.get("GIFTMARK_LOAD_ROWS", "50000"))


def write(path: Path, cards: list[Card], **bad: str) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "nominal", "currency", "productId"])
        for card in cards:
            nominal = bad.get(f"row{card.row}", str(card.nominal))
            writer.writerow([card.code, nominal, "RUB", "GC-3000"])


def loading(town: Town, path: Path, *more: str, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app", "load", str(path)]
    url = f"--url={town.cluster.workers[0].url}"
    options = [url, f"--data={town.cluster.data}", *more]
    with output.open("ab") as file:
        return spawn([*command, *options], env=dict(os.environ), cwd=CHECKOUT, output=file)


async def ended(town: Town, process: subprocess.Popen[bytes], seconds: float = 60) -> int:
    await town.watch.until(lambda: process.poll() is not None, "the loader ends", seconds=seconds)
    assert process.returncode is not None
    return process.returncode


@pytest.mark.timeout(300 + ROWS // 400)
async def test_a_load_through_kills_issues_every_row_once(
    town: Town, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """The loader, a ledger worker and the services worker are killed on the way."""
    path, plan = tmp_path / "gifts.csv", Plan(ROWS, kills=True)
    await asyncio.to_thread(write_file, path, ROWS)
    assert postgres_server.pid is not None
    load = Load(town.cluster, path, plan=plan, database=postgres_server.pid)
    loaded = await load.run()
    assert sorted(loaded.killed) == ["ledger worker", "loader", "services worker"]
    assert loaded.killed["loader"].taken < ROWS, "the loader had no rows left to send"
    assert all(known.issued < ROWS for known in loaded.killed.values())
    await town.cluster.ready()
    progress = await town.progress(load.batch)
    assert (progress["issued"], progress["rows"], progress["percent"]) == (ROWS, ROWS, 100)
    assert {chunk["attempt"] for chunk in progress["chunks"]} == {1}

    wanted = ids_of(path, base64.b64decode(secrets_of(town.cluster.data)["code_pepper"]))
    assert len(wanted) == ROWS
    found = await issued(town.bootstrap, wanted)
    assert (found.certificates, found.twice) == (ROWS, 0)


async def test_rejected_rows_are_written_corrected_and_loaded(town: Town, tmp_path: Path) -> None:
    cards = [town.card(row=n) for n in range(1, 31)]
    path, output = tmp_path / "gifts.csv", tmp_path / "output"
    write(path, cards, row7="none", row29="0")
    batch = f"--batch-id={town.run}-mend"
    process = loading(town, path, batch, "--rows-per-chunk=10", output=output)
    assert await ended(town, process) == 2, output.read_text()
    rejected = tmp_path / "gifts.csv.rejected.csv"
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    said = output.read_text()
    assert f"rejected rows: {rejected}\n" in said
    assert f"load COPY {batch.replace('=', ' ')} --attempt 2\n" in said
    with rejected.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["refusal"]) for line in lines] == [
        ("7", "NominalInvalid"),
        ("29", "NominalInvalid"),
    ]
    assert [line["code"] for line in lines] == [cards[6].code, cards[28].code]

    mended = tmp_path / "mended.csv"
    with mended.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(line | {"nominal": "300000"} for line in lines)
    process = loading(town, mended, batch, "--attempt=2", output=output)
    assert await ended(town, process) == 0, output.read_text()
    assert await town.batch_done(f"{town.run}-mend") == {"issued": 30}
    assert (await town.look_up(cards[6]))["status"] == "Issued"


async def test_generated_codes_are_kept_in_a_file_whatever_gets_lost(
    town: Town, tmp_path: Path
) -> None:
    path, output = tmp_path / "codes.csv", tmp_path / "output"
    batch = f"{town.run}-codes"
    options = (f"--batch-id={batch}", "--generate=1500", "--nominal=300000")
    assert await ended(town, loading(town, path, *options, output=output)) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = _codes(path)
    assert len(first) == 1_500

    with path.open("r+") as file:  # the end of the second chunk was lost
        kept = file.read()
        file.truncate(len(kept) // 2 + len(kept) // 4)
    assert await ended(town, loading(town, path, *options, output=output)) == 0, output.read_text()
    second = _codes(path)
    assert len(second) == 1_500
    assert {row for row in first if first[row] == second[row]} == set(range(1, 1_001))
    lost = {first[row] for row in range(1_001, 1_501)}
    for code in (first[1], second[1_500]):
        assert await _status(town, code) == "Issued"
    for code in list(lost)[:3]:
        assert await _status(town, code) == "Cancelled"


def _codes(path: Path) -> dict[int, str]:
    with path.open(newline="") as file:
        return {int(line["row"]): line["code"] for line in csv.DictReader(file)}


async def _status(town: Town, code: str) -> str:
    response = await town.post("/certificates/lookup", {"code": code})
    return str(response.json()["status"])
