"""The one ladder every request of the certificate half climbs, in the order of the contract."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from app.contracts import tracing
from app.domain.certificates.commands import Call
from app.domain.certificates.problems import NOT_USABLE
from app.domain.decision import Reply
from app.logs import fault
from tables.errors import OutcomeUnknown, OwnerUnavailable
from web import identifiers, masking
from web.access import Client, Clients
from web.forwarding import Forwarder
from web.idempotency import Hashes, parsed_key
from web.intake import content_of, parsed, person_of
from web.ledger_port import LedgerPort
from web.metrics import Metrics, RouteMetrics
from web.problems import Problem, Renderer
from web.routing import Asked, Edge, Handler, Route, Target
from web.velocity import Velocity

_log = structlog.get_logger("web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all endpoints of one process share."""

    ledger: LedgerPort
    clients: Clients
    edge: Edge
    hashes: Hashes
    forwarder: Forwarder
    velocity: Velocity
    renderer: Renderer
    metrics: Metrics
    deadline_s: float
    now_ms: Callable[[], int]


class Guarded(ABC):
    """One route of any kind: who may ask, what is counted, how refusals and bugs look."""

    def __init__(self, route: Route[Any], shared: Surroundings) -> None:
        self._operation = route.operation
        self._scopes = route.scopes
        self._keyed = route.verb.keyed
        self._shared = shared
        self._metrics = RouteMetrics(shared.metrics, route.operation)

    @abstractmethod
    async def _answer(self, request: web.Request, instance: str) -> web.Response:
        """The rungs of this kind of route; raises Problem."""

    async def handle(self, request: web.Request) -> web.Response:
        started, instance = time.perf_counter(), identifiers.request_id()
        with tracing.traced(request.headers.get(tracing.HEADER)):
            response = await self._answered(request, instance)
        self._metrics.answered(response.status, time.perf_counter() - started)
        return response

    async def _answered(self, request: web.Request, instance: str) -> web.Response:
        try:
            return await self._answer(request, instance)
        except Problem as problem:
            return self._refused(problem, instance)
        except Exception as error:  # noqa: BLE001  a bug must neither leak a code nor hang a till
            return self._failed(error, instance)

    def _permitted(self, request: web.Request) -> Client:
        client = self._shared.clients.authenticated(request.headers.get("Authorization"))
        if client is None:
            raise Problem("Unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        if client.scopes.isdisjoint(self._scopes):
            raise Problem("ScopeMissing", scopes=sorted(self._scopes))
        return client

    def _refused(self, problem: Problem, instance: str) -> web.Response:
        self._metrics.refused(problem.code)
        if problem.hidden:
            operation = self._operation
            _log.info("refusal hidden", operation=operation, code=problem.code, instance=instance)
            problem = Problem(NOT_USABLE)
        return self._shared.renderer.problem(problem, instance)

    def _failed(self, error: Exception, instance: str) -> web.Response:
        _log.error(
            "request failed",
            operation=self._operation,
            instance=instance,
            **fault(error),
        )
        code = "OutcomeUnknown" if self._keyed else "InternalError"
        return self._shared.renderer.problem(Problem(code), instance)


class Endpoint(Guarded):
    """One route to the ledger, with everything that depends only on the route made beforehand."""

    def __init__(self, route: Route[Handler], shared: Surroundings) -> None:
        super().__init__(route, shared)
        self._route = route

    async def _answer(self, request: web.Request, instance: str) -> web.Response:
        shared = self._shared
        deadline = asyncio.get_running_loop().time() + shared.deadline_s
        client = self._permitted(request)
        content = await content_of(request, within_s=shared.deadline_s)
        asked = self._asked(request, client, content, instance=instance)
        target = self._route.handler(asked)
        shared.velocity.take(client)
        reply = await self._decided(target, instance, deadline=deadline)
        return self._rendered(asked, reply)

    def _asked(
        self, request: web.Request, client: Client, content: bytes, /, *, instance: str
    ) -> Asked:
        route = self._route
        person = person_of(request, client)
        key = parsed_key(request.headers.get("Idempotency-Key")) if route.verb.keyed else ""
        asked = Asked(
            client=client,
            terminal=person.terminal,
            body=parsed(route.body, content) if route.body else None,
            path=request.match_info,
            instance=instance,
            key=key,
            edge=self._shared.edge,
            identify=self._identified,
        )
        if route.verb.keyed:
            hashes = self._shared.hashes
            asked.call = Call(
                client=client.id,
                channel=client.channel,
                operation=route.operation,
                key_hash=hashes.of_key(client.id, route.operation, key),
                body_hash=hashes.of_body(_part(asked), asked.body),
                instance=instance,
                actor=person.actor,
                store_id=person.store,
                terminal_id=person.terminal,
                stores=asked.visible_stores,
            )
        return asked

    def _identified(self, asked: Asked, code: str) -> str:
        self._shared.velocity.refuse_blocked(asked.client.id, asked.terminal)
        key = self._shared.edge.certificate_id(code)
        if key is None:
            self._missed(asked)
            code = "CodeMalformed"
            raise Problem(code, hidden=masking.hides(asked.client, self._route.operation, code))
        return key

    async def _decided(self, target: Target, instance: str, *, deadline: float) -> Reply:
        key, command = target
        shared = self._shared
        now = shared.now_ms()
        try:
            owner = shared.ledger.owner_of(key)
            if owner is None:
                return await shared.ledger.request(
                    key, command, command_id=instance, deadline=deadline, now=now
                )
            return await shared.forwarder.request(
                owner, key, command, command_id=instance, deadline=deadline, now=now
            )
        except OwnerUnavailable as error:
            raise Problem("OwnerUnavailable", detail=str(error)) from None
        except OutcomeUnknown as error:
            raise Problem("OutcomeUnknown", detail=str(error)) from None

    def _rendered(self, asked: Asked, reply: Reply) -> web.Response:
        route, renderer = self._route, self._shared.renderer
        if asked.code_shown and not route.verb.keyed:
            reply = masking.seen(asked.client, reply)
        if reply.code is None:
            return renderer.reply(reply)
        hidden = masking.hides(asked.client, route.operation, reply.code)
        if asked.code_shown and (hidden or reply.code == "CertificateUnknown"):
            self._missed(asked)
        if hidden:
            raise Problem(reply.code, hidden=True)
        self._metrics.refused(reply.code)
        return renderer.reply(reply)

    def _missed(self, asked: Asked) -> None:
        self._shared.velocity.missed(asked.client.id, asked.terminal)
        self._metrics.missed()


def _part(asked: Asked) -> str:
    """What the path names besides the code: part of what the key was used for."""
    return "\0".join(value for name, value in asked.path.items() if name != "code")
