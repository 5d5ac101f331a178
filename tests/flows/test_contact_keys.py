"""Contact keys change: the newest seals, older ones open, the oldest are destroyed."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.certificates.sealing import CannotOpen, Sealer
from app.cli import cli
from app.contact_keys import KEYS, SINCE, ContactKeys
from app.secrets_store import FILE, NAMES, new_key, variable
from app.settings import Settings
from app.supervisor import own_secrets


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(variable(name), raising=False)


def run(data: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["keys", *words, "--data", str(data)], input=typed)


def started(data: Path) -> Sealer:
    """What a worker seals and opens with after a start of `up`."""
    given = {name: own_secrets(data)[variable(name)] for name in NAMES}
    keys = Settings.model_validate(given).contact_keys
    return Sealer([key.get_secret_value() for key in keys])


def in_use(data: Path, *days_ago: int) -> list[str]:
    """Keys that began to seal so many days ago, newest first; their ids."""
    own_secrets(data)
    stored = json.loads((data / FILE).read_text())
    secrets = [new_key() for _ in days_ago]
    since = [(today() - timedelta(days=days)).isoformat() for days in days_ago]
    stored |= {KEYS: ",".join(secrets), SINCE: ",".join(since)}
    (data / FILE).write_text(json.dumps(stored))
    return ids(data)


def ids(data: Path) -> list[str]:
    return [key.id for key in ContactKeys(data)]


def today() -> date:
    return datetime.now(UTC).date()


def test_after_a_rotation_the_new_key_seals_and_the_old_one_opens(tmp_path: Path) -> None:
    before = started(tmp_path)
    old = before.seal(b"secret", "place")
    assert run(tmp_path, "rotate").exit_code == 0
    after = started(tmp_path)
    new = after.seal(b"secret", "place")
    assert [new.kid, old.kid] == ids(tmp_path)
    assert after.open(old, "place") == after.open(new, "place") == b"secret"
    with pytest.raises(CannotOpen):
        before.open(new, "place")


def test_a_key_that_no_start_has_used_is_not_followed_by_another(tmp_path: Path) -> None:
    started(tmp_path)
    for _ in range(2):
        assert run(tmp_path, "rotate").exit_code == 0
    assert len(ids(tmp_path)) == 2
    started(tmp_path)
    run(tmp_path, "rotate")
    assert len(ids(tmp_path)) == 3


def test_a_key_is_destroyed_150_days_after_it_last_sealed(tmp_path: Path) -> None:
    """Each sealed until the next newer one began."""
    held = in_use(tmp_path, 30, 150, 151, 500)
    done = run(tmp_path, "rotate", "--yes")
    assert ids(tmp_path)[1:] == held[:3]
    assert f"destroyed: {held[3]}" in done.output


def test_nothing_is_destroyed_without_consent(tmp_path: Path) -> None:
    held = in_use(tmp_path, 200, 400)
    assert "Destroy, for ever?" in run(tmp_path, "rotate", typed="n\n").output
    assert ids(tmp_path)[1:] == held
    run(tmp_path, "rotate", typed="y\n")
    assert ids(tmp_path)[1:] == held[:1]


@pytest.mark.parametrize(("known", "left"), [(0, 3), (150, 3), (151, 1)])
def test_keys_without_dates_count_from_the_next_one_that_has(
    tmp_path: Path, known: int, left: int
) -> None:
    """As after `keys restore`: only of the newest it is known since when it seals."""
    held = in_use(tmp_path, known, 400, 500)
    stored = json.loads((tmp_path / FILE).read_text())
    stored[SINCE] = stored[SINCE].partition(",")[0]
    (tmp_path / FILE).write_text(json.dumps(stored))
    run(tmp_path, "rotate", "--yes")
    assert ids(tmp_path)[1:] == held[:left]


def test_the_first_start_with_a_key_is_noted_and_no_later_one(tmp_path: Path) -> None:
    own_secrets(tmp_path)
    assert ContactKeys(tmp_path).newest.since == today()
    (held,) = in_use(tmp_path, 20)
    own_secrets(tmp_path)
    assert ContactKeys(tmp_path).newest.since == today() - timedelta(days=20)
    assert ids(tmp_path) == [held]


def test_the_list_shows_dates_and_no_key(tmp_path: Path) -> None:
    held = in_use(tmp_path, 30, 100)
    shown = run(tmp_path, "list").output
    last = today() - timedelta(days=30)
    needed = last + timedelta(days=150)
    for told in (*held, str(last), str(today() - timedelta(days=100)), str(needed)):
        assert told in shown
    assert not any(key.secret in shown for key in ContactKeys(tmp_path))


def test_keys_of_the_environment_are_changed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(tmp_path)
    held = ids(tmp_path)
    monkeypatch.setenv(variable(KEYS), new_key())
    refused = run(tmp_path, "rotate")
    assert (refused.exit_code, variable(KEYS) in refused.output) == (1, True)
    assert ids(tmp_path) == held


def test_without_a_folder_nothing_is_made(tmp_path: Path) -> None:
    assert run(tmp_path, "rotate").exit_code == 1
    assert not (tmp_path / FILE).exists()
