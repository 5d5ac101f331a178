"""The gateway that carries messages to people: what is asked of it, what its answers mean."""

import asyncio
import logging
from typing import Literal, Protocol
from urllib.parse import quote

import httpx
import msgspec

ANSWER_S = 10.0
CONNECT_S = 3.0
LARGEST_ANSWER = 64 << 10
WAIT_MOST_S = 3_600
Channel = Literal["SMS", "EMAIL"]
# The request certainly went nowhere.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# 404 and 405: the address is wrong, which is ours to mend before the time is over.
_NOT_TAKEN = frozenset({401, 403, 404, 405, 429, 503})
_REFUSED = frozenset({400, 413, 422})
_KNOWN_ALREADY = 409
_TAKEN = frozenset({"queued", "accepted", "sent", "delivered"})


class Message(msgspec.Struct, frozen=True):
    """One message for one person; `id` is ours, the gateway answers questions by it."""

    id: str
    channel: Channel
    to: str
    text: str
    subject: str | None = None

    def __repr__(self) -> str:
        return f"Message({self.id})"


class Accepted(msgspec.Struct, frozen=True):
    """The gateway has it; `gateway_id` is its own name for it."""

    gateway_id: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """It looked at the message and will never send it."""

    cause: str


class NotTaken(msgspec.Struct, frozen=True):
    """It certainly has not taken the message: sending again sends once."""

    cause: str
    after_s: float | None = None


class NotKnown(msgspec.Struct, frozen=True):
    """It does not know a message of that id, now."""


class NoAnswer(msgspec.Struct, frozen=True):
    """It may have the message or not."""

    cause: str


Sent = Accepted | Refused | NotTaken | NoAnswer
Told = Accepted | Refused | NotKnown | NoAnswer


class Gateway(Protocol):
    """A provider; both calls end in bounded time and raise nothing for what the network does."""

    async def send(self, message: Message) -> Sent: ...

    async def ask(self, message_id: str) -> Told: ...


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    message_id: str | None = None
    state: str | None = None


class HttpGateway:
    """`POST {url}/messages`, `GET {url}/messages/{id}`; 2xx means taken, 409 taken before."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        answer_s: float = ANSWER_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)
        headers = {"User-Agent": "giftmark", "Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._url = url.rstrip("/")
        self._answer_s = answer_s
        self._session = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(answer_s, connect=CONNECT_S),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._session.aclose()

    async def send(self, message: Message) -> Sent:
        request = self._session.build_request(
            "POST",
            f"{self._url}/messages",
            content=msgspec.json.encode(message),
            headers={"Content-Type": "application/json"},
        )
        try:
            response = await self._exchange(request)
        except _NOT_SENT as error:
            return NotTaken(type(error).__name__)
        except (httpx.TransportError, TimeoutError) as error:
            return NoAnswer(type(error).__name__)
        return _sent(response)

    async def ask(self, message_id: str) -> Told:
        url = f"{self._url}/messages/{quote(message_id, safe='')}"
        try:
            response = await self._exchange(self._session.build_request("GET", url))
        except (httpx.TransportError, TimeoutError) as error:
            return NoAnswer(type(error).__name__)
        return _told(response)

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(self._answer_s):
            response = await self._session.send(request, stream=True)
            try:
                body = await _beginning(response)
            finally:
                await response.aclose()
        wait = {"Retry-After": response.headers.get("Retry-After", "")}
        return httpx.Response(response.status_code, headers=wait, content=body)


async def _beginning(response: httpx.Response) -> bytes:
    """As much of an answer as we are willing to read."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > LARGEST_ANSWER:
            break
    return bytes(body)


def _sent(response: httpx.Response) -> Sent:
    status = response.status_code
    if response.is_success:
        return Accepted(_read(response).message_id)
    if status == _KNOWN_ALREADY:
        return Accepted()
    if status in _NOT_TAKEN:
        return NotTaken(f"Http{status}", _after_s(response))
    if status in _REFUSED:
        return Refused(f"Http{status}")
    return NoAnswer(f"Http{status}")


def _told(response: httpx.Response) -> Told:
    if response.status_code == httpx.codes.NOT_FOUND:
        return NotKnown()
    if not response.is_success:
        return NoAnswer(f"Http{response.status_code}")
    answer = _read(response)
    if answer.state in _TAKEN:
        return Accepted(answer.message_id)
    if answer.state == "refused":
        return Refused("RefusedLater")
    return NoAnswer("StateUnknown")


def _read(response: httpx.Response) -> _Answer:
    """What is unreadable says nothing beyond its status."""
    try:
        return msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError:
        return _Answer()


def _after_s(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(min(int(text), WAIT_MOST_S)) if text.isdecimal() else None
