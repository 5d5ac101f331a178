"""Starts the emulator and plays one participant against it over plain httpx, for tests."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

V3, V4 = "/api/v3/true-api", "/api/v4/true-api"
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(time_scale: float = 1.0) -> Iterator[str]:
    """The origin of a fresh emulator process; the process ends with the block."""
    command = [sys.executable, "-m", "deploy.sandbox", "--time-scale", str(time_scale)]
    process = subprocess.Popen(
        [*command, "--parent-pid", str(os.getpid())], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield str(json.loads(line)["url"])
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


@dataclass
class Player:
    """One participant: its passport, tokens, and the calls a right client would make."""

    http: httpx.Client
    inn: str
    passport: dict[str, Any] = field(default_factory=dict)
    bearer: str = ""
    client_token: str = ""

    @property
    def oms_id(self) -> str:
        return str(self.passport["oms_id"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Calls `/_sandbox/{inn}{path}`; raises unless it is accepted."""
        answer = self.http.request(method, f"/_sandbox/{self.inn}{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self, **form: Any) -> None:
        self.passport = self.control("POST", "/reset", form)
        self.bearer = self.client_token = ""

    def sign(
        self,
        payload: bytes,
        *,
        detached: bool,
        kind: str = "organisation",
        person: str | None = None,
    ) -> str:
        form = {"base64": base64.b64encode(payload).decode(), "detached": detached, "kind": kind}
        if person is not None:
            form["person"] = person
        return str(self.control("POST", "/sign", form)["signature"])

    def challenge(self) -> dict[str, str]:
        answer: dict[str, str] = self.http.get(f"{V3}/auth/key").json()
        return answer

    def sign_in(self) -> None:
        """Both tokens, each by its own challenge and signature."""
        self.bearer = self._signed_in(f"{V3}/auth/simpleSignIn")
        connection = self.passport["oms_connection"]
        self.client_token = self._signed_in(f"{V3}/auth/simpleSignIn/{connection}")

    def _signed_in(self, path: str) -> str:
        pair = self.challenge()
        data = self.sign(pair["data"].encode(), detached=False)
        answer = self.http.post(path, json={"uuid": pair["uuid"], "data": data})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def catalogue(self, method: str, path: str, **options: Any) -> httpx.Response:
        params = {"apikey": self.passport["apikey"], **options.pop("params", {})}
        return self.http.request(method, path, params=params, **options)

    def true_api(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.bearer}", **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def suz(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {
            "clientToken": self.client_token,
            "Accept": "application/json",
            **options.pop("headers", {}),
        }
        params = {"omsId": self.oms_id, **options.pop("params", {})}
        return self.http.request(
            method, f"/api/v3{path}", headers=headers, params=params, **options
        )

    def suz_post(self, path: str, form: Any, signature: str | None = "right") -> httpx.Response:
        """Posts a body as it was signed; `signature` may be another one, or None."""
        body = form if isinstance(form, bytes) else msgspec.json.encode(form)
        headers = {"Content-Type": "application/json"}
        if signature == "right":
            signature = self.sign(body, detached=True)
        if signature is not None:
            headers["X-Signature"] = signature
        return self.suz("POST", path, content=body, headers=headers)

    def document(self, kind: str, form: Any, signature: str | None = None) -> httpx.Response:
        body = form if isinstance(form, bytes) else msgspec.json.encode(form)
        outer = {
            "document_format": "MANUAL",
            "type": kind,
            "product_document": base64.b64encode(body).decode(),
            "signature": signature or self.sign(body, detached=True),
        }
        path = f"{V3}/lk/documents/create"
        return self.true_api("POST", path, params={"pg": "lp"}, json=outer)

    def order(self, *lines: tuple[str, int], number: str | None = None) -> str:
        answer = self.suz_post("/order", order_form(*lines, number=number))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["orderId"])

    def ready_order(self, *lines: tuple[str, int], number: str | None = None) -> str:
        """An order whose buffers are ACTIVE."""
        order_id = self.order(*lines, number=number)
        self.pass_time(5)
        return order_id

    def status(self, order_id: str) -> list[dict[str, Any]]:
        answer = self.suz("GET", "/order/status", params={"orderId": order_id})
        assert answer.status_code == 200, answer.text
        infos: list[dict[str, Any]] = answer.json()
        return infos

    def order_status(self, order_id: str) -> str:
        """The status of the order itself, as the list shows it."""
        infos = self.suz("GET", "/order/list").json()["orderInfos"]
        return str(next(i["orderStatus"] for i in infos if i["orderId"] == order_id))

    def fetch(self, order_id: str, gtin: str, *, count: int) -> httpx.Response:
        params = {"orderId": order_id, "gtin": gtin, "quantity": str(count)}
        return self.suz("GET", "/codes", params=params)

    def pass_time(self, seconds: float) -> None:
        self.control("PUT", "/clock", {"advance_s": seconds})

    def fault(self, operation: str, action: str, **parameters: Any) -> None:
        self.control("POST", "/faults", {"operation": operation, "action": action, **parameters})

    def journal(self, operation: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.control("GET", f"/journal?operation={operation}")
        return entries

    def assert_clean(self) -> None:
        verdict = self.control("GET", "/invariants")
        assert verdict["clean"], verdict["violations"]

    def documents(self, **params: str) -> list[dict[str, Any]]:
        answer = self.true_api(
            "GET", f"{V4}/doc/list", params={"pg": "lp", "senderInn": self.inn, **params}
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found


@contextmanager
def playing(origin: str, **form: Any) -> Iterator[Player]:
    """A signed-in participant made anew, with a manual clock and in no hurry."""
    with httpx.Client(base_url=origin, timeout=30) as http:
        player = Player(http, form.pop("inn", "7700000016"))
        player.reset(**form)
        player.control("PUT", "/clock", {"mode": "manual"})
        player.control("PUT", "/switches", {"limits": {"suz_rps": 1000, "true_api_rps": 1000}})
        player.sign_in()
        yield player


def order_form(*lines: tuple[str, int], number: str | None = None) -> dict[str, Any]:
    """A right SUZ order body of (gtin, quantity) lines."""
    attributes = {"releaseMethodType": "PRODUCTION", "createMethodType": "SELF_MADE"}
    if number:
        attributes["productionOrderId"] = number
    return {
        "productGroup": "lp",
        "products": [
            {
                "gtin": gtin,
                "quantity": quantity,
                "serialNumberType": "OPERATOR",
                "templateId": 10,
                "cisType": "UNIT",
            }
            for gtin, quantity in lines
        ],
        "attributes": attributes,
    }


def introduction(inn: str, products: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    """A right LP_INTRODUCE_GOODS document."""
    return {
        "participant_inn": inn,
        "producer_inn": inn,
        "owner_inn": inn,
        "production_type": "OWN_PRODUCTION",
        "products": products,
        **extra,
    }
