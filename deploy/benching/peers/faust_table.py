"""The plain step on a stock Faust table: `faust_table.py BOOTSTRAP TOPIC WARM TOTAL APP FOLDER`."""

import os
import sys
from typing import Any

import faust

from deploy.benching.peers.plain_step import Stopwatch, applied

PARTITIONS = 4


def made(arguments: list[str]) -> faust.App:
    bootstrap, topic, warm, total, name, folder = arguments
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=10,
        broker_heartbeat_interval=1,
        broker_max_poll_records=4_000,
        stream_wait_empty=False,
    )
    commands = app.topic(
        topic,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=PARTITIONS,
    )
    table = app.Table("ledger", partitions=PARTITIONS, options={"driver": "rocksdict"})
    watch = Stopwatch(int(warm), int(total))

    async def step(stream: Any) -> None:
        async for value in stream:
            found = applied(value, table.get)
            if found is not None:
                table[found[0]] = found[1]
            if watch.tick():
                os._exit(0)

    app.agent(commands)(step)
    return app


if __name__ == "__main__":
    application = made(sys.argv[1:])
    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    application.main()
