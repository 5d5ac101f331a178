"""What the driver does badly: watching a connection whose server dies, telling of slowness."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection

SELECT_MOST = 1024  # aiopg asks `select` about its socket when a statement fails


@contextmanager
def slowness_told() -> Iterator[None]:
    """Both ways in which aiopg tells that something took too long become OperationalError.

    One is a cancellation that nobody asked for, the other a TimeoutError.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise psycopg2.OperationalError("a statement took too long") from None
    except TimeoutError:
        raise psycopg2.OperationalError("no answer for too long") from None


class WatchableConnection(connection):
    """For pools of aiopg: `connection_factory=WatchableConnection`.

    libpq closes its socket when the server dies, behind the back of the loop that watches it.
    The number is given to the next file, and uvloop then refuses to watch that for ever, or
    aborts the process. So the loop watches a duplicate that lives as long as it is watched.
    """

    _watched = -1

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._loop = asyncio.get_running_loop()
        self._watched = os.dup(super().fileno())
        if self._watched >= SELECT_MOST:
            self.close()
            raise psycopg2.OperationalError("too many open files: aiopg would hang at an error")

    def fileno(self) -> int:
        return self._watched

    def poll(self) -> int:
        """A dead connection is always readable: watching on would keep the loop busy."""
        try:
            return super().poll()
        except psycopg2.Error:
            if self.closed:
                _unwatch(self._loop, self._watched)
            raise

    def close(self) -> None:
        super().close()
        watched, self._watched = self._watched, -1
        if watched >= 0:
            _forget(self._loop, watched)

    def __del__(self) -> None:
        """Perhaps in another thread: the collector runs where it likes."""
        if self._watched < 0:
            return
        try:
            self._loop.call_soon_threadsafe(_forget, self._loop, self._watched)
        except RuntimeError:  # the loop is closed and watches nothing
            os.close(self._watched)


def _unwatch(loop: asyncio.AbstractEventLoop, number: int) -> None:
    if number >= 0 and not loop.is_closed():
        loop.remove_reader(number)
        loop.remove_writer(number)


def _forget(loop: asyncio.AbstractEventLoop, number: int) -> None:
    _unwatch(loop, number)
    os.close(number)
