"""Dead letters over the internal port: list, show, replay, discard."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiokafka.errors import KafkaError

from app.certificates.audit_reading import ReadingStopped, TopicMissing
from app.certificates.dead_letters.desk import HANDLED_MOST, LIST_MOST, Desk, Refused, Who
from app.certificates.dead_letters.letters import Name, Wanted, WrongName

CLIENT = "internal-http"
STATUSES = {"LetterUnknown": 404, "LetterUnreadable": 409}
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Names = Annotated[list[Text], msgspec.Meta(min_length=1, max_length=HANDLED_MOST)]
Act = Callable[[web.Request], Awaitable[Any]]


class WrongRequest(ValueError):
    """The text names the field and what is wrong with it."""


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Letters by name, or all open ones that meet `topic`, `code`, `entity` (one at least)."""

    letters: Names | None = None
    topic: Text | None = None
    code: Text | None = None
    entity: Text | None = None


class Discard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    letters: Names
    reason: Text


def dead_letter_routes(application: web.Application, desk: Desk) -> None:
    """The `Actor` header names the person; whatever opens or changes something needs it."""
    calls = _Calls(desk)
    add = application.router.add_route
    add("GET", "/dead-letters", _answered(calls.listing))
    add("GET", "/dead-letters/{topic}/{partition}/{offset}", _answered(calls.show))
    add("POST", "/dead-letters/replay", _answered(calls.replay))
    add("POST", "/dead-letters/discard", _answered(calls.discard))


class _Calls:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def listing(self, request: web.Request) -> Any:
        query, limit = request.query, request.query.get("limit", "100")
        if not limit.isdecimal() or not 0 < int(limit) <= LIST_MOST:
            raise WrongRequest(f"limit: 1 to {LIST_MOST}")
        wanted = Wanted(query.get("topic"), query.get("code"), query.get("entity"))
        found = await self._desk.listing(wanted, limit=int(limit))
        letters = [letter.view() for letter in found.letters]
        return {"open": found.open.total(), "byCode": dict(found.open), "letters": letters}

    async def show(self, request: web.Request) -> Any:
        parts: Mapping[str, str] = request.match_info
        name = Name.parse(f"{parts['topic']}/{parts['partition']}/{parts['offset']}")
        return await self._desk.show(name, _who(request))

    async def replay(self, request: web.Request) -> Any:
        who, body = _who(request), await _body(request, Replay)
        if body.letters is None:
            names = await self._wanted(Wanted(body.topic, body.code, body.entity))
        else:
            names = [Name.parse(text) for text in body.letters]
        return {"letters": await self._desk.replay(names, who)}

    async def discard(self, request: web.Request) -> Any:
        who, body = _who(request), await _body(request, Discard)
        names = [Name.parse(text) for text in body.letters]
        return {"letters": await self._desk.discard(names, who, body.reason)}

    async def _wanted(self, wanted: Wanted) -> list[Name]:
        if wanted == Wanted():
            raise WrongRequest("letters, topic, code or entity: one of them is required")
        found = await self._desk.listing(wanted, limit=HANDLED_MOST)
        return [letter.name for letter in found.letters]


def _answered(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return _json(200, await act(request))
        except (WrongRequest, WrongName, msgspec.DecodeError, UnicodeDecodeError) as error:
            return _json(400, {"code": "RequestInvalid", "detail": str(error)})
        except Refused as refused:
            status = STATUSES.get(refused.code, 422)
            return _json(status, {"code": refused.code, "detail": str(refused)})
        except (KafkaError, ReadingStopped, TopicMissing) as error:
            cause = {"code": "BrokerUnavailable", "detail": type(error).__name__}
            return _json(503, cause)

    return handle


def _who(request: web.Request) -> Who:
    actor = request.headers.get("Actor", "")
    if not 0 < len(actor) <= 128 or not actor.isprintable():
        raise WrongRequest("Actor: the header names the person, 1 to 128 characters")
    return Who(CLIENT, actor)


async def _body(request: web.Request, kind: type[Any]) -> Any:
    """Only JSON that says so: a page in somebody's browser cannot send that across."""
    if request.content_type != "application/json":
        raise WrongRequest("Content-Type: application/json is expected")
    return msgspec.json.decode(await request.read(), type=kind)


def _json(status: int, members: Any) -> web.Response:
    body = msgspec.json.encode(members)
    return web.Response(status=status, body=body, content_type="application/json")
