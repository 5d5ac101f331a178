"""A worker process whose handler raises on one value: FAIL, which may be absent.

Run as a script: `failing_member.py KAFKA GROUP TOPIC FOLDER FAIL`; prints what it handled.
"""

import asyncio
import sys
from pathlib import Path

from app.batches import Batch
from app.contracts.topics import Topic
from app.worker import fatal, install_loop, run
from tests.contracts.membership import Group, Member


def main(kafka: str, group: str, topic: str, /, *, folder: str, fail: str) -> None:
    install_loop()
    asyncio.set_event_loop(asyncio.new_event_loop())
    one = Group(kafka, Path(folder), Topic(topic, 1, {}))
    one.id = group

    async def behave(batch: Batch) -> None:
        if any(record.value == fail.encode() for record in batch.records):
            raise ValueError("a fault of the handler")
        offsets = [record.offset for record in batch.records]
        print("handled", *offsets, flush=True)  # noqa: T201 - the test reads it

    run(Member(one.settings(), one.topic, behave, fatal=fatal).app)


if __name__ == "__main__":
    main(*sys.argv[1:4], folder=sys.argv[4], fail=sys.argv[5])
