"""A store that cannot be opened: damaged files go aside, sound ones stay where they are."""

import os
import subprocess
import sys
from errno import EMFILE, ENOSPC
from pathlib import Path

import pytest

from app.secrets_store import embedded_secrets
from app.worker import alone_in
from deploy.proving.cluster import CHECKOUT
from tables import store
from tables.store import SharedMemory, Store, open_store


def opened(folder: Path) -> Store:
    return open_store(folder / "partition-0", ledger="l", end_offset=0, memory=SharedMemory())


def test_a_database_in_use_is_left_to_its_user(tmp_path: Path) -> None:
    user = opened(tmp_path)
    with pytest.raises(OSError, match="lock"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partition-0"]
    user.close()
    opened(tmp_path).close()


@pytest.mark.parametrize("code", [EMFILE, ENOSPC])
def test_what_the_machine_lacks_is_not_held_against_the_files(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Exception(f"IO error: {os.strerror(code)}: appending")  # noqa: TRY002 - so it is

    opened(tmp_path).close()
    monkeypatch.setattr(store, "Rdict", full)
    with pytest.raises(OSError, match="appending"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partition-0"]


def test_damaged_files_are_set_aside(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "partition-0" / "CURRENT").write_text("damaged")
    opened(tmp_path).close()
    assert len(list(tmp_path.glob("partition-0.aside-*"))) == 1


def test_a_second_ledger_worker_of_one_name_is_refused(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "KAFKA_URL": "127.0.0.1:1",
        "GIFTMARK_DATA_DIR": str(tmp_path),
        "GIFTMARK_WORKER_NAME": "w",
        **embedded_secrets(tmp_path / "keys", {}),
    }
    with alone_in(tmp_path / "w"):
        done = subprocess.run(
            [sys.executable, "-m", "app", "worker"],
            cwd=CHECKOUT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"another worker runs on {tmp_path / 'w'}" in done.stderr
