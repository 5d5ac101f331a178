"""A worker for tests: a ledger in memory, and a caller's hand on real sockets."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from app.domain.certificates import codes
from app.domain.certificates.commands import Command, Sealed
from app.domain.decision import Reply

CODE = "GC7K-2M9T-XQ4P-0D8V-R6N4"
SECRET = "s" * 32
PEPPER = b"p" * 32
CLIENTS: tuple[dict[str, Any], ...] = (
    {"id": "till", "scopes": ["pos"], "channel": "POS", "stores": ["S17"]},
    {"id": "shop", "scopes": ["pos"], "channel": "WEB", "surface": "public"},
    {"id": "desk", "scopes": ["operator"], "channel": "OPERATOR"},
    {"id": "money", "scopes": ["payments"], "channel": "OPERATOR"},
    {"id": "fast", "scopes": ["pos"], "channel": "POS", "requestsPerS": 100_000},
    {"id": "slow", "scopes": ["pos"], "channel": "POS", "requestsPerS": 2},
)

Answer = Callable[[str, Command], Reply]


class FakeLedger:
    """Owns every key unless `owner` says otherwise; `answer` decides."""

    partitions = 4

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or (lambda _key, _command: Reply(200, None, "req_0", {}))
        self.owner: Callable[[str], str | None] = lambda _key: None
        self.asked: list[tuple[str, Command, str, float]] = []
        self.accepted_at: list[int | None] = []

    def owner_of(self, key: str) -> str | None:
        return self.owner(key)

    async def request(
        self,
        key: str,
        command: Command,
        *,
        command_id: str,
        deadline: float,
        now: int | None = None,
    ) -> Reply:
        left = deadline - asyncio.get_running_loop().time()
        self.accepted_at.append(now)
        self.asked.append((key, command, command_id, left))
        return self.answer(key, command)

    @property
    def command(self) -> Any:
        return self.asked[-1][1]


class Server:
    """One worker: its public and internal addresses, and a caller's hand."""

    def __init__(self, public: str, internal: str, session: aiohttp.ClientSession) -> None:
        self.public = public
        self.internal = internal
        self._session = session

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        client: str = "till",
        key: str | None = "k1",
        **headers: str,
    ) -> "Answered":
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Authorization", f"Bearer {client}.{SECRET}")
        if key is not None:
            sent.setdefault("Idempotency-Key", key)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session.request(
            method, self.public + path, data=data, headers=sent
        ) as answer:
            return Answered(answer.status, dict(answer.headers), await answer.read())

    async def post(self, path: str, body: Any = None, **more: Any) -> "Answered":
        return await self.call("POST", path, body, **more)

    async def get(self, path: str, **more: Any) -> "Answered":
        return await self.call("GET", path, key=None, **more)

    async def inside(self, path: str) -> "Answered":
        async with self._session.get(self.internal + path) as answer:
            return Answered(answer.status, dict(answer.headers), await answer.read())


class Answered(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        return str(self.json["code"])


async def sent(session: aiohttp.ClientSession, owner: Server, key: str, /, *content: object) -> int:
    body, headers = content
    url = f"{owner.internal}/internal/commands/{key}"
    async with session.post(url, data=body, headers=headers) as answer:  # type: ignore[arg-type]
        return answer.status


def sealed(members: Any, associated: str) -> Sealed:
    """Readable, so that tests see what was sealed and under which associated data."""
    return Sealed("k", b"", json.dumps([members, associated]).encode())


def identify(code: str) -> str | None:
    parsed = codes.parse(code)
    known = isinstance(parsed, codes.Code)
    return codes.certificate_id(parsed, PEPPER) if known else None  # type: ignore[arg-type]


Start = Callable[..., Awaitable[Server]]
