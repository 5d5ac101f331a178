"""What a person sees while a command works and nobody knows how much there is to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def records_read(console: Console) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many records were read; is told of each further lot."""
    counted = TextColumn("{task.completed:,.0f} records read")
    with Progress(
        SpinnerColumn(), counted, TimeElapsedColumn(), console=console, transient=True
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda count: shown.advance(task, count)
