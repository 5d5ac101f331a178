"""The one ladder every request of the marking API climbs."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ValidationError

from app.integrations.errors import UpstreamError
from app.logs import fault
from app.marking import idempotency, people
from app.marking.database import BROKEN
from app.marking.errors import AccessError, MarkingError
from app.marking.idempotency import Held, Mismatch, Replay, Running
from app.marking.people import Person
from app.marking.record_pages import owner_of
from web.idempotency import parsed_key
from web.identifiers import request_id
from web.marking_fields import holds_nul
from web.marking_problems import RETRY_S, Refusal, of_error
from web.marking_reasons import reason_of
from web.marking_routing import Asked, Desks, Reply, Route
from web.pointers import as_sent, wrong_places
from web.problems import Problem

BODY_MAX = 16 << 20
COOKIE = "giftmark_session"
CSRF = "X-CSRF-Token"
REQUESTS = Counter("marking_http_requests", "Answered requests", ["operation", "status"])
SECONDS = Histogram("marking_http_request_seconds", "From headers to answer", ["operation"])
_log = structlog.get_logger("web.marking")
_json = msgspec.json.Encoder().encode


class Endpoint:
    """One route of the table."""

    def __init__(self, route: Route, desks: Desks) -> None:
        self._route = route
        self._desks = desks

    async def handle(self, request: web.Request) -> web.StreamResponse:
        began, name = time.perf_counter(), self._route.handler.__name__
        try:
            response = await self._answered(request)
        except (Refusal, MarkingError, UpstreamError) as error:
            response = of_error(error, self._desks.public_url)
        except BROKEN as error:
            response = self._failed(error, _without_storage())
        except Exception as error:  # noqa: BLE001  a bug must not leak what was sent
            response = self._failed(error, Refusal(500, "internal"))
        REQUESTS.labels(name, str(response.status)).inc()
        SECONDS.labels(name).observe(time.perf_counter() - began)
        return response

    def _failed(self, error: Exception, told: Refusal) -> web.Response:
        _log.error(
            "request failed",
            operation=self._route.handler.__name__,
            instance=request_id(),
            **fault(error),
        )
        return of_error(told, self._desks.public_url)

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        route = self._route
        if holds_nul(dict(request.match_info)):
            raise Refusal(404, "not-found", "Такой записи нет.")
        caller = await self._caller(request)
        key = _key_of(request) if route.verb.keyed else None
        content = await _content(request)
        asked = Asked(
            desks=self._desks,
            path=request.match_info,
            body=None if route.body is None else _parsed(route.body, content),
            query=None if route.query is None else _query(route.query, request),
            caller=caller,
        )
        await self._permit(asked)
        if key is None:
            return await self._rendered(request, await route.handler(asked))
        return await self._once(request, asked, key=key, content=content)

    async def _caller(self, request: web.Request) -> Person | None:
        if self._route.may == "open":
            return None
        database = self._desks.desk.database
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        cookie = request.cookies.get(COOKIE)
        person = None
        if scheme.lower() == "bearer" and secret:
            person = await people.by_key(database, secret.strip())
        elif cookie:
            person = await people.by_session(database, cookie)
        if person is None:
            detail = "Войдите или передайте ключ API."
            raise Refusal(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})
        forged = person.csrf is not None and request.headers.get(CSRF) != person.csrf
        if forged and request.method != "GET":
            raise Refusal(403, "csrf", f"Передайте {CSRF} своего сеанса.")
        return person

    async def _permit(self, asked: Asked) -> None:
        route = self._route
        if route.may == "admin" and not asked.person.is_admin:
            raise AccessError("Это может только администратор.")
        if route.owner is None:
            return
        row = asked.path[f"{route.owner}_id"]
        asked.participant_id = await owner_of(asked.desk.database, route.owner, row)
        await asked.require(route.may, asked.participant_id)

    async def _once(
        self, request: web.Request, asked: Asked, *, key: str, content: bytes
    ) -> web.StreamResponse:
        """An effect per key; a refusal leaves the key free."""
        database, caller = self._desks.desk.database, asked.person.id
        of = idempotency.fingerprint(request.method, request.path, content)
        lock_ms = self._desks.lock_ms
        found = await idempotency.take(database, caller, key, of=of, lock_ms=lock_ms)
        match found:
            case Replay(status=status, body=body):
                return _replayed(status, body)
            case Mismatch():
                raise Refusal(422, "idempotency-mismatch", "Для нового запроса нужен новый ключ.")
            case Running(wait_s=wait_s):
                headers = {"Retry-After": str(max(1, round(wait_s)))}
                text = "Повторите позже с тем же ключом."
                raise Refusal(409, "idempotency-running", text, headers=headers)
            case Held():
                asked.held = found
        try:
            reply = await self._route.handler(asked)
        except (Refusal, MarkingError, UpstreamError):
            await idempotency.let_go(database, found)
            raise
        if not reply.kept:
            status = self._route.status
            await idempotency.keep(database, found, status=status, body=reply.body)
        return await self._rendered(request, reply)

    async def _rendered(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        headers = {"Cache-Control": "no-store", **reply.headers}
        if reply.stream is not None:
            return await _streamed(request, reply.stream, headers)
        response = web.Response(
            body=_json(reply.body),
            status=self._route.status,
            headers=headers,
            content_type="application/json",
        )
        if reply.cookie is not None:
            _set_cookie(response, reply.cookie, secure=self._desks.secure_cookie)
        return response


def _without_storage() -> Refusal:
    """What was asked may have been done: its key tells."""
    text = "База данных не отвечает. Повторите позже с тем же ключом."
    return Refusal(503, "storage-unavailable", text, headers={"Retry-After": str(RETRY_S)})


def _key_of(request: web.Request) -> str:
    try:
        return parsed_key(request.headers.get("Idempotency-Key"))
    except Problem:
        text = "Нужен заголовок Idempotency-Key: от 1 до 255 печатных знаков ASCII."
        raise Refusal(400, "idempotency-key-missing", text) from None


async def _content(request: web.Request) -> bytes:
    """The body, whatever limit the outer application has."""
    read = bytearray()
    async for chunk in request.content.iter_any():
        read += chunk
        if len(read) > BODY_MAX:
            raise Refusal(413, "body-too-large", f"Больше {BODY_MAX >> 20} МиБ.")
    return bytes(read)


def _parsed(model: type[BaseModel], content: bytes) -> BaseModel:
    try:
        return model.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise _invalid(error, as_sent(content)) from None


def _query(model: type[BaseModel], request: web.Request) -> BaseModel:
    sent = dict(request.query)
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise _invalid(error, sent) from None


def _invalid(error: ValidationError, sent: Any) -> Refusal:
    """Names fields and reasons, never what was sent; branches of a union may share a reason."""
    wrong = dict.fromkeys((at, reason_of(detail)) for at, detail in wrong_places(error, sent))
    errors = [{"pointer": pointer, "text": text} for pointer, text in wrong]
    return Refusal(400, "request-invalid", "Исправьте поля.", errors=errors)


def _replayed(status: int, body: Any) -> web.Response:
    headers = {"Idempotent-Replay": "true", "Cache-Control": "no-store"}
    return web.Response(
        body=_json(body), status=status, headers=headers, content_type="application/json"
    )


def _set_cookie(response: web.Response, value: str, *, secure: bool) -> None:
    if not value:
        response.del_cookie(COOKIE, path="/")
        return
    response.set_cookie(
        COOKIE,
        value,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=secure,
        max_age=people.SESSION_HOURS * 3_600,
    )


async def _streamed(
    request: web.Request, stream: AsyncIterator[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    """A caller that goes away in the middle ends the stream and nothing else."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        async for chunk in stream:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        _log.info("the caller left a stream")
    return response
