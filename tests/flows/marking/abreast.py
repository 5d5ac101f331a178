"""Parts of a scenario side by side, each with a participant of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def together(*parts: Callable[[], object]) -> None:
    """Run all parts to their end at once; the first failure fails the scenario."""
    with ThreadPoolExecutor(len(parts)) as pool:
        for running in [pool.submit(part) for part in parts]:
            running.result()
