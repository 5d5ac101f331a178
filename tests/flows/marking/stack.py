"""The whole marking half as processes: API, workers, emulator; scenarios meet it by HTTP only."""

import base64
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from deploy.sandbox.driver import Player
from tests.flows.marking.processes import (
    SCALE,
    Caller,
    Worker,
    inns,
)

# A busy machine is slow; what never comes is told after this.
PATIENCE_S = 120.0


@dataclass
class Shop:
    """A participant of its own: its people here, and its side of the emulator."""

    api: Caller
    player: Player
    id: str
    login: str
    key: str

    def through(self, stack: "Stack", worker: Worker) -> None:
        """Speak to this worker from now on."""
        self.api = stack.caller(self.key, worker)

    def order(self, *lines: tuple[str, int], **more: Any) -> dict[str, Any]:
        """A new order; lines of (GTIN, quantity)."""
        made = dict(self.api.ok(self.place(*lines, **more)))
        if not more.get("split"):
            assert made["quantity"] == sum(quantity for _, quantity in lines)
        return made

    def place(self, *lines: tuple[str, int], key: str | None = None, **more: Any) -> httpx.Response:
        given = [{"gtin": gtin, "quantity": quantity} for gtin, quantity in lines]
        body = {"participant_id": self.id, "lines": given, **more}
        return self.api.post("/orders", body, key=key)

    def read(self, order_id: str) -> dict[str, Any]:
        return dict(self.api.ok(self.api.get(f"/orders/{order_id}")))

    def do(self, order_id: str, action: str, body: Any = None) -> httpx.Response:
        return self.api.post(f"/orders/{order_id}/{action}", body)

    def until(
        self,
        order_id: str,
        done: Callable[[dict[str, Any]], bool],
        *,
        within_s: float = PATIENCE_S,
    ) -> dict[str, Any]:
        """Read the order until it is as wanted; fails with its story."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            order = self.read(order_id)
            if done(order):
                return order
            time.sleep(0.1)
        raise AssertionError(self.story(order_id))

    def until_status(
        self, order_id: str, *statuses: str, within_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        return self.until(order_id, lambda order: order["status"] in statuses, within_s=within_s)

    def until_hold(
        self, order_id: str, kind: str, *, within_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        return self.until(
            order_id, lambda order: (order["hold"] or {}).get("kind") == kind, within_s=within_s
        )

    def timeline(self, order_id: str) -> list[dict[str, Any]]:
        """The whole audit log of the order."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.api.ok(self.api.get(f"/orders/{order_id}/timeline", after=after, limit=200))
            found += page["items"]
            if page["next"] is None:
                return found
            after = page["next"]

    def statuses(self, order_id: str) -> list[str]:
        """The statuses that the order went through; checks that none is missing between two."""
        moves = [e for e in self.timeline(order_id) if e["action"] == "order.status"]
        for before, after in itertools.pairwise(moves):
            assert before["to_status"] == after["from_status"]
        return [move["to_status"] for move in moves]

    def story(self, order_id: str) -> str:
        order = self.read(order_id)
        lines = [
            f"{e['at']} {e['action']} {e['from_status']}->{e['to_status']} {e['details']}"
            for e in self.timeline(order_id)
        ]
        calls = self.api.ok(self.api.get(f"/orders/{order_id}/timeline"))["calls"]
        doings = [f"{c['operation']} {c['state']} {c['http_status']} {c['error']}" for c in calls]
        journal = [
            f"{e['operation']} {e['status']} {'dropped' if e['dropped'] else ''} {e['faults']}"
            for e in self.player.control("GET", "/journal?limit=1000")
        ]
        head = f"{order['status']} hold={order['hold']} station={order['station']}"
        return "\n".join([head, *lines, "-- calls", *doings, "-- journal", *journal[-40:]])

    def codes(self, order_id: str) -> list[str]:
        """КИ of every code that is stored."""
        found: list[str] = []
        after = 0
        while True:
            page = self.api.ok(self.api.get(f"/orders/{order_id}/codes", after=after, limit=200))
            found += [code["ki"] for code in page["items"]]
            if page["next"] is None:
                return found
            after = page["next"]

    def codes_by_status(self, order_id: str) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for line in self.read(order_id)["lines"]:
            counts.update(line["statuses"])
        return dict(counts)

    def ledger(self, suz_order_id: str | None = None) -> list[str]:
        """Full codes as the emulator handed them out, all or those of one of its orders."""
        path = f"/ledger?order_id={suz_order_id}" if suz_order_id else "/ledger"
        return [code for block in self.player.control("GET", path) for code in block["codes"]]

    def operations(self) -> list[str]:
        """The calls that changed something, in their order."""
        changing = {
            "true_api.submit_document",
            "suz.create_order",
            "suz.fetch_codes",
            "suz.close_order",
            "suz.utilisation",
            "suz.dropout",
        }
        journal = self.player.control("GET", "/journal?limit=100000")
        return [entry["operation"] for entry in journal if entry["operation"] in changing]

    def wait_nominal(self, seconds: float) -> None:
        """Let time of the emulator and of the workers pass: nothing is expected to happen."""
        time.sleep(seconds / SCALE)

    def proceed(self) -> None:
        """Let go of the station's orders that were told to stay as they are."""
        for order in self.player.control("GET", "/orders"):
            self.player.control("POST", f"/orders/{order['orderId']}", {"action": "proceed"})

    def count(self, operation: str) -> int:
        return len(self.player.journal(operation))

    def fault(self, operation: str, action: str, **more: Any) -> None:
        self.player.fault(operation, action, **more)

    def pending(self) -> list[dict[str, Any]]:
        return list(self.api.ok(self.api.get("/sign-requests", participant=self.id))["items"])

    def sign(self, request: dict[str, Any], **more: Any) -> httpx.Response:
        """Answer a request as the page does, with the emulator's key."""
        payload = base64.b64decode(request["payload"])
        detached = more.pop("detached", request["detached"])
        cms = self.player.sign(more.pop("payload", payload), detached=detached, **more)
        return self.api.post(f"/sign-requests/{request['id']}/signature", {"signature": cms})

    def sign_in(self) -> None:
        """A person signs both challenges."""
        self.api.ok(self.api.post(f"/participants/{self.id}/sign-in"))
        challenges = [r for r in self.pending() if r["purpose"].startswith("auth_")]
        assert len(challenges) == 2
        for request in challenges:
            self.api.ok(self.sign(request))

    def assert_whole(self, order_id: str) -> None:
        """Nothing broken outside, and a timeline without gaps."""
        self.player.assert_clean()
        self.statuses(order_id)

    def assert_complete(self, order_id: str, *, codes: int | None = None) -> None:
        """Every code of the emulator's ledger is stored, once: as many as ordered, or `codes`."""
        self.assert_own_codes(order_id, self.read(order_id)["quantity"] if codes is None else codes)
        assert len(self.codes(order_id)) == len(self.ledger())

    def assert_own_codes(self, order_id: str, count: int) -> None:
        """Completed with the very codes handed out for it, each once."""
        order = self.read(order_id)
        assert order["status"] == "COMPLETED", self.story(order_id)
        stored = self.codes(order_id)
        assert len(stored) == count, self.story(order_id)
        handed_out = self.ledger(order["station"]["suz_order_id"])
        assert sorted(stored) == sorted(code[:31] for code in handed_out)
        self.assert_whole(order_id)


