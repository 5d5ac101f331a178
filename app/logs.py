"""Structured logs: console for people, JSON for machines; libraries at their own levels."""

import contextlib
import logging
import sys
import time
import traceback
from typing import Any, TextIO, cast

import structlog

# Services of Faust log under the module that defines them, ours included.
_QUIET = ("faust", "aiokafka", "mode", "aiohttp", "httpx", "app")
SELDOM_S = 10.0
KNOWN_LINES = 1_000


class _Seldom(logging.Filter):
    """One line a while per library and message: a broker away for an hour fills no disk."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in _QUIET:
            return True
        line = (record.name, str(record.msg)[:80])
        now = time.monotonic()
        if now < self._next.get(line, 0.0):
            return False
        if len(self._next) > KNOWN_LINES:
            self._next.clear()
        self._next[line] = now + SELDOM_S
        return True


class _Output:
    """Standard output that loses a line rather than raise: a full disk ends no other work."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stdout.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stdout.flush()


def fault(error: BaseException) -> dict[str, Any]:
    """Of an unforeseen error only its kind and places: its text may hold what was sent."""
    return {"error": type(error).__name__, "places": traceback.format_tb(error.__traceback__)}


def configure(log_format: str, level: str) -> None:
    """Sets every level explicitly: Faust's own option would turn the root logger to DEBUG."""
    logging.basicConfig(level=level, format="%(asctime)s [%(levelname)s] %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Seldom())
    for name in _QUIET:
        logging.getLogger(name).setLevel("WARNING")
    # Fenced and cut-off members are ours to report, once, with their partition.
    logging.getLogger("aiokafka.conn").setLevel("CRITICAL")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info
            if log_format == "json"
            else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Output())),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
