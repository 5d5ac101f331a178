"""Who may call: the clients file, its secrets and scopes, reloaded when it changes."""

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

Scope = Literal["pos", "operator", "loader", "payments"]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Store = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
RELOAD_S = 1.0

_log = structlog.get_logger("web.access")


class ClientsFileInvalid(Exception):
    """The text names the file and what is wrong in it, never a secret."""


class Client(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One entry; `secrets` are SHA-256 digests in hex, two while one replaces the other."""

    id: Name
    secrets: Annotated[tuple[Digest, ...], msgspec.Meta(min_length=1, max_length=2)]
    scopes: frozenset[Scope]
    channel: Literal["POS", "WEB", "OPERATOR"]
    stores: tuple[Store, ...] = ()
    surface: Literal["terminal", "public"] = "terminal"
    requests_per_s: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200

    def __post_init__(self) -> None:
        if {"pos", "operator"} <= self.scopes:
            raise ValueError(f"client {self.id} holds pos and operator together")


class ClientsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: Annotated[tuple[Client, ...], msgspec.Meta(max_length=10_000)]


class Clients:
    """The live table; a bad new file leaves the old one in force and says so."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = _fingerprint(path)
        self._table = _read(path) if path else {}

    def authenticated(self, authorization: str | None) -> Client | None:
        """The client of `Bearer <clientId>.<secret>`, None for anything else."""
        scheme, _, token = (authorization or "").partition(" ")
        name, dot, secret = token.partition(".")
        client = self._table.get(name)
        if scheme.lower() != "bearer" or not dot or client is None:
            return None
        digest = hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
        matches = [hmac.compare_digest(digest, known) for known in client.secrets]
        return client if any(matches) else None

    def reload(self) -> bool:
        """True if a changed file was taken over."""
        seen = _fingerprint(self._path)
        if self._path is None or seen == self._seen:
            return False
        self._seen = seen
        try:
            self._table = _read(self._path)
        except ClientsFileInvalid as error:
            _log.error("clients file refused, the old one stays", reason=str(error))
            return False
        _log.info("clients file reloaded", clients=len(self._table))
        return True

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_S)
            self.reload()


def _fingerprint(path: Path | None) -> tuple[int, int, int] | None:
    try:
        stat = path.stat() if path else None
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size) if stat else None


def _read(path: Path) -> dict[str, Client]:
    try:
        parsed = msgspec.json.decode(path.read_bytes(), type=ClientsFile)
    except (OSError, msgspec.DecodeError) as error:
        raise ClientsFileInvalid(f"{path.name}: {error}") from None
    table = {client.id: client for client in parsed.clients}
    if len(table) != len(parsed.clients):
        raise ClientsFileInvalid(f"{path.name}: a client id stands there twice")
    return table
