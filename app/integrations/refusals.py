"""What a failed answer says, in whatever shape it says it, and which error that is."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.integrations.errors import (
    ChallengeGone,
    Contradicted,
    FieldProblem,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerFailed,
    SignatureRefused,
    Unauthorized,
    Unexpected,
    Upstream,
    UpstreamError,
)
from app.integrations.redaction import redacted

FOREIGN_TOKEN: Final = 1140
MOST_PROBLEMS: Final = 100

_TEXT_KEYS = ("error_message", "errors_message", "error_description", "message", "description")
_TAGS = re.compile(r"<[^>]{0,200}>")
_XML_TEXT = re.compile(r"<error_description>(.{1,400}?)</error_description>", re.DOTALL)
_SIGNATURE = re.compile(r"(?i)проверк\w+ подписи|подпись не ?валидна|signature validation")
_CHALLENGE = re.compile(r"(?i)uuid не найден")

_BY_STATUS: Final[dict[int, type[UpstreamError]]] = {
    400: InvalidRequest,
    401: Unauthorized,
    402: Forbidden,
    403: Forbidden,
    404: NotFound,
    408: ServerFailed,
    409: Contradicted,
    410: NotFound,
    422: InvalidRequest,
    425: Contradicted,
    429: RateLimited,
}


class Told(Struct, frozen=True):
    """The texts and codes of a refusal, redacted."""

    text: str
    fields: tuple[FieldProblem, ...] = ()
    codes: tuple[int, ...] = ()


def told(body: bytes, *, secrets: tuple[str, ...] = ()) -> Told:
    """What the body says: SUZ lists, True API and NK messages, XML, HTML or nothing."""
    try:
        content = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Told(redacted(_plain(body), secrets))
    if not isinstance(content, dict):
        text = content if isinstance(content, str) else ""
        return Told(redacted(text, secrets))
    fields = tuple(_field_problems(content, secrets))
    general = tuple(_global_problems(content))
    codes = tuple(p.code for p in fields if p.code is not None)
    codes += tuple(code for _, code in general if code is not None)
    texts = [text for text, _ in general] + [f"{p.field}: {p.text}" for p in fields]
    return Told(redacted("; ".join(filter(None, texts)), secrets), fields, codes)


def _plain(body: bytes) -> str:
    text = body[:4_000].decode("utf-8", "replace")
    described = _XML_TEXT.search(text)
    return described.group(1) if described else " ".join(_TAGS.sub(" ", text).split())


def _field_problems(content: dict[str, Any], secrets: tuple[str, ...]) -> Iterator[FieldProblem]:
    for item in _listed(content.get("fieldErrors")):
        if isinstance(item, dict):
            name = redacted(str(item.get("fieldName", "")), secrets)
            text = redacted(str(item.get("fieldError", "")), secrets)
            yield FieldProblem(name, text, _number(item.get("errorCode")))


def _global_problems(content: dict[str, Any]) -> Iterator[tuple[str, int | None]]:
    for item in (*_listed(content.get("globalErrors")), *_listed(content.get("errors"))):
        if isinstance(item, dict):
            text = item.get("error") or item.get("message") or ""
            yield str(text), _number(item.get("errorCode"))
        else:
            yield str(item), None
    told_by = [key for key in _TEXT_KEYS if isinstance(content.get(key), str)]
    if told_by:
        yield content[told_by[0]], None
    elif isinstance(content.get("error"), str):
        yield content["error"], None


def _listed(value: Any) -> list[Any]:
    return value[:MOST_PROBLEMS] if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def error_of(upstream: Upstream, status: int, said: Told) -> type[UpstreamError]:
    """The error that an answer outside 2xx means; total over every status code."""
    if upstream is Upstream.SUZ and status == 413:
        return SignatureRefused
    if upstream is Upstream.SUZ and status == 400 and FOREIGN_TOKEN in said.codes:
        return Unauthorized
    if upstream is Upstream.TRUE_API and status in {400, 422}:
        return _refusal_by_text(said.text)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Unexpected if 400 <= status < 500 else ServerFailed


def _refusal_by_text(text: str) -> type[UpstreamError]:
    if _CHALLENGE.search(text):
        return ChallengeGone
    return SignatureRefused if _SIGNATURE.search(text) else InvalidRequest
