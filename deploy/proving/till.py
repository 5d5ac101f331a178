"""One till among many: what it does with a certificate, and how it repeats until all is clear."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from deploy.proving.cluster import Cluster
from deploy.proving.history import History, Operation

TIMEOUT = aiohttp.ClientTimeout(total=4)
PATIENCE_S = 120.0
AGAIN_S = (0.05, 0.1, 0.2, 0.4)
HOLD_S = 7_200  # shorter than the clocks are wrong, longer than a run
HOLDS = "/certificates/authorizations"
REFUNDS = "/certificates/refunds"
_UNCLEAR = frozenset({0, 502, 503, 504})
_UNCLEAR_CODES = frozenset({"TooManyRequests", "RequestInFlight"})
Body = dict[str, Any]
Heard = tuple[int, Body]


class Till:
    """Repeats with the same key; what stays unclear for the whole patience stays unknown."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        cluster: Cluster,
        history: History,
        *,
        rng: random.Random,
        code_of: Callable[[int], str],
    ) -> None:
        self._session = session
        self._cluster = cluster
        self._history = history
        self._rng = rng
        self._code_of = code_of

    async def visit(self, card: int) -> bool:
        """One customer; False: the certificate can take no more."""
        dice = self._rng.random()
        if dice < 0.2:
            seen = await self.look(card)
            return seen.answer.get("status") not in ("Refunded", "Exhausted")
        if dice < 0.23:
            return await self._give_back(card)
        return await self._pay(card)

    async def look(self, card: int, patience_s: float = PATIENCE_S) -> Operation:
        path, body = "/certificates/lookup", {"code": self._code_of(card)}
        return await self._ask("lookup", card, {}, path=path, body=body, patience_s=patience_s)

    async def _pay(self, card: int) -> bool:
        reference = str(uuid.uuid4())
        partial = self._rng.random() < 0.1
        amount = self._rng.randint(1, 400_000 if partial else 8_000)
        body = {
            "code": self._code_of(card),
            "amount": amount,
            "currency": "RUB",
            "reference": reference,
            "partialApproval": partial,
            "holdSeconds": HOLD_S,
        }
        asked = {"amount": amount, "reference": reference, "partial": partial}
        # Some do not wait: what they never heard of they undo by their own number.
        patience_s = 0.0 if self._rng.random() < 0.1 else PATIENCE_S
        hold = await self._ask(
            "authorize", card, asked, path=HOLDS, body=body, patience_s=patience_s
        )
        if not hold.is_answered:
            await self._reverse(card, reference)
        elif hold.acknowledged:
            await self._finish(card, hold)
        return hold.answer.get("code") not in ("TooManyOperations", "CertificateRefunded")

    async def _finish(self, card: int, hold: Operation) -> None:
        number, path = hold.answer["hold"], f"{HOLDS}/{hold.answer['authorizationId']}"
        way = self._rng.choice(("capture", "capture", "parts", "void", "reverse", "duel", "leave"))
        if way == "capture":
            taken = await self._capture(card, number, path)
            if taken.acknowledged and self._rng.random() < 0.2:
                await self._restore(card, number, path, most=taken.answer["captured"])
        elif way == "parts":
            part = max(1, hold.answer["approved"] // 3)
            await self._capture(card, number, path, amount=part, final=False)
            await self._capture(card, number, path, amount=part)
        elif way == "void":
            await self._void(card, number, path)
        elif way == "reverse":
            await self._reverse(card, hold.asked["reference"])
        elif way == "duel":
            await asyncio.gather(self._capture(card, number, path), self._void(card, number, path))

    async def _capture(
        self, card: int, number: int, path: str, /, *, amount: int = 0, final: bool = True
    ) -> Operation:
        receipt = str(uuid.uuid4())
        sums = {"amount": amount} if amount else {}
        asked = {"hold": number, "final": final, "receipt": receipt, **sums}
        body = {"final": final, "receiptNumber": receipt, **sums}
        return await self._ask("capture", card, asked, path=f"{path}/capture", body=body)

    async def _restore(self, card: int, number: int, path: str, /, *, most: int) -> None:
        receipt, amount = str(uuid.uuid4()), self._rng.randint(1, most)
        asked = {"hold": number, "amount": amount, "receipt": receipt}
        body = {"amount": amount, "receiptNumber": receipt}
        await self._ask("restore", card, asked, path=f"{path}/restore", body=body)

    async def _void(self, card: int, number: int, path: str) -> None:
        asked = {"hold": number, "authorizationId": path.rpartition("/")[2]}
        await self._ask("void", card, asked, path=f"{path}/void", body={})

    async def _reverse(self, card: int, reference: str) -> None:
        body = {
            "code": self._code_of(card),
            "reference": reference,
            "occurredAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        asked = {"reference": reference}
        await self._ask("reverse", card, asked, path="/certificates/reversals", body=body)

    async def _give_back(self, card: int) -> bool:
        """Asks for the money; Payments does not pay, rarely it does."""
        body = {"code": self._code_of(card), "channel": "POS", "method": "OriginalPayment"}
        wanted = await self._ask("refund", card, {}, path=REFUNDS, body=body)
        if not wanted.acknowledged:
            return wanted.answer.get("code") != "CertificateRefunded"
        is_paid = self._rng.random() < 0.2
        outcome = "Settled" if is_paid else "Failed"
        asked = {"refund": wanted.answer["refund"], "outcome": outcome}
        sums = {"amount": wanted.answer["amount"]} if is_paid else {}
        body = {"outcome": outcome, "reason": "told by Payments", **sums}
        path = f"{REFUNDS}/{wanted.answer['refundRequestId']}/resolve"
        await self._ask("resolve", card, asked, path=path, body=body, client="desk")
        return not is_paid

    async def _ask(
        self,
        kind: str,
        card: int,
        asked: Body,
        /,
        *,
        path: str,
        body: Body,
        client: str = "till",
        patience_s: float = PATIENCE_S,
    ) -> Operation:
        headers = {
            "Authorization": self._cluster.bearer(client),
            "Idempotency-Key": str(uuid.uuid4()),
            # A terminal that asks for unknown codes too often is refused; these come early.
            "Terminal-Id": f"T{card}",
        }
        began = time.monotonic()
        operation = Operation(kind, card, asked, began)
        while True:
            operation.attempts += 1
            status, answer = await self._send(path, body, headers)
            if _is_clear(status, answer):
                operation.status, operation.answer = status, heard(answer)
                operation.ended = time.monotonic()
                break
            if time.monotonic() - began > patience_s:
                break
            await asyncio.sleep(AGAIN_S[min(operation.attempts, len(AGAIN_S)) - 1])
        self._history.add(operation, time.monotonic() - began)
        if operation.acknowledged and kind != "lookup" and self._rng.random() < 0.02:
            await self._repeat(operation, path, body, headers=headers)
        return operation

    async def _repeat(
        self, operation: Operation, path: str, body: Body, /, *, headers: dict[str, str]
    ) -> None:
        """The same key once more: the same answer, or none."""
        status, answer = await self._send(path, body, headers)
        if _is_clear(status, answer):
            same = (status, heard(answer)) == (operation.status, operation.answer)
            self._history.repeated(operation, same=same)

    async def _send(self, path: str, body: Body, headers: dict[str, str]) -> Heard:
        """Status 0 when nothing or nothing readable came back."""
        worker = self._rng.choice(self._cluster.workers)
        try:
            async with self._session.post(worker.url + path, json=body, headers=headers) as got:
                return got.status, msgspec.json.decode(await got.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return 0, {}


def _is_clear(status: int, answer: Body) -> bool:
    return status not in _UNCLEAR and answer.get("code") not in _UNCLEAR_CODES


def heard(answer: Body) -> Body:
    """With the numbers that ids end with, and of a list of holds what each has left."""
    told = dict(answer)
    if "authorizationId" in told:
        told["hold"] = _number(told["authorizationId"])
    if "refundRequestId" in told:
        told["refund"] = _number(told["refundRequestId"])
    if "available" in told and "holds" in told:
        told["holds"] = {_number(one["authorizationId"]): one["rest"] for one in told["holds"]}
    return told


def _number(named: str) -> int:
    return int(named.rpartition("_")[2])
