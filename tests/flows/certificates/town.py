"""The hands of a test in a running town: call any endpoint, send any message, watch topics."""

import asyncio
import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from app.contracts.topics import BATCHES, ORDER_STATE, PAYMENTS, SALES, STATE
from app.demo.traffic import new_code
from app.domain.certificates.codes import Code, certificate_id, parse
from deploy.proving.cluster import Cluster, secrets_of
from tests.flows.certificates.watching import Seen, Watch

NOMINAL = 300_000
PATIENCE_S = 90.0


class Card(msgspec.Struct, frozen=True):
    """A certificate as its holder knows it, and its name in the town's topics."""

    code: str
    id: str
    nominal: int
    batch_id: str
    row: int

    @property
    def last4(self) -> str:
        return self.code[-4:]


class Town:
    """Made anew for every test over the one running cluster; watches from its start on.

    Clients: till (scope pos, store S17), shop (pos, public surface), desk (operator),
    loader, payments.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.run = uuid.uuid4().hex[:8]
        self.bootstrap = cluster.env["KAFKA_URL"]
        self.watch = Watch(self.bootstrap)
        self._pepper = base64.b64decode(secrets_of(cluster.data)["code_pepper"])
        self._http = httpx.AsyncClient(timeout=40)
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        self._orders = 0

    async def open(self) -> None:
        await self._producer.start()
        await self.watch.start()

    async def close(self) -> None:
        await self._http.aclose()
        await self._producer.stop()
        await self.watch.stop()

    # HTTP.

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        client: str = "till",
        key: str | None = None,
        worker: int = 0,
        patient: bool = True,
        **headers: str,
    ) -> httpx.Response:
        """`key` None: a fresh one; "": none is sent. Bytes are sent as they are, the rest as JSON.

        `worker`: which ledger worker is asked. `patient`: a 503 is asked again with the same
        key, as the contract wants it. Headers are named like `Store_Id="S17"`.
        """
        sent = {"Authorization": self.cluster.bearer(client)}
        if key != "":
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        url = self.cluster.workers[worker].url + path
        request = self._http.build_request("POST", url, content=content, headers=sent)
        return await self._answered(request, patient=patient)

    async def get(
        self, path: str, *, client: str = "desk", worker: int = 0, patient: bool = True
    ) -> httpx.Response:
        url = self.cluster.workers[worker].url + path
        headers = {"Authorization": self.cluster.bearer(client)}
        request = self._http.build_request("GET", url, headers=headers)
        return await self._answered(request, patient=patient)

    async def _answered(self, request: httpx.Request, *, patient: bool) -> httpx.Response:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            response = await self._http.send(request)
            if response.status_code != 503 or not patient:
                return response
            assert asyncio.get_running_loop().time() < deadline, self._why(response)
            await asyncio.sleep(0.1)

    def _why(self, response: httpx.Response) -> str:
        faults = [line for line in self.cluster.logs().splitlines() if "request failed" in line]
        return "\n".join([response.text, *faults[-3:]])

    async def look_up(self, card: Card, *, worker: int = 0) -> dict[str, Any]:
        response = await self.post("/certificates/lookup", {"code": card.code}, worker=worker)
        found: dict[str, Any] = response.json()
        return found

    async def progress(self, batch_id: str, *, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The batch's progress once no row of it is queued any more."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            response = await self.get(f"/certificates/batches/{batch_id}", client="loader")
            found: dict[str, Any] = response.json()
            if response.status_code == 200 and not found["queued"]:
                return found
            assert asyncio.get_running_loop().time() < deadline, found
            await asyncio.sleep(0.1)

    async def batch_done(self, batch_id: str) -> dict[str, int]:
        """How many rows ended how."""
        found = await self.progress(batch_id)
        names = ("issued", "duplicate", "rejected", "cancelled")
        return {name: found[name] for name in names if found[name]}

    # Topics.

    async def send(self, topic: str, key: str, message: Any) -> None:
        """Returns when the broker has it."""
        value = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self._producer.send_and_wait(topic, value, key.encode())

    async def state(self, card: Card, *, seconds: float = PATIENCE_S, **wanted: Any) -> Seen:
        """The newest State of the certificate, once it shows all `wanted` members."""
        return await self.watch.newest(STATE, card.id, wanted=wanted, seconds=seconds)

    async def order(self, order_id: str, *, seconds: float = PATIENCE_S, **wanted: Any) -> Seen:
        return await self.watch.newest(ORDER_STATE, order_id, wanted=wanted, seconds=seconds)

    async def lines(
        self, order_id: str, *statuses: str, seconds: float = PATIENCE_S
    ) -> list[dict[str, Any]]:
        """The order's lines, once their `allocationStatus` are these, in order."""

        def reached() -> bool:
            return tuple(line["allocationStatus"] for line in self._lines(order_id)) == statuses

        await self.watch.until(reached, f"lines of {order_id} {statuses}", seconds=seconds)
        return self._lines(order_id)

    def _lines(self, order_id: str) -> list[dict[str, Any]]:
        seen = self.watch.last(ORDER_STATE, order_id)
        found: list[dict[str, Any]] = [] if seen is None else seen.data["lines"]
        return found

    # What most scenarios begin with.

    def card(self, *, nominal: int = NOMINAL, batch_id: str = "", row: int = 1) -> Card:
        """A fresh valid code that nobody has issued."""
        code = new_code()
        return Card(code, self.id_of(code), nominal, batch_id, row)

    def id_of(self, code: str) -> str:
        parsed = parse(code)
        assert isinstance(parsed, Code)
        return certificate_id(parsed, self._pepper)

    async def issue(self, count: int = 1, *, nominal: int = NOMINAL, **fields: Any) -> list[Card]:
        """Issued by the batch topic, which needs no database; `fields` go into every row."""
        batch_id = f"b-{self.run}-{uuid.uuid4().hex[:6]}"
        cards = [self.card(nominal=nominal, batch_id=batch_id, row=n + 1) for n in range(count)]
        rows = [row_of(card) | fields for card in cards]
        await self.send(BATCHES, batch_id, {"batchId": batch_id, "chunk": 1, "rows": rows})
        for card in cards:
            await self.state(card, status="Issued")
        return cards

    def new_order(self) -> str:
        self._orders += 1
        return f"SO-{self.run}-{self._orders}"

    async def sell(self, *cards: Card, order_id: str | None = None, **fields: Any) -> str:
        """One sale with a line per card and one payment that settles it; waits until active."""
        order_id = order_id or self.new_order()
        await self.send(SALES, order_id, self.sale(order_id, *cards, **fields))
        await self.send(PAYMENTS, order_id, self.payment(order_id, *cards))
        await self.lines(order_id, *["Activated"] * len(cards))
        return order_id

    async def active(self, *, nominal: int = NOMINAL, **fields: Any) -> Card:
        """A certificate that pays."""
        (card,) = await self.issue(nominal=nominal, **fields)
        await self.sell(card)
        await self.state(card, status="Active")
        return card

    def sale(self, order_id: str, *cards: Card, version: int = 1, **fields: Any) -> dict[str, Any]:
        """A message for `All_SalesOrder`; `fields` replace members of the message."""
        lines = [
            {
                "orderLineId": str(n),
                "code": card.code,
                "nominal": card.nominal,
                "currency": "RUB",
                "delivery": "NONE",
            }
            for n, card in enumerate(cards, 1)
        ]
        return {
            "orderId": order_id,
            "version": version,
            "occurredAt": moment(),
            "orderStatus": "Confirmed",
            "storeId": "S17",
            "channel": "WEB",
            "certificateLines": lines,
        } | fields

    def payment(self, order_id: str, *cards: Card, **fields: Any) -> dict[str, Any]:
        """A message for `All_Payments` that pays every line and settles the order."""
        return {
            "orderId": order_id,
            "paymentId": f"{order_id}-P1",
            "version": 1,
            "occurredAt": moment(),
            "paymentStatus": "Received",
            "amount": sum(card.nominal for card in cards),
            "currency": "RUB",
            "certificateAllocations": [
                {"orderLineId": str(n), "amount": card.nominal} for n, card in enumerate(cards, 1)
            ],
            "isOrderSettled": True,
            "outstandingAmount": 0,
        } | fields


def row_of(card: Card) -> dict[str, Any]:
    """The card as a row of a batch."""
    return {"row": card.row, "code": card.code, "nominal": card.nominal, "currency": "RUB"}


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
