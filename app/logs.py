"""Structured logs: console for people, JSON for machines; libraries at their own levels."""

import logging

import structlog

# Services of Faust log under the module that defines them, ours included.
_QUIET = ("faust", "aiokafka", "mode", "aiohttp", "httpx", "app")


def configure(log_format: str, level: str) -> None:
    """Sets every level explicitly: Faust's own option would turn the root logger to DEBUG."""
    logging.basicConfig(level=level, format="%(asctime)s [%(levelname)s] %(name)s %(message)s")
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
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
