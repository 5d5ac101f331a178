"""People and programs that may call: passwords, API keys, sessions of the console."""

import asyncio
import functools
import hashlib
import secrets
from typing import Any

import argon2
import msgspec
import psycopg2.errors
from argon2.exceptions import VerificationError

from app.marking.database import Database, Row, Transaction, raw
from app.marking.errors import NotFoundError, OrderStateError
from app.marking.ids import new_id

SESSION_HOURS = 12
KEY_PREFIX = "gmk_"
SECRET_BYTES = 32
_hasher = argon2.PasswordHasher()
# Verifying takes 64 MiB each: a crowd at the door waits.
_at_the_door = asyncio.Semaphore(2)


class Person(msgspec.Struct, frozen=True):
    """Who calls. `csrf`: of a session of the console, None for a program with a key."""

    id: str
    login: str
    is_admin: bool
    csrf: str | None = None
    session: bytes | None = None


class Opened(msgspec.Struct, frozen=True):
    """A new session: `token` goes into the cookie, `csrf` into every POST."""

    token: str
    csrf: str
    person: Person


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


async def add_user(
    source: Database | Transaction,
    login: str,
    password: str,
    *,
    email: str | None = None,
    is_admin: bool = False,
) -> str:
    """The id of a new user. Raises OrderStateError for a known login."""
    user = new_id()
    hashed = await asyncio.to_thread(_hasher.hash, password)
    try:
        await source.execute(
            """insert into marking.users (id, login, password_hash, email, is_admin)
               values (%(id)s, %(login)s, %(hash)s, %(email)s, %(admin)s)""",
            id=user,
            login=login,
            hash=hashed,
            email=email,
            admin=is_admin,
        )
    except psycopg2.errors.UniqueViolation:
        raise OrderStateError(f"Пользователь {login} уже есть.") from None
    return user


async def user_id_of(source: Database | Transaction, login: str) -> str:
    row = await source.one("select id from marking.users where login = %(login)s", login=login)
    if row is None:
        raise NotFoundError(f"Пользователя {login} нет.")
    return str(row["id"])


async def set_active(database: Database, login: str, *, active: bool) -> None:
    """A locked user is out at once: sessions and keys ask for `active` every time."""
    touched = await database.execute(
        "update marking.users set active = %(active)s where login = %(login)s",
        active=active,
        login=login,
    )
    if not touched:
        raise NotFoundError(f"Пользователя {login} нет.")


async def add_key(source: Database | Transaction, user_id: str, name: str) -> str:
    """A key in clear; only its digest is kept."""
    key = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    await source.execute(
        """insert into marking.api_keys (id, user_id, name, key_sha256)
           values (%(id)s, %(user)s, %(name)s, %(sha)s)""",
        id=new_id(),
        user=user_id,
        name=name,
        sha=digest(key),
    )
    return key


async def keys(database: Database, *, after: str | None, limit: int) -> list[Row]:
    """A page of keys, the oldest first; what opens with them is not kept."""
    return await database.rows(
        """select k.id, u.login, k.name, k.active, k.last_used_at
           from marking.api_keys k join marking.users u on u.id = k.user_id
           where %(after)s is null or k.id > %(after)s::uuid
           order by k.id limit %(limit)s""",
        after=after,
        limit=limit,
    )


async def revoke_key(database: Database, key_id: str) -> None:
    """Its programs are out at once; a repeat changes nothing."""
    touched = await database.execute(
        "update marking.api_keys set active = false where id::text = %(id)s", id=key_id.lower()
    )
    if not touched:
        raise NotFoundError("Такого ключа нет.")


async def by_key(database: Database, key: str) -> Person | None:
    row = await database.one(
        """update marking.api_keys k set last_used_at = case
               when k.last_used_at > now() - interval '1 minute' then k.last_used_at
               else now() end
           from marking.users u
           where k.key_sha256 = %(sha)s and k.active and u.id = k.user_id and u.active
           returning u.id, u.login, u.is_admin""",
        sha=digest(key),
    )
    return None if row is None else Person(row["id"], row["login"], row["is_admin"])


async def log_in(database: Database, login: str, password: str) -> Opened | None:
    """None for an unknown or locked user and for a wrong password, at the same price."""
    row = await database.one(
        """select id, login, is_admin, password_hash from marking.users
           where login = %(login)s and active""",
        login=login,
    )
    if not await _verified(_nobody() if row is None else row["password_hash"], password):
        return None
    if row is None:
        return None
    token, csrf = secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    await database.execute(
        """insert into marking.sessions (id_sha256, user_id, csrf, expires_at)
           values (%(id)s, %(user)s, %(csrf)s, now() + %(hours)s * interval '1 hour')""",
        id=digest(token),
        user=row["id"],
        csrf=csrf,
        hours=SESSION_HOURS,
    )
    return Opened(token, csrf, _person(row | {"csrf": csrf, "id_sha256": digest(token)}))


@functools.cache
def _nobody() -> str:
    """The hash of a password that nobody knows."""
    return _hasher.hash(secrets.token_urlsafe(SECRET_BYTES))


async def _verified(hashed: str, password: str) -> bool:
    async with _at_the_door:
        try:
            return await asyncio.to_thread(_hasher.verify, hashed, password)
        except VerificationError:
            return False


async def by_session(database: Database, token: str) -> Person | None:
    row = await database.one(
        """select u.id, u.login, u.is_admin, s.csrf, s.id_sha256 from marking.sessions s
           join marking.users u on u.id = s.user_id
           where s.id_sha256 = %(id)s and s.expires_at > now() and u.active""",
        id=digest(token),
    )
    return None if row is None else _person(row)


def _person(row: dict[str, Any]) -> Person:
    session = raw(row["id_sha256"])
    return Person(row["id"], row["login"], row["is_admin"], row["csrf"], session)


async def log_out(database: Database, person: Person) -> None:
    """Ended sessions go too."""
    await database.execute(
        "delete from marking.sessions where id_sha256 = %(id)s or expires_at <= now()",
        id=person.session,
    )


async def any_user(database: Database) -> bool:
    return await database.one("select 1 from marking.users limit 1") is not None
