"""Where a request is wrong: JSON pointers (RFC 6901) into what the caller sent."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

ERRORS_MAX = 20


def as_sent(content: bytes) -> Any:
    """The JSON value of a refused body; None if it is none."""
    try:
        return from_json(content)
    except ValueError:
        return None


def wrong_places(error: ValidationError, sent: Any) -> list[tuple[str, ErrorDetails]]:
    """The first errors with their pointers; a value that was sent stands in neither."""
    details = error.errors(include_input=False, include_url=False)
    return [(_pointer(detail, sent), detail) for detail in details[:ERRORS_MAX]]


def _pointer(detail: ErrorDetails, sent: Any) -> str:
    """Leaves out the steps that name a branch of a union instead of something sent."""
    steps = []
    for step in detail["loc"]:
        member = isinstance(sent, dict) and step in sent
        if member or (isinstance(sent, list) and isinstance(step, int)):
            steps.append(step)
            sent = sent[step]
    if detail["type"] == "missing":
        steps.append(detail["loc"][-1])
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
