"""A caller of the API: a till, the web shop, an operator's desk, Payments."""

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp
import msgspec

from deploy.proving.cluster import Worker
from tests.flows.certificates.letters import Gift

HOLDS = "/certificates/authorizations"
REFUNDS = "/certificates/refunds"
LOOKUP = "/certificates/lookup"
UNCLEAR = frozenset({0, 503})
PATIENCE_S = 90.0


class Answer(NamedTuple):
    """`raw` is the body as it came; status 0: nothing came."""

    status: int
    raw: bytes
    headers: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        members: dict[str, Any] = msgspec.json.decode(self.raw)
        return members

    @property
    def code(self) -> str | None:
        return self.body.get("code")

    @property
    def short(self) -> tuple[int, str | None]:
        return self.status, self.code

    @property
    def replayed(self) -> bool:
        return self.headers.get("Idempotency-Replayed") == "true"

    def of(self, member: str) -> Any:
        return self.body[member]


class Front:
    """Asks the workers in turn, again with the same key while an answer is unclear."""

    def __init__(
        self, session: aiohttp.ClientSession, workers: Sequence[Worker], authorization: str
    ) -> None:
        self._session = session
        self._workers = workers
        self._turn = itertools.count()
        self._headers = {
            "Authorization": authorization,
            "Store-Id": "S17",
            "Terminal-Id": "T1",
            "Actor": "cashier-5",
        }

    async def post(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        worker: Worker | None = None,
        once: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`key` "" sends none; `once`: an unclear answer is an answer, too."""
        name = str(uuid.uuid4()) if key is None else key
        sent = self._headers | ({"Idempotency-Key": name} if name else {}) | (headers or {})
        content = msgspec.json.encode(body or {})
        return await self._clear("POST", path, worker, content=content, headers=sent, once=once)

    async def get(self, path: str, *, worker: Worker | None = None, once: bool = False) -> Answer:
        return await self._clear(
            "GET", path, worker, content=None, headers=self._headers, once=once
        )

    async def _clear(
        self,
        verb: str,
        path: str,
        worker: Worker | None,
        *,
        content: bytes | None,
        headers: dict[str, str],
        once: bool,
    ) -> Answer:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            target = worker or self._next()
            answer = await self._ask(verb, target.url + path, content, headers=headers)
            if once or answer.status not in UNCLEAR:
                return answer
            assert asyncio.get_running_loop().time() < deadline, (path, answer)
            await asyncio.sleep(0.1)

    async def _ask(
        self, verb: str, url: str, content: bytes | None, *, headers: dict[str, str]
    ) -> Answer:
        if content is not None:
            headers = headers | {"Content-Type": "application/json"}
        try:
            async with self._session.request(verb, url, data=content, headers=headers) as response:
                return Answer(response.status, await response.read(), dict(response.headers))
        except (aiohttp.ClientError, TimeoutError):
            return Answer(0, b"{}", {})

    def _next(self) -> Worker:
        running = [one for one in self._workers if one.running]
        return running[next(self._turn) % len(running)]

    # What tills and desks ask for most.

    async def lookup(self, gift: Gift, *, worker: Worker | None = None) -> Answer:
        return await self.post(LOOKUP, {"code": gift.code}, key="", worker=worker)

    async def authorize(
        self,
        gift: Gift,
        amount: int,
        *,
        key: str | None = None,
        worker: Worker | None = None,
        **more: Any,
    ) -> Answer:
        body = {"code": gift.code, "amount": amount, "currency": "RUB", **more}
        body.setdefault("reference", str(uuid.uuid4()))
        return await self.post(HOLDS, body, key=key, worker=worker)

    async def hold(self, gift: Gift, amount: int, **more: Any) -> str:
        """The id of an authorization that must be approved."""
        answer = await self.authorize(gift, amount, **more)
        assert answer.status == 201, answer
        return str(answer.of("authorizationId"))

    async def on(self, hold: str, act: str, *, key: str | None = None, **body: Any) -> Answer:
        """`act`: capture, void or restore."""
        return await self.post(f"{HOLDS}/{hold}/{act}", body, key=key)

    async def reverse(
        self, gift: Gift, reference: str, occurred_at: str, *, key: str | None = None
    ) -> Answer:
        body = {"code": gift.code, "reference": reference, "occurredAt": occurred_at}
        return await self.post("/certificates/reversals", body, key=key)

    async def refund(self, gift: Gift, *, key: str | None = None, **more: Any) -> Answer:
        body = {"code": gift.code, "channel": "POS", "method": "OriginalPayment", **more}
        return await self.post(REFUNDS, body, key=key)

    async def check(self, code: str, order_id: str, **more: Any) -> Answer:
        body = {
            "code": code,
            "orderId": order_id,
            "orderLineId": "1",
            "nominal": 300_000,
            "currency": "RUB",
            **more,
        }
        key = body.pop("key", None)
        return await self.post("/certificates/sales/check", body, key=key)
