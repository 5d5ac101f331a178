"""`Idempotency-Key`: one effect per key, its answer kept with the effect."""

import hashlib
from typing import Any

import msgspec

from app.marking.database import Database, Transaction, as_json
from app.marking.errors import OrderStateError


class Replay(msgspec.Struct, frozen=True):
    """What was answered before."""

    status: int
    body: Any


class Held(msgspec.Struct, frozen=True):
    """The key is ours; `mark` tells this run from one that takes over later."""

    caller: str
    key: str
    mark: str


class Mismatch(msgspec.Struct, frozen=True):
    """The key was used for something else."""


class Running(msgspec.Struct, frozen=True):
    """Somebody works on it; `wait_s` until it may be taken over."""

    wait_s: float


Found = Replay | Held | Mismatch | Running


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()


async def take(database: Database, caller: str, key: str, *, of: bytes, lock_ms: int) -> Found:
    """Hold the key for a while, or learn what became of it."""
    named = {"caller": caller, "key": key, "of": of, "lock": lock_ms}
    async with database.transaction() as tx:
        mark = await tx.value(
            """insert into marking.idempotency_keys as k (caller, key, fingerprint, locked_until)
               values (%(caller)s, %(key)s, %(of)s,
                       clock_timestamp() + %(lock)s * interval '1 millisecond')
               on conflict (caller, key) do update set locked_until = excluded.locked_until
                   where k.status is null and k.locked_until <= clock_timestamp()
                         and k.fingerprint = excluded.fingerprint
               returning locked_until::text""",
            **named,
        )
        if mark is not None:
            return Held(caller, key, str(mark))
        return await _known(tx, named)


async def _known(tx: Transaction, named: dict[str, Any]) -> Found:
    row = await tx.one(
        """select fingerprint = %(of)s as same, status, response,
                  extract(epoch from locked_until - clock_timestamp())::float8 as wait_s
           from marking.idempotency_keys where caller = %(caller)s and key = %(key)s""",
        **named,
    )
    if row is None:
        return Running(1)
    if not row["same"]:
        return Mismatch()
    if row["status"] is not None:
        return Replay(row["status"], row["response"])
    return Running(max(0.0, row["wait_s"]))


async def keep(source: Database | Transaction, held: Held, *, status: int, body: Any) -> None:
    """The answer, in the transaction of its effect. Raises OrderStateError when taken over."""
    kept = await source.execute(
        """update marking.idempotency_keys set status = %(status)s, response = %(body)s
           where caller = %(caller)s and key = %(key)s and locked_until::text = %(mark)s
                 and status is null""",
        status=status,
        body=as_json(body),
        caller=held.caller,
        key=held.key,
        mark=held.mark,
    )
    if not kept:
        raise OrderStateError("Запрос с этим Idempotency-Key уже выполняет другой процесс.")


async def let_go(database: Database, held: Held) -> None:
    """Refused without an effect: the key is free again."""
    await database.execute(
        """delete from marking.idempotency_keys where caller = %(caller)s and key = %(key)s
               and locked_until::text = %(mark)s and status is null""",
        caller=held.caller,
        key=held.key,
        mark=held.mark,
    )
