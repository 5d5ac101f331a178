"""The plain step on Quix Streams: `quix_table.py BOOTSTRAP TOPIC WARM TOTAL GROUP FOLDER`."""

import os
import sys
from typing import Any

from quixstreams import Application

from deploy.benching.peers.plain_step import Stopwatch, applied


def main() -> None:
    bootstrap, topic, warm, total, group, folder = sys.argv[1:]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        commit_interval=1,
        loglevel="ERROR",
        processing_guarantee="at-least-once",
    )
    commands = app.topic(topic, value_deserializer="bytes", key_deserializer="bytes")
    watch = Stopwatch(int(warm), int(total))

    def step(value: bytes, state: Any) -> bytes:
        found = applied(value, lambda _: state.get("certificate"))
        if found is not None:
            state.set("certificate", found[1])
        if watch.tick():
            os._exit(0)
        return value

    app.dataframe(commands).update(step, stateful=True)
    app.run()


if __name__ == "__main__":
    main()
