"""Scenarios and their parts side by side, each with a participant of its own."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

AT_ONCE = 3


def together(*parts: Callable[[], object]) -> None:
    """Run all parts to their end at once; the first failure fails the scenario."""
    with ThreadPoolExecutor(len(parts)) as pool:
        for running in [pool.submit(part) for part in parts]:
            running.result()


def beside(item: pytest.Item) -> bool:
    """Marked: needs no other worker, and no worker but by its API."""
    return item.get_closest_marker("beside") is not None


class Abreast:
    """Marked scenarios run a few at a time; each test then tells how its own went."""

    def __init__(self, items: Iterable[pytest.Item], stack: Any) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        chosen = [one for one in items if isinstance(one, pytest.Function) and beside(one)]
        self._running: dict[str, Future[object]] = {
            one.nodeid: self._pool.submit(one.obj, stack=stack, **_parameters(one))
            for one in chosen
        }

    def told(self, item: pytest.Item) -> None:
        self._running[item.nodeid].result()

    def end(self) -> None:
        """Whoever stops workers waits for all of them."""
        wait(self._running.values())
        self._pool.shutdown()


def _parameters(item: pytest.Function) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else dict(callspec.params)
