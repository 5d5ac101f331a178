"""Keys of the seals: checked at start, and old rows sealed anew one by one."""

from collections.abc import Callable

import msgspec

from app.marking.database import Database, raw
from app.marking.sealing import (
    Sealer,
    apikey_place,
    block_place,
    call_place,
    issue_place,
    report_place,
    request_place,
    token_place,
)

CHECK_NAME = "seal_key_check"
BACKUP_NAME = "keys_backup"
MOST_A_NIGHT = 5_000


class WrongKeys(RuntimeError):
    """marking_secret_keys do not open what this database holds."""


class Sealed(msgspec.Struct, frozen=True):
    """A sealed column; `key`: columns that name its row and its place."""

    table: str
    column: str
    key: tuple[str, ...]
    place: Callable[..., str]

    def of_another_key(self, columns: str) -> str:
        """Reads rows whose seal does not begin with the id `%(first)s`."""
        return f"""select {columns} from marking.{self.table}
                   where {self.column} is not null
                         and substring({self.column} from 1 for 4) <> %(first)s
                   limit %(most)s"""  # noqa: S608


SEALED = (
    Sealed("participants", "nk_apikey_enc", ("id",), apikey_place),
    Sealed("tokens", "token_enc", ("participant_id", "kind"), token_place),
    Sealed("sign_requests", "payload_enc", ("id",), request_place),
    Sealed("code_blocks", "body_enc", ("block_id",), block_place),
    Sealed("suz_reports", "body_enc", ("id",), report_place),
    Sealed("calls", "answer_enc", ("id",), call_place),
    Sealed("issues", "file_enc", ("id",), issue_place),
)


async def require_known_keys(database: Database, sealer: Sealer) -> bool:
    """True on the very first start. Raises WrongKeys for keys of another database."""
    stored = await database.one(
        "select value from marking.meta where name = %(name)s", name=CHECK_NAME
    )
    if stored is None:
        await database.execute(
            """insert into marking.meta (name, value) values (%(name)s, %(value)s)
               on conflict do nothing""",
            name=CHECK_NAME,
            value=sealer.check_value,
        )
        return True
    if not sealer.knows(stored["value"]):
        raise WrongKeys("marking_secret_keys: not the keys this database was sealed with")
    return False


async def backed_up(database: Database, sealer: Sealer) -> bool:
    """Whether a backup was made since the first key became the first."""
    stored = await database.one(
        "select value from marking.meta where name = %(name)s", name=BACKUP_NAME
    )
    return stored is not None and stored["value"] == sealer.check_value


async def note_backup(database: Database, check_value: str) -> None:
    """`check_value`: of the first key that the backup holds."""
    await database.execute(
        """insert into marking.meta (name, value) values (%(name)s, %(value)s)
           on conflict (name) do update set value = excluded.value""",
        name=BACKUP_NAME,
        value=check_value,
    )


async def seal_anew(database: Database, sealer: Sealer) -> int:
    """Rows sealed with an older key, compare-and-set on the old bytes; how many.

    The key check value moves last: until then a process without the older key does not start.
    """
    count = 0
    for sealed in SEALED:
        count += await _table(database, sealer, sealed)
    if await _any_left(database, sealer):
        return count
    await database.execute(
        "update marking.meta set value = %(value)s where name = %(name)s and value <> %(value)s",
        value=sealer.check_value,
        name=CHECK_NAME,
    )
    return count


async def _any_left(database: Database, sealer: Sealer) -> bool:
    for sealed in SEALED:
        sql = sealed.of_another_key("1")
        if await database.one(sql, first=sealer.first_key_id, most=1) is not None:
            return True
    return False


async def _table(database: Database, sealer: Sealer, sealed: Sealed) -> int:
    keys = ", ".join(f"{name}::text as {name}" for name in sealed.key)
    sql = sealed.of_another_key(f"{keys}, {sealed.column} as old")
    rows = await database.rows(sql, first=sealer.first_key_id, most=MOST_A_NIGHT)
    where = " and ".join(f"{name}::text = %({name})s" for name in sealed.key)
    for row in rows:
        names = {name: row[name] for name in sealed.key}
        place = sealed.place(*names.values())
        new = sealer.seal(sealer.open(raw(row["old"]), place=place), place=place)
        await database.execute(
            f"""update marking.{sealed.table} set {sealed.column} = %(new)s
                where {where} and {sealed.column} = %(old)s""",  # noqa: S608
            new=new,
            old=raw(row["old"]),
            **names,
        )
    return len(rows)
