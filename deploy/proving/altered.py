"""A worker process with something altered: of a later version, or with a slow publisher.

`python -m deploy.proving.altered worker --role ledger`; the product knows nothing of it.
"""

import asyncio
import os
from typing import Any

from app.contracts import wire

NEWER = "PROVE_NEWER"
SLOW_S = "PROVE_SLOW_PUBLISHING_S"
# Modules that copy the numbers must find the altered ones: they are imported after they are set.
LATER = int(os.environ.get(NEWER, "0"))
wire.SCHEMA += LATER
wire.STATE_SCHEMA += LATER


def publish_slowly(delay_s: float) -> None:
    from agents.publishing import Publishing  # noqa: PLC0415

    publish = Publishing.handle

    async def handle(self: Publishing, batch: Any) -> None:
        await asyncio.sleep(delay_s)
        await publish(self, batch)

    Publishing.handle = handle  # type: ignore[method-assign]


def main() -> None:
    from app.cli import cli  # noqa: PLC0415

    publish_slowly(float(os.environ.get(SLOW_S, "0")))
    cli()


if __name__ == "__main__":
    main()
