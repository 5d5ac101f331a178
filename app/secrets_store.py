"""Keys and pepper of an embedded installation: made once, kept beside the data they protect."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

NAMES = (
    "code_pepper",
    "contact_keys",
    "payout_key",
    "dead_letter_key",
    "forward_key",
    "marking_secret_keys",
)
KEY_BYTES = 32
FILE = "secrets.json"
PREFIX = "GIFTMARK_"


class SecretsMissing(RuntimeError):
    """Secrets are needed that may not be made up here."""


def variable(name: str) -> str:
    return PREFIX + name.upper()


def embedded_secrets(data: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of all secrets; what is missing is made and written first.

    A variable that is set already wins over the file.
    """
    path = data / FILE
    stored = json.loads(path.read_text()) if path.exists() else {}
    if not stored and (data / "broker").exists():
        raise SecretsMissing(
            f"{path} is gone although {data} holds a ledger:"
            " without its own keys no certificate is found; restore the file from a backup"
        )
    missing = [name for name in NAMES if name not in stored]
    if missing:
        stored |= {name: new_key() for name in missing}
        write_private(path, json.dumps(stored, indent=2))
    return {variable(name): environment.get(variable(name), stored[name]) for name in NAMES}


def required_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The same for a broker of somebody else: its keys must be given, never made up."""
    missing = [variable(name) for name in NAMES if not environment.get(variable(name))]
    if missing:
        raise SecretsMissing(f"with a broker of your own set {', '.join(missing)} (base64)")
    return {variable(name): environment[variable(name)] for name in NAMES}


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; nobody else may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