@dataclass
class Stack:
    """Database, broker, emulator and workers of one session of scenarios."""

    env: dict[str, str]
    sandbox: str
    logs: Path
    dsn: str
    workers: list[Worker] = field(default_factory=list)
    admin_key: str = ""
    players: list[Player] = field(default_factory=list)
    _inns: Iterator[str] = field(default_factory=inns)

    @property
    def main(self) -> Worker:
        return self.workers[0]

    def worker(self, name: str, **more: str) -> Worker:
        """Another services process, started and ready."""
        made = Worker(name, {**self.env, **more}, self.logs / f"{name}.log")
        self.workers.append(made)
        made.start()
        made.wait_ready()
        return made

    def spare(self) -> Worker:
        """The second worker of the session, started anew if a scenario has killed it."""
        if len(self.workers) == 1:
            return self.worker("w2")
        spare = self.workers[1]
        if spare.process is None or spare.process.poll() is not None:
            spare.start()
            spare.wait_ready()
        return spare

    def rest_spare(self) -> None:
        """Only the main worker runs: what it holds nobody else can hold."""
        for worker in self.workers[1:]:
            if worker.process is not None and worker.process.poll() is None:
                worker.stop()

    def caller(self, key: str, worker: Worker | None = None) -> Caller:
        return Caller(
            httpx.Client(
                base_url=(worker or self.main).url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=60,
                trust_env=False,
            )
        )

    @property
    def admin(self) -> Caller:
        return self.caller(self.admin_key)

    def user(self, login: str) -> str:
        """An API key of a new user."""
        admin = self.admin
        password = secrets.token_urlsafe(12)
        admin.ok(admin.post("/users", {"login": login, "password": password}))
        return str(admin.ok(admin.post("/api-keys", {"login": login, "name": "test"}))["key"])

    def shop(self, *, signer: str = "demo", apikey: bool = True, **reset: Any) -> Shop:
        """A participant that nobody else uses, with one user who may do everything in it."""
        http = httpx.Client(base_url=self.sandbox, timeout=60, trust_env=False)
        player = Player(http, next(self._inns))
        self.players.append(player)
        reset.setdefault("seed", player.inn)
        player.reset(**reset)
        limits = {"suz_rps": 1000, "true_api_rps": 1000, "nk_method": 10_000, "nk_total": 10_000}
        player.control("PUT", "/switches", {"limits": limits})
        admin, passport = self.admin, player.passport
        form = {
            "inn": player.inn,
            "name": passport["name"],
            "oms_id": passport["oms_id"],
            "oms_connection": passport["oms_connection"],
            "signer_kind": signer,
        }
        if apikey:
            form["nk_apikey"] = passport["apikey"]
        participant = admin.ok(admin.post("/participants", form))["id"]
        login = f"user-{player.inn}"
        key = self.user(login)
        admin.ok(admin.put(f"/participants/{participant}/members/{login}", {"role": "admin"}))
        return Shop(self.caller(key), player, participant, login, key)
