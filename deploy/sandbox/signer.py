"""The demo signer: certificates of every kind, signatures on request, the plug-in stub."""

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from deploy.sandbox.authority import Authority, Owner, open_authority
from deploy.sandbox.control import body_of
from deploy.sandbox.participant import Participant
from deploy.sandbox.world import World

KINDS = ("organisation", "expired", "person", "foreign", "untrusted")
FOREIGN_INN = "7799999997"
STUB = Path(__file__).with_name("plugin_stub.js")
OPEN_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
}


class DemoSigner:
    """Certificates are made once per participant and kind, so thumbprints stay."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], x509.Certificate] = {}
        self._other_centre: Authority | None = None

    def authority(self, world: World, kind: str) -> Authority:
        if kind != "untrusted":
            return world.authority
        if self._other_centre is None:
            self._other_centre = open_authority(None)
        return self._other_centre

    def certificate(
        self, world: World, who: Participant, kind: str, *, person: str | None
    ) -> x509.Certificate:
        if kind not in KINDS:
            raise ValueError(f"kind: one of {', '.join(KINDS)}")
        if kind == "person" and not (person or who.persons):
            raise ValueError("person: an ИНН, or set persons at the reset")
        person = (person or min(who.persons)) if kind == "person" else None
        key = (who.inn, kind, person or "")
        if key not in self._made:
            inn = {"person": None, "foreign": FOREIGN_INN}.get(kind, who.inn)
            owner = Owner(who.name, inn, person, expired=kind == "expired")
            self._made[key] = self.authority(world, kind).certificate(owner)
        return self._made[key]

    async def show(self, world: World, who: Participant, request: web.Request) -> Any:
        """Key and certificate, for signers that sign by themselves."""
        kind = request.query.get("kind", "organisation")
        certificate = self.certificate(world, who, kind, person=request.query.get("person"))
        return described(certificate) | {
            "kind": kind,
            "private_key_pem": self.authority(world, kind).key_pem.decode(),
        }

    async def sign(self, world: World, who: Participant, request: web.Request) -> Any:
        form = await body_of(request)
        kind = form.get("kind", "organisation")
        certificate = self.certificate(world, who, kind, person=form.get("person"))
        payload = base64.b64decode(form["base64"], validate=True)
        detached = form["detached"]
        if not isinstance(detached, bool):
            raise ValueError("detached: true or false")  # noqa: TRY004 - one kind of refusal
        authority = self.authority(world, kind)
        return {"signature": authority.sign(certificate, payload, detached=detached)}


def described(certificate: x509.Certificate) -> dict[str, Any]:
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {
        "certificate_pem": pem,
        "thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303
        "serial": f"{certificate.serial_number:X}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "valid_from": certificate.not_valid_before_utc.isoformat(),
        "valid_to": certificate.not_valid_after_utc.isoformat(),
    }


async def stub(_request: web.Request) -> web.Response:
    return web.Response(text=STUB.read_text(), content_type="text/javascript")


@web.middleware
async def cors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Pages of the console may call the demo signer, and nothing else of the sandbox."""
    allowed = request.path.endswith(("/sign", "/signer", "/plugin_stub.js", "/_sandbox/health"))
    if not allowed:
        return await handler(request)
    if request.method == "OPTIONS":
        return web.Response(status=204, headers=OPEN_CORS)
    response = await handler(request)
    response.headers.update(OPEN_CORS)
    return response
