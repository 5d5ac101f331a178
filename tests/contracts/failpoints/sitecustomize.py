"""A failpoint of a worker process: its first replay of each opening takes SLOW_REPLAY_S.

Python imports it at the start when its folder is on the path; the product knows nothing of it.
"""

import asyncio
import os
from typing import Any, Self

from tables import opening
from tables.recovery import JournalReader

SLOW_S = float(os.environ.get("SLOW_REPLAY_S", "0"))


class SlowReader(JournalReader):
    async def __aenter__(self) -> Self:
        self.slept = False
        return await super().__aenter__()

    async def replay(self, *arguments: Any, **more: Any) -> int:
        if not self.slept:
            self.slept = True
            await asyncio.sleep(SLOW_S)
        return await super().replay(*arguments, **more)


vars(opening)["JournalReader"] = SlowReader
