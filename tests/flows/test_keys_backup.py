"""Keys go into a sealed file and come back on another machine, or not at all."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.keys_backup import BackupRefused, open_backup, seal
from app.secrets_store import FILE, NAMES, embedded_secrets, variable

PASSPHRASE = "twelve symbols or more"


def run(*words: str, passphrase: str = PASSPHRASE, **env: str) -> Result:
    cleared = {variable(name): None for name in NAMES} | {"GIFTMARK_DATABASE_URL": None}
    given = {**cleared, "GIFTMARK_BACKUP_PASSPHRASE": passphrase, **env}
    return CliRunner().invoke(cli, ["keys", *words], env=given)


def test_a_fresh_folder_gets_the_same_keys(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "keys.backup"
    secrets = embedded_secrets(old, {})
    done = run("backup", str(file), "--data", str(old))
    assert done.exit_code == 0, done.output
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
