"""The words of the marking route table: a route, what was asked through it, its reply."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from app.marking.changes import Changes
from app.marking.desk import Desk
from app.marking.errors import AccessError
from app.marking.flow import OrderFlow
from app.marking.idempotency import Held
from app.marking.participants import MAY, role_of
from app.marking.people import Person
from app.marking.press import Press

# What a caller has to be allowed; `self`: signed in, `admin`: of the whole installation.
May = Literal["open", "self", "admin", "read", "operate", "sign", "administer"]
# Which row of the path tells the participant.
Owner = Literal["participant", "order", "batch", "issue", "document", "sign_request", "orphan"]
NO_ROLE = "Нет прав на это действие для этой организации."


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """What handlers need of the process; `plugin`: the script of the signing page."""

    desk: Desk
    flow: OrderFlow
    press: Press
    changes: Changes
    public_url: str
    secure_cookie: bool
    lock_ms: int
    plugin: str | None = None
    demo: bool = False


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request past the checks of caller, shape and role.

    `participant_id`: whom the row of the path belongs to; `held`: its idempotency key.
    """

    desks: Desks
    path: Mapping[str, str]
    body: Any
    query: Any
    caller: Person | None = None
    participant_id: str | None = None
    held: Held | None = None

    @property
    def desk(self) -> Desk:
        return self.desks.desk

    @property
    def person(self) -> Person:
        assert self.caller is not None, "only open routes have no caller"
        return self.caller

    @property
    def owner(self) -> str:
        assert self.participant_id is not None, "the route names the row that tells it"
        return self.participant_id

    async def require(self, may: str, participant_id: str) -> None:
        """Raises AccessError."""
        role = await role_of(self.desk.database, self.person.id, participant_id)
        admin = self.person.is_admin and may == "administer"
        if role not in MAY[may] and not admin:
            raise AccessError(NO_ROLE)

    async def chosen(self, participant_id: str | None, *, may: str = "read") -> list[str]:
        """The named participant, or all that the caller may ask for."""
        if participant_id is not None:
            await self.require(may, participant_id)
            return [participant_id]
        return await self.visible(may)

    async def visible(self, may: str = "read") -> list[str]:
        rows = await self.desk.database.rows(
            """select participant_id from marking.participant_members
               where user_id = %(user)s and role = any(%(roles)s)""",
            user=self.person.id,
            roles=sorted(MAY[may]),
        )
        return [row["participant_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Reply:
    """`kept`: its idempotency key already has the answer; `stream`: a file instead of a body."""

    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False
    cookie: str | None = None
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Asked], Awaitable[Reply]]


class Verb(NamedTuple):
    """`keyed`: an effect, its `Idempotency-Key` is required."""

    method: str
    keyed: bool


GET = Verb("GET", keyed=False)
ASK = Verb("POST", keyed=False)
ACT = Verb("POST", keyed=True)
PUT = Verb("PUT", keyed=False)
DELETE = Verb("DELETE", keyed=False)


@dataclass(frozen=True, slots=True)
class Route:
    """`status` and `answer`: of success."""

    verb: Verb
    path: str
    handler: Handler
    _: KW_ONLY
    answer: type[BaseModel]
    may: May = "self"
    owner: Owner | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
