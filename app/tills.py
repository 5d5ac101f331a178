"""Who waits at a till goes first: bulk work of the process does a slice at a time."""

import asyncio
import time
from typing import Literal, get_args

CALM_S = 60.0
PAUSE_S = 0.003
Lane = Literal["commands", "events"]


class Tills:
    """Whether somebody at a till has asked this process lately, and the turns of everybody else.

    Then commits are short, and of all who have much to do at once one does one slice, and after
    a pause the next one another, so that a request waits for a slice and finds the broker idle
    as well. Commands (intake, commits of the topic) and events (publishing) have a lane each:
    what is decided must not outrun what is published.
    """

    def __init__(self) -> None:
        self._asked = -CALM_S
        self._lanes = {lane: asyncio.Lock() for lane in get_args(Lane)}

    def ask(self) -> None:
        self._asked = time.monotonic()

    @property
    def waiting(self) -> bool:
        return time.monotonic() - self._asked < CALM_S

    async def first(self, lane: Lane) -> None:
        """Between two slices: back when it is this one's turn."""
        if not self.waiting:
            await asyncio.sleep(0)
            return
        async with self._lanes[lane]:
            await asyncio.sleep(PAUSE_S)
