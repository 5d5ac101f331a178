"""The owner's side of a forward: checks who sends it and hands it to the ledger."""

import asyncio

import msgspec
from aiohttp import web

from app.contracts import tracing
from app.domain.certificates.commands import CERTIFICATE_COMMANDS, ORDER_COMMANDS, Command
from tables.errors import OutcomeUnknown, OwnerUnavailable
from web.forwarding import SIGNATURE_HEADER, TIMESTAMP_HEADER, Envelope, Signer
from web.ledger_port import LedgerPort

_envelope = msgspec.msgpack.Decoder(Envelope).decode
_pack = msgspec.msgpack.Encoder().encode
_fields = {
    name: msgspec.msgpack.Decoder(command)
    for name, command in {**CERTIFICATE_COMMANDS, **ORDER_COMMANDS}.items()
}


class InternalCommands:
    """Answers 200 with a packed reply; 400, 401, 503: nothing was decided; 504: unknown."""

    def __init__(self, ledger: LedgerPort, signer: Signer) -> None:
        self._ledger = ledger
        self._signer = signer

    async def handle(self, request: web.Request) -> web.Response:
        key, body = request.match_info["key"], await request.read()
        stamp = request.headers.get(TIMESTAMP_HEADER, "")
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not self._signer.accepts(stamp, signature, key=key, body=body):
            return web.Response(status=401, text="signature or clock refused")
        try:
            envelope = _envelope(body)
            command: Command = _fields[envelope.kind].decode(envelope.fields)
        except (msgspec.DecodeError, KeyError):
            return web.Response(status=400, text="a command this worker does not know")
        with tracing.traced(envelope.trace):
            return await self._decided(key, command, envelope)

    async def _decided(self, key: str, command: Command, envelope: Envelope) -> web.Response:
        deadline = asyncio.get_running_loop().time() + envelope.left_ms / 1_000
        try:
            reply = await self._ledger.request(
                key, command, command_id=envelope.id, deadline=deadline, now=envelope.now
            )
        except OwnerUnavailable as error:
            return web.Response(status=503, text=str(error))
        except OutcomeUnknown as error:
            return web.Response(status=504, text=str(error))
        return web.Response(body=_pack(reply), content_type="application/msgpack")
