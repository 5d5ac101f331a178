"""Keys go into a sealed file and come back on another machine, or not at all."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.embedded_postgres import PostgresServer
from app.keys_backup import BackupRefused, first_key, open_backup, seal
from app.marking.database import connect
from app.marking.rotation import backed_up
from app.marking.sealing import Sealer
from app.migrations import migrate
from app.secrets_store import FILE, NAMES, embedded_secrets, variable

PASSPHRASE = "twelve symbols or more"


NO_DATABASE = "no database runs there: the service will go on warning"


def run(*words: str, passphrase: str | None = PASSPHRASE, typed: str = "", **env: str) -> Result:
    cleared = dict.fromkeys(
        (*map(variable, NAMES), "GIFTMARK_DATABASE_URL", "DATABASE_URL"),
    )
    given = {**cleared, "GIFTMARK_BACKUP_PASSPHRASE": passphrase, **env}
    return CliRunner().invoke(cli, ["keys", *words], env=given, input=typed)


def test_a_fresh_folder_gets_the_same_keys(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "keys.backup"
    secrets = embedded_secrets(old, {})
    done = run("backup", str(file), "--data", str(old))
    assert done.exit_code == 0, done.output
    assert NO_DATABASE in done.output
    assert not any(secret in file.read_text() for secret in secrets.values())
    assert file.stat().st_mode & 0o077 == 0

    done = run("restore", str(file), "--data", str(new))
    assert done.exit_code == 0, done.output
    assert embedded_secrets(new, {}) == secrets
    again = run("restore", str(file), "--data", str(new))
    assert again.exit_code == 1
    assert embedded_secrets(new, {}) == secrets


def test_keys_of_the_environment_are_those_in_force(tmp_path: Path) -> None:
    embedded_secrets(tmp_path, {})
    file = tmp_path / "keys.backup"
    done = run("backup", str(file), "--data", str(tmp_path), GIFTMARK_MARKING_SECRET_KEYS="bmV3")
    assert done.exit_code == 0, done.output
    assert open_backup(file.read_bytes(), PASSPHRASE)[variable("marking_secret_keys")] == "bmV3"


def test_without_keys_or_a_passphrase_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "keys.backup"
    assert run("backup", str(file), "--data", str(tmp_path)).exit_code == 1
    embedded_secrets(tmp_path, {})
    assert run("backup", str(file), "--data", str(tmp_path), passphrase="short").exit_code == 1
    assert not file.exists()


def test_another_passphrase_or_a_changed_file_opens_nothing(tmp_path: Path) -> None:
    content = seal({"a": "b"}, PASSPHRASE)
    changed = json.loads(content) | {"format": "another"}
    for file, passphrase in (
        (content, PASSPHRASE + "!"),
        (json.dumps(changed).encode(), PASSPHRASE),
        (b"{}", PASSPHRASE),
    ):
        with pytest.raises(BackupRefused):
            open_backup(file, passphrase)
    written = tmp_path / "keys.backup"
    written.write_bytes(content)
    refused = run("restore", str(written), "--data", str(tmp_path), passphrase=PASSPHRASE + "!")
    assert refused.exit_code == 1
    assert not (tmp_path / FILE).exists()


def test_the_database_that_runs_in_the_folder_learns_of_the_backup(tmp_path: Path) -> None:
    secrets = embedded_secrets(tmp_path, {})
    sealer = Sealer([first_key(secrets[variable("marking_secret_keys")])])
    server = PostgresServer(tmp_path / "postgres", durable=False)
    try:
        server.start()
        done = run("backup", str(tmp_path / "keys.early"), "--data", str(tmp_path))
        assert done.exit_code == 0, done.output
        assert NO_DATABASE in done.output
        migrate(server.dsn())
        done = run("backup", str(tmp_path / "keys.backup"), "--data", str(tmp_path))
        assert done.exit_code == 0, done.output
        assert NO_DATABASE not in done.output
        assert asyncio.run(noted(server.dsn(), sealer))
    finally:
        server.kill()
    done = run("backup", str(tmp_path / "keys.second"), "--data", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert NO_DATABASE in done.output


async def noted(dsn: str, sealer: Sealer) -> bool:
    database = await connect(dsn, most=1)
    try:
        return await backed_up(database, sealer)
    finally:
        await database.close()


def test_an_older_backup_is_never_overwritten(tmp_path: Path) -> None:
    embedded_secrets(tmp_path, {})
    file = tmp_path / "keys.backup"
    file.write_text("older")
    other = tmp_path / "keys.new"
    other.write_text("another")
    refused = run("backup", str(file), "--data", str(tmp_path))
    assert refused.exit_code == 2
    assert "exists already" in refused.output
    assert file.read_text() == "older"
    assert run("backup", str(tmp_path / "keys.next"), "--data", str(tmp_path)).exit_code == 0
    assert other.read_text() == "another"


def test_a_restore_names_a_missing_file_and_asks_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.backup"
    missing = run("restore", str(file), "--data", str(tmp_path), passphrase=None)
    assert missing.exit_code == 2
    assert "does not exist" in missing.output
    file.write_bytes(seal({variable("code_pepper"): "cGVwcGVy"}, PASSPHRASE))
    data = tmp_path / "new"
    asked = run("restore", str(file), "--data", str(data), passphrase=None, typed=f"{PASSPHRASE}\n")
    assert asked.exit_code == 0, asked.output
    assert json.loads((data / FILE).read_text()) == {"code_pepper": "cGVwcGVy"}
