"""Which headers are a trace, and how long it lasts."""

import pytest
import structlog

from app.contracts import tracing

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        TRACE.upper(),
        TRACE + "-x",
        TRACE.replace("00-", "ff-"),
        TRACE.replace("ab", "00"),
        TRACE.replace("cd", "00"),
        TRACE + "\n",
    ],
)
def test_what_is_no_trace_is_none(given: str | None) -> None:
    assert tracing.parsed(given) is None
    headers = [("other", b"x")] if given is None else [(tracing.HEADER, given.encode())]
    assert tracing.of_record(headers) is None
    with tracing.traced(given):
        assert (tracing.current(), structlog.contextvars.get_contextvars()) == (None, {})


def test_a_trace_lasts_as_long_as_its_request_and_stands_in_every_log_line() -> None:
    assert tracing.of_record([("other", b"x"), (tracing.HEADER, TRACE.encode())]) == TRACE
    with tracing.traced(TRACE):
        assert tracing.current() == TRACE
        assert structlog.contextvars.get_contextvars() == {"trace": "ab" * 16}
    assert (tracing.current(), structlog.contextvars.get_contextvars()) == (None, {})
