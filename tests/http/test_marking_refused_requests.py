"""Whatever is wrong with a request of the marking API, its refusal says where and why in words."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel

from tests.http.marking_bodies import BODIES
from web.marking_routes import ROUTES
from web.marking_routing import Asked, Desks, Reply, Verb
from web.marking_serving import Endpoint

Api = TestClient[web.Request, web.Application]
SECRET, NUL = "zz-secret-zz", "a\x00b"
QUERIES = tuple({route.query: None for route in ROUTES if route.query is not None})
WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    SECRET,
    NUL,
    "",
    SECRET * 50,
    -1,
    10**12,
    1.5,
    "2026-11-29T12:00:00",
    "2026-11-29T25:00:00Z",
    [],
    [[]],
    {},
)
WRONG_WORDS = ("", SECRET, NUL, SECRET * 50, "-1", "9" * 20, "9" * 4_400, "1.5", "2026-11-31")


async def accepted(_asked: Asked) -> Reply:
    return Reply({"ok": True})


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Each model at its name, behind the ladder that every request climbs."""
    app, desks = web.Application(), cast("Desks", SimpleNamespace(public_url="https://mk.example"))
    for model in (*BODIES, *QUERIES):
        route = next(route for route in ROUTES if model in {route.body, route.query})
        verb = Verb(route.verb.method, keyed=False)
        asked = replace(route, verb=verb, handler=accepted, may="open", owner=None, status=200)
        for path in (f"/{model.__name__}", f"/{model.__name__}/{{row}}"):
            app.router.add_route("*", path, Endpoint(asked, desks).handle)
    async with TestClient(TestServer(app)) as client:
        yield client


def test_the_bodies_here_are_those_of_the_routes_with_all_their_members() -> None:
    assert {route.body for route in ROUTES} - {None} == set(BODIES)
    for model, body in BODIES.items():
        assert_whole(model.model_validate_json(json.dumps(body)))


def assert_whole(given: object) -> None:
    if isinstance(given, list):
        for one in given:
            assert_whole(one)
    if isinstance(given, BaseModel):
        assert given.model_fields_set == set(type(given).model_fields), type(given)
        for name in given.model_fields_set:
            assert_whole(getattr(given, name))


def changed(value: Any) -> Iterator[Any]:
    """All that differs from the value in one place."""
    yield from WRONG_VALUES
    if isinstance(value, list):
        yield value * 1_001
        yield from ([one] for one in changed(value[0]))
    if isinstance(value, dict):
        yield {**value, "a/b~c": 1}
        for name, member in value.items():
            yield {other: kept for other, kept in value.items() if other != name}
            yield from ({**value, name: other} for other in changed(member))


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
async def test_a_wrong_body_is_refused_with_places_and_reasons(
    api: Api, model: type[BaseModel]
) -> None:
    refused = 0
    for body in changed(BODIES[model]):
        async with api.post(f"/{model.__name__}", json=body) as answer:
            refused += told(await answer.text(), status=answer.status, sent=body)
    assert refused > len(BODIES[model])


@pytest.mark.parametrize("model", QUERIES, ids=lambda model: model.__name__)
async def test_a_wrong_query_is_refused_with_places_and_reasons(
    api: Api, model: type[BaseModel]
) -> None:
    names = (*model.model_fields, "a/b~c")
    refused = 0
    for query in ({name: word} for name in names for word in WRONG_WORDS):
        async with api.get(f"/{model.__name__}", params=query) as answer:
            refused += told(await answer.text(), status=answer.status, sent=query)
    assert refused > len(names)


def told(answer: str, *, status: int, sent: Any) -> bool:
    """Whether it was refused; then every error has a place in what was sent and a reason.

    No database keeps a NUL, so nothing that holds one is accepted.
    """
    if status == 200:
        assert repr(NUL)[1:-1] not in repr(sent)
        return False
    problem = json.loads(answer)
    assert (status, problem["code"]) == (400, "request-invalid"), answer
    assert problem["errors"], sent
    assert SECRET not in answer
    for error in problem["errors"]:
        assert re.search("[а-я]", error["text"]), error
        assert error["text"] != "Неверное значение", (error, sent)
        missing = error["text"] == "Обязательное поле"
        assert found(error["pointer"], sent) is not missing, (error, sent)
    return True


