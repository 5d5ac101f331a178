"""Loops that end when they are told to, also if a driver has swallowed the cancellation."""

import asyncio


def ending() -> bool:
    """Somebody has cancelled the present task.

    `asyncio.wait_for` of Python 3.11 returns a result that comes at the same moment and forgets
    the cancellation; aiopg waits that way, so a loop around it would go on for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
