"""Secrets of an embedded installation."""

import base64
import stat
from pathlib import Path

import pytest

from app.secrets_store import (
    FILE,
    NAMES,
    SecretsMissing,
    embedded_secrets,
    required_secrets,
    variable,
)


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = embedded_secrets(tmp_path, {})
    assert embedded_secrets(tmp_path, {}) == first
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert len(set(first.values())) == len(NAMES)
    assert {len(base64.b64decode(key)) for key in first.values()} == {32}


def test_a_variable_that_is_set_wins_over_the_file(tmp_path: Path) -> None:
    given = {variable("code_pepper"): "theirs"}
    made = embedded_secrets(tmp_path, given)
    assert made["GIFTMARK_CODE_PEPPER"] == "theirs"


def test_lost_secrets_are_not_replaced_beside_a_ledger(tmp_path: Path) -> None:
    embedded_secrets(tmp_path, {})
    (tmp_path / FILE).unlink()
    (tmp_path / "broker").mkdir()
    with pytest.raises(SecretsMissing, match="restore the file from a backup"):
        embedded_secrets(tmp_path, {})
    assert not (tmp_path / FILE).exists()


def test_a_broker_of_somebody_else_needs_given_secrets() -> None:
    given = {variable(name): "key" for name in NAMES}
    assert required_secrets(given) == given
    del given["GIFTMARK_PAYOUT_KEY"]
    with pytest.raises(SecretsMissing, match="GIFTMARK_PAYOUT_KEY"):
        required_secrets(given)
