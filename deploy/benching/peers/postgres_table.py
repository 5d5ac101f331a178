"""The plain step on aiokafka and PostgreSQL, a transaction a fetch.

`postgres_table.py BOOTSTRAP TOPIC WARM TOTAL GROUP FOLDER`, the database in BENCH_DSN and its
process in BENCH_DATABASE.
"""

import os
import sys
import time
from collections.abc import Sequence

import asyncpg
import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, OffsetAndMetadata

from deploy.benching.peers.plain_step import State, Stopwatch, applied

FETCH = 5_000
TABLES = """
CREATE TABLE IF NOT EXISTS certificates (
  key text PRIMARY KEY, balance bigint, held bigint, n bigint, last text
);
CREATE TABLE IF NOT EXISTS positions (tp text PRIMARY KEY, upto bigint)
"""
LOAD = "SELECT key, balance, held, n, last FROM certificates WHERE key = ANY($1)"
STORE = """
INSERT INTO certificates
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
ON CONFLICT (key) DO UPDATE SET
  balance = excluded.balance, held = excluded.held, n = excluded.n, last = excluded.last
"""
POSITION = """
INSERT INTO positions VALUES ($1, $2) ON CONFLICT (tp) DO UPDATE SET upto = excluded.upto
"""


def cpu_s() -> float:
    """Of this process and of the database with all its servants."""
    database = psutil.Process(int(os.environ["BENCH_DATABASE"]))
    servants = (process.cpu_times() for process in (database, *database.children(recursive=True)))
    return time.process_time() + sum(times.user + times.system for times in servants)


async def stored(connection: asyncpg.Connection, records: Sequence[ConsumerRecord]) -> None:
    """One partition's fetch with its position, all or nothing."""
    async with connection.transaction():
        keys = list({record.key.decode() for record in records})
        states: dict[str, State] = {
            row["key"]: {**row, "id": row["key"]} for row in await connection.fetch(LOAD, keys)
        }
        for record in records:
            if (found := applied(record.value, states.get)) is not None:
                states[found[0]] = found[1]
        columns = zip(
            *((key, s["balance"], s["held"], s["n"], s["last"]) for key, s in states.items()),
            strict=True,
        )
        await connection.execute(STORE, *map(list, columns))
        last = records[-1]
        await connection.execute(POSITION, f"{last.topic}/{last.partition}", last.offset + 1)


async def main() -> None:
    bootstrap, topic, warm, total, group, _ = sys.argv[1:]
    connection = await asyncpg.connect(os.environ["BENCH_DSN"])
    await connection.execute(TABLES)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    watch = Stopwatch(int(warm), int(total), cpu_s=cpu_s)
    while True:
        fetched = await consumer.getmany(timeout_ms=500, max_records=FETCH)
        for tp, records in fetched.items():
            await stored(connection, records)
            await consumer.commit({tp: OffsetAndMetadata(records[-1].offset + 1, "")})
            if any(watch.tick() for _ in records):
                os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
