"""Migrations on a real database: forward only, once, and never over a disagreement."""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from app.migrations import SQL, MigrationRefused, migrate, require_current
from app.secrets_store import embedded_secrets

FIRST = {"shop/0001_till.sql": "create schema shop; create table shop.till (id int);"}
SECOND = FIRST | {"shop/0002_drawer.sql": "alter table shop.till add drawer text;"}


def files(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def columns(dsn: str) -> Iterable[str]:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'shop' ORDER BY ordinal_position"
        )
        return [name for (name,) in cursor]


def test_each_file_is_applied_once_and_in_order(postgres: str, tmp_path: Path) -> None:
    assert migrate(postgres, source=files(tmp_path, FIRST)) == ["shop/0001_till.sql"]
    assert migrate(postgres, source=files(tmp_path, SECOND)) == ["shop/0002_drawer.sql"]
    assert migrate(postgres, source=tmp_path) == []
    assert columns(postgres) == ["id", "drawer"]


def test_two_starting_processes_apply_a_file_once(postgres: str, tmp_path: Path) -> None:
    source = files(tmp_path, SECOND)
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = list(pool.map(lambda _: migrate(postgres, source=source), range(2)))
    assert sorted(done) == [[], ["shop/0001_till.sql", "shop/0002_drawer.sql"]]


def test_a_changed_file_is_refused(postgres: str, tmp_path: Path) -> None:
    migrate(postgres, source=files(tmp_path, FIRST))
    files(tmp_path, {"shop/0001_till.sql": "create schema shop;"})
    with pytest.raises(MigrationRefused, match=r"0001_till\.sql was changed"):
        migrate(postgres, source=tmp_path)


def test_a_newer_database_is_refused_by_an_older_program(postgres: str, tmp_path: Path) -> None:
    migrate(postgres, source=files(tmp_path / "new", SECOND))
    older = files(tmp_path / "old", FIRST)
    for refusing in (migrate, require_current):
        with pytest.raises(MigrationRefused, match=r"0002_drawer\.sql: newer than this program"):
            refusing(postgres, source=older)


def test_a_failing_file_leaves_nothing_of_itself(postgres: str, tmp_path: Path) -> None:
    broken = FIRST | {"shop/0002_drawer.sql": "alter table shop.till add drawer text; select 1/0;"}
    with pytest.raises(MigrationRefused, match=r"0002_drawer\.sql failed: division by zero"):
        migrate(postgres, source=files(tmp_path, broken))
    assert columns(postgres) == ["id"]
    with pytest.raises(MigrationRefused, match=r"the database lacks shop/0002_drawer\.sql"):
        require_current(postgres, source=tmp_path)


@pytest.mark.parametrize("name", ["shop/0002_gap.sql", "shop/first.sql"])
def test_a_misnamed_file_is_refused(postgres: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationRefused):
        migrate(postgres, source=files(tmp_path, {name: "select 1;"}))


def test_the_product_s_own_files_apply(postgres: str) -> None:
    assert len(migrate(postgres)) == len(list(SQL.glob("*/*.sql")))
    require_current(postgres)


def test_a_services_worker_refuses_a_database_of_another_time(
    postgres: str, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "GIFTMARK_DATABASE_URL": postgres}
    done = subprocess.run(
        [sys.executable, "-m", "app", "worker", "--role", "services"],
        cwd=SQL.parents[1],
        env={**env, "GIFTMARK_DATA_DIR": str(tmp_path), **embedded_secrets(tmp_path / "keys", {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "run `python -m app migrate`" in done.stdout