def found(pointer: str, sent: Any) -> bool:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(sent, list) and name.isdecimal() and int(name) < len(sent):
            sent = sent[int(name)]
        elif isinstance(sent, dict) and name in sent:
            sent = sent[name]
        else:
            return False
    return True


REASONS = [
    ("NewOrder", b"{", "", "Это не JSON"),
    ("NewOrder", b"[]", "", "Нужен объект JSON"),
    ("NewOrder", b"", "/lines", "Обязательное поле"),
    ("NewOrder", b'{"lines":[{"gtin":""}]}', "/lines/0/gtin", "Знаков не меньше 1"),
    ("NewOrder", b'{"lines":[],"attributes":[]}', "/attributes", "Нужен объект JSON"),
    ("NewOrder", b'{"lines":[],"a/b":1}', "/a~1b", "Лишнее поле"),
    ("Correction", b'{"lines":"1"}', "/lines", "Нужен список"),
    (
        "Close",
        b'{"waive_remaining":false,"expected_annulled":1}',
        "/waive_remaining",
        "Допустимо: true",
    ),
    ("GiveUp", b'{"expected_lost":-1}', "/expected_lost", "Не меньше 0"),
    ("GiveUp", b'{"expected_lost":"1"}', "/expected_lost", "Нужно целое число"),
    ("Introduction", b'{"codes":[]}', "/codes", "Элементов не меньше 1"),
    ("NewKey", b'{"login":"clerk","name":"a\\u0000b"}', "/name", "Знак NUL недопустим"),
    ("Introduction", b'{"codes":["1",2]}', "/codes/1", "Нужна строка"),
    ("Introduction", b'{"codes":"some"}', "/codes", 'Нужно "all" или список КИ'),
    ("MarkCheck", b"{}", "", "Назовите хотя бы один GTIN или ТН ВЭД"),
    ("NewIssue", b'{"kind":"x","gtin":"1"}', "/kind", "Допустимо: csv, txt или pdf"),
    (
        "NewUser",
        b'{"login":"?","password":"0123456789"}',
        "/login",
        "Нужны от 1 до 64 латинских букв, цифр и знаков . _ @ -",
    ),
    ("ReadUpTo", b'{"upto":"1"}', "/upto", "Нужен UUID"),
    (
        "SignerChoice",
        b'{"signer_kind":"demo","signer_config":1}',
        "/signer_config",
        "Нужен объект JSON",
    ),
    (
        "SignerUnderPoa",
        b'{"name":"-","number":"1","until":"2035-01-01T00:00:00"}',
        "/until",
        "Нужны дата и время с часовым поясом, как 2026-11-29T12:00:00+03:00",
    ),
    ("UserState", b'{"active":1}', "/active", "Нужно true или false"),
]


@pytest.mark.parametrize(("model", "body", "pointer", "text"), REASONS)
async def test_a_reason_names_the_bound(
    *,
    api: Api,
    model: str,
    body: bytes,
    pointer: str,
    text: str,
) -> None:
    async with api.post(f"/{model}", data=body) as answer:
        assert (await answer.json(content_type=None))["errors"] == [
            {"pointer": pointer, "text": text}
        ]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"limit": "0"}, "Не меньше 1"),
        ({"limit": "201"}, "Не больше 200"),
        ({"limit": "9" * 4_400}, "Нужно целое число"),
        ({"external_id": "1" * 129}, "Знаков не больше 128"),
        (
            {"created_from": "yesterday"},
            "Нужна дата, как 2026-11-29, или дата и время, как 2026-11-29T12:00:00+03:00",
        ),
    ],
)
async def test_a_reason_of_a_query_names_the_bound(
    api: Api, query: dict[str, str], text: str
) -> None:
    (name,) = query
    async with api.get("/OrdersQuery", params=query) as answer:
        assert (await answer.json(content_type=None))["errors"] == [
            {"pointer": f"/{name}", "text": text}
        ]


async def test_a_path_that_no_row_can_have_names_none(api: Api) -> None:
    async with api.post("/UserState/clerk%00", json={"active": True}) as answer:
        told = await answer.json(content_type=None)
    assert (answer.status, told["code"]) == (404, "not-found")
