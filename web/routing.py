"""The words of the route table: a route, what was asked through it, what goes to the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from app.domain.certificates.commands import Call, Command, Sealed
from app.domain.policy import Policy
from web.access import Client, Scope


class Target(NamedTuple):
    """The entity's id and the command for it."""

    key: str
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What handlers need of the process.

    `certificate_id` gives None for a malformed code. Sealing takes plain members and the
    associated data: for contacts of an order its id and line, else the certificateId.
    """

    policy: Policy
    certificate_id: Callable[[str], str | None]
    seal_contact: Callable[[Mapping[str, Any], str], Sealed]
    seal_payout: Callable[[Mapping[str, Any], str], Sealed]


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request past all checks of shape; `call` stands only for mutations."""

    client: Client
    terminal: str | None
    body: Any
    path: Mapping[str, str]
    instance: str
    key: str
    edge: Edge
    identify: Callable[["Asked", str], str]
    call: Call | None = None
    code_shown: bool = False

    @property
    def who(self) -> Call:
        assert self.call is not None
        return self.call

    @property
    def visible_stores(self) -> tuple[str, ...] | None:
        """Stores whose holds of other clients may be seen; None: all, for operators."""
        return None if "operator" in self.client.scopes else self.client.stores

    def certificate_of(self, code: str) -> str:
        """The certificateId; a malformed code and a caller who guesses are refused."""
        self.code_shown = True
        return self.identify(self, code)


Handler = Callable[[Asked], Target]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class Verb(NamedTuple):
    """`keyed`: a mutation, its `Idempotency-Key` is required."""

    method: str
    keyed: bool


GET = Verb("GET", keyed=False)
ASK = Verb("POST", keyed=False)
ACT = Verb("POST", keyed=True)


@dataclass(frozen=True, slots=True)
class Route(Generic[AnyHandler]):
    """`status` and `answer`: of success; `also`: the other status it may have.

    `media`: formats besides JSON; `query`: parameters of the query part.
    """

    verb: Verb
    path: str
    scopes: frozenset[Scope]
    handler: AnyHandler
    body: type[BaseModel] | None
    status: int
    answer: type[BaseModel]
    also: int | None = None
    media: tuple[str, ...] = ()
    query: tuple[str, ...] = ()

    @property
    def operation(self) -> str:
        """Scopes the stored `Idempotency-Key`: the two forms of one operation share it."""
        return str(self.handler.__name__)
