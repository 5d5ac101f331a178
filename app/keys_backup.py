"""The keys of an installation, sealed with a passphrase for a place outside of it."""

import base64
import os
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FORMAT = "giftmark keys 1"
SALT_LENGTH, NONCE_LENGTH, KEY_LENGTH = 16, 12, 32
# 32 MiB and a tenth of a second for each guess of a passphrase.
COST, BLOCK_SIZE, PARALLEL = 2**15, 8, 1


class BackupRefused(ValueError):
    """Not a backup, another passphrase, or damaged."""


class Backup(msgspec.Struct, frozen=True):
    format: str
    salt: bytes
    sealed: bytes


def seal(secrets: Mapping[str, str], passphrase: str) -> bytes:
    """The content of a backup file."""
    salt, nonce = os.urandom(SALT_LENGTH), os.urandom(NONCE_LENGTH)
    plain = msgspec.json.encode(dict(secrets))
    sealed = _cipher(passphrase, salt).encrypt(nonce, plain, FORMAT.encode())
    return msgspec.json.encode(Backup(FORMAT, salt, nonce + sealed))


def open_backup(content: bytes, passphrase: str) -> dict[str, str]:
    """Raises BackupRefused."""
    try:
        backup = msgspec.json.decode(content, type=Backup)
        cipher, nonce = _cipher(passphrase, backup.salt), backup.sealed[:NONCE_LENGTH]
        plain = cipher.decrypt(nonce, backup.sealed[NONCE_LENGTH:], backup.format.encode())
        return msgspec.json.decode(plain, type=dict[str, str])
    except (msgspec.DecodeError, InvalidTag, ValueError):
        raise BackupRefused("no backup of keys, or another passphrase") from None


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    key = Scrypt(salt=salt, length=KEY_LENGTH, n=COST, r=BLOCK_SIZE, p=PARALLEL)
    return AESGCM(key.derive(passphrase.encode()))


def first_key(keys: str) -> bytes:
    """Of a variable with several base64 keys."""
    return base64.b64decode(keys.split(",", maxsplit=1)[0])
