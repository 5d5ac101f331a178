"""One hop to the owner of a key: the translated command goes, its decision comes back."""

import asyncio
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import msgspec
from prometheus_client import Counter
from yarl import URL

from app.contracts import tracing
from app.domain.certificates.commands import Command
from app.domain.decision import Reply
from tables.errors import OutcomeUnknown, OwnerUnavailable

CLOCK_SKEW_S = 60
CONNECT_S = 0.5
GRACE_S = 0.1  # the owner knows the deadline too, and its answer says more than our time-out
IN_FLIGHT_MAX = 1_000
CONNECTIONS_PER_OWNER = 64
IDLE_S = 15.0
TIMESTAMP_HEADER = "X-Forward-Timestamp"
SIGNATURE_HEADER = "X-Forward-Signature"
NOT_DECIDED = frozenset({400, 401, 404, 413, 503})


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """The body of a forward; `left_ms`: what is left of the deadline.

    `now`: when the request was accepted, ms; None from a worker that did not tell it yet.
    NOTE: workers of two versions talk to each other: add at the end, with a default.
    """

    kind: str
    id: str
    left_ms: int
    fields: msgspec.Raw
    now: int | None = None
    trace: str | None = None


_pack = msgspec.msgpack.Encoder().encode
_reply = msgspec.msgpack.Decoder(Reply).decode


class Signer:
    """Both ends of the MAC over time, key and body."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def headers(self, key: str, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: self._mac(stamp, key, body)}

    def accepts(self, stamp: str, signature: str, *, key: str, body: bytes) -> bool:
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= len("9999999999")):
            return False
        fresh = abs(int(stamp) - time.time()) <= CLOCK_SKEW_S
        expected = self._mac(stamp, key, body).encode()
        return fresh and hmac.compare_digest(expected, signature.encode(errors="replace"))

    def _mac(self, stamp: str, key: str, body: bytes) -> str:
        return hmac.digest(self._secret, f"{stamp}\n{key}\n".encode() + body, "sha256").hex()


class Forwarder:
    """Sends commands to owners through one bounded pool of connections."""

    def __init__(self, signer: Signer, outcomes: Counter) -> None:
        self._signer = signer
        self._outcomes = outcomes
        self._in_flight = 0
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(
            limit=0, limit_per_host=CONNECTIONS_PER_OWNER, keepalive_timeout=IDLE_S
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        owner: str,
        key: str,
        command: Command,
        /,
        *,
        command_id: str,
        now: int,
        deadline: float,
    ) -> Reply:
        """The owner's decision, or one of the two reasons of `translated`."""
        if self._in_flight >= IN_FLIGHT_MAX:
            raise OwnerUnavailable("too many forwarded requests wait")
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise OwnerUnavailable("no time left to forward")
        fields = msgspec.Raw(_pack(command))
        left_ms = int(left * 1_000)
        kind, trace = type(command).__name__, tracing.current()
        body = _pack(Envelope(kind, command_id, left_ms, fields, now, trace))
        self._in_flight += 1
        try:
            with translated(self._outcomes):
                return await self._post(owner, key, body, left_s=left)
        finally:
            self._in_flight -= 1

    async def _post(self, owner: str, key: str, body: bytes, /, *, left_s: float) -> Reply:
        assert self._session is not None
        url = URL(f"{owner.rstrip('/')}/internal/commands/{quote(key, safe='')}", encoded=True)
        headers = self._signer.headers(key, body)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=min(left_s, CONNECT_S), sock_read=left_s + GRACE_S
        )
        async with self._session.post(url, data=body, headers=headers, timeout=timeout) as answer:
            content = await answer.read()
        if answer.status == HTTPStatus.OK:
            return _reply(content)
        if answer.status in NOT_DECIDED:
            raise OwnerUnavailable(f"the owner did not take it: {answer.status}")
        raise OutcomeUnknown(f"the owner answered {answer.status}")


@contextmanager
def translated(outcomes: Counter) -> Iterator[None]:
    """Every error of a forward is one of the ledger's two: never sent, or no answer."""
    try:
        yield
    except OwnerUnavailable:
        outcomes.labels("refused").inc()
        raise
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        outcomes.labels("unsent").inc()
        raise OwnerUnavailable(f"the owner cannot be reached: {type(error).__name__}") from None
    except (aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
        outcomes.labels("unknown").inc()
        raise OutcomeUnknown(f"the owner did not answer: {type(error).__name__}") from None
    except OutcomeUnknown:
        outcomes.labels("unknown").inc()
        raise
    else:
        outcomes.labels("answered").inc()
