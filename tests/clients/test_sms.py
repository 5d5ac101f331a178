"""What the gateway's answers mean: taken, refused, certainly not taken, unknown."""

from collections.abc import Callable

import httpx
import pytest

from app.integrations.sms import (
    Accepted,
    HttpGateway,
    Message,
    NoAnswer,
    NotKnown,
    NotTaken,
    Refused,
    Sent,
    Told,
)

MESSAGE = Message("SO-1/2:1:activated:1", "SMS", "+79990000001", "secret")
Wire = Callable[[httpx.Request], httpx.Response]


def answering(status: int, content: bytes = b"", **headers: str) -> Wire:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: httpx.Response(status, stream=httpx.ByteStream(content), headers=named)


def failing(error: type[Exception]) -> Wire:
    def wire(_request: httpx.Request) -> httpx.Response:
        raise error("no")

    return wire


def gateway(wire: Wire) -> HttpGateway:
    return HttpGateway("http://sms/api/", token="t", transport=httpx.MockTransport(wire))


SENDS: list[tuple[Wire, Sent]] = [
    (answering(202, b'{"messageId":"g-1"}'), Accepted("g-1")),
    (answering(200, b"not json"), Accepted()),
    (answering(202, b"x" * 100_000), Accepted()),
    (answering(202, b"\x1f\x8b", content_encoding="gzip"), Accepted()),
    (answering(409), Accepted()),
    (answering(422), Refused("Http422")),
    (answering(429, retry_after="7"), NotTaken("Http429", 7.0)),
    (answering(429, retry_after="soon"), NotTaken("Http429")),
    (answering(401), NotTaken("Http401")),
    (answering(404), NotTaken("Http404")),
    (answering(500), NoAnswer("Http500")),
    (answering(302), NoAnswer("Http302")),
    (failing(httpx.ConnectError), NotTaken("ConnectError")),
    (failing(httpx.ReadTimeout), NoAnswer("ReadTimeout")),
    (failing(httpx.WriteError), NoAnswer("WriteError")),
    (failing(httpx.RemoteProtocolError), NoAnswer("RemoteProtocolError")),
]


@pytest.mark.parametrize(("wire", "meant"), SENDS)
async def test_only_what_certainly_was_not_taken_may_be_sent_again(wire: Wire, meant: Sent) -> None:
    assert await gateway(wire).send(MESSAGE) == meant


ASKS: list[tuple[Wire, Told]] = [
    (answering(200, b'{"state":"delivered","messageId":"g-1"}'), Accepted("g-1")),
    (answering(200, b'{"state":"refused"}'), Refused("RefusedLater")),
    (answering(200, b'{"state":"whatever"}'), NoAnswer("StateUnknown")),
    (answering(200, b"["), NoAnswer("StateUnknown")),
    (answering(404), NotKnown()),
    (answering(503), NoAnswer("Http503")),
    (failing(httpx.ConnectError), NoAnswer("ConnectError")),
]


@pytest.mark.parametrize(("wire", "meant"), ASKS)
async def test_a_question_by_id_ends_in_what_the_gateway_knows(wire: Wire, meant: Told) -> None:
    assert await gateway(wire).ask(MESSAGE.id) == meant


async def test_an_id_stays_one_part_of_the_path_and_the_token_is_sent() -> None:
    seen: list[httpx.Request] = []

    def wire(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404, stream=httpx.ByteStream(b""))

    await gateway(wire).ask(MESSAGE.id)
    assert seen[0].url.raw_path == b"/api/messages/SO-1%2F2%3A1%3Aactivated%3A1"
    assert seen[0].headers["Authorization"] == "Bearer t"
    assert "7999" not in repr(MESSAGE)
