"""W3C Trace Context: taken from whoever asks, kept with what it changes, shown in logs.

https://www.w3.org/TR/trace-context/ – we make no spans of our own; what comes without a
`traceparent`, or with one that is none, goes on without.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

HEADER = "traceparent"
_FORM = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = slice(3, 35)
_current: ContextVar[str | None] = ContextVar(HEADER, default=None)


def parsed(text: str | None) -> str | None:
    return text if text is not None and _FORM.fullmatch(text) else None


def of_record(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """That of a Kafka record."""
    given = next((value for name, value in headers if name == HEADER), None)
    return None if given is None else parsed(given.decode(errors="replace"))


def in_logs(trace: str | None) -> dict[str, str]:
    """What a log line says of it."""
    return {} if trace is None else {"trace": trace[_TRACE_ID]}


def current() -> str | None:
    """That of the request which is being served."""
    return _current.get()


@contextmanager
def traced(given: str | None) -> Iterator[None]:
    """Serves a request that came with this header; its log lines carry the trace's id."""
    trace = parsed(given)
    if trace is None:
        yield
        return
    token = _current.set(trace)
    try:
        with structlog.contextvars.bound_contextvars(**in_logs(trace)):
            yield
    finally:
        _current.reset(token)
