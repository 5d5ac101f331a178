"""From raw requests to validated bodies and audit headers."""

import asyncio
from typing import NamedTuple

from aiohttp import web
from pydantic import BaseModel, ValidationError

from web.access import Client
from web.pointers import as_sent, wrong_places
from web.problems import Problem, invalid

BODY_MAX = 64 * 1024
NAME_MAX = 128
ID_MAX = 64


async def content_of(request: web.Request, *, within_s: float) -> bytes:
    if not request.body_exists:
        return b""
    if request.content_type != "application/json" or (request.charset or "utf-8") != "utf-8":
        raise Problem("MediaTypeUnknown")
    try:
        if request.content.is_eof():
            return await request.read()
        async with asyncio.timeout(within_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem("BodyTooLarge") from None
    except TimeoutError:
        raise invalid("", "the body did not arrive in time") from None


def parsed(model: type[BaseModel], content: bytes) -> BaseModel:
    """Nothing sent counts as no members; the problem never repeats what was sent."""
    try:
        return model.model_validate_json(content or b"{}")
    except ValidationError as error:
        wrong = wrong_places(error, as_sent(content))
    errors = [{"pointer": pointer, "detail": detail["msg"]} for pointer, detail in wrong]
    raise Problem("RequestInvalid", errors=errors)


class Person(NamedTuple):
    """Who stands behind the client, as the client asserts it."""

    actor: str | None
    store: str | None
    terminal: str | None


def person_of(request: web.Request, client: Client) -> Person:
    person = Person(
        _header(request, "Actor", NAME_MAX),
        _header(request, "Store-Id", ID_MAX),
        _header(request, "Terminal-Id", ID_MAX),
    )
    if person.store is not None and client.stores and person.store not in client.stores:
        raise Problem("ScopeMissing", detail="Store-Id is not a store of this client")
    return person


def _header(request: web.Request, name: str, longest: int) -> str | None:
    value = request.headers.get(name)
    if value is not None and not (0 < len(value) <= longest and value.isprintable()):
        raise invalid(f"/headers/{name}", f"1 to {longest} printable characters")
    return value
