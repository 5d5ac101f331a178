"""One request to an emulated system, as its handler sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy.sandbox.answers import Answer
from deploy.sandbox.faults import FaultSpec
from deploy.sandbox.participant import Participant
from deploy.sandbox.tokens import Token
from deploy.sandbox.world import World


@dataclass
class Call:
    operation: str
    upstream: str
    method: str
    path_qs: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    args: Mapping[str, str]
    body: bytes
    world: World
    who: Participant
    named: bool
    token: Token | None = None
    effects: list[FaultSpec] = field(default_factory=list)

    @property
    def now_ms(self) -> int:
        return self.who.clock.now_ms()

    def effect(self, action: str) -> FaultSpec | None:
        """The first domain fault of this kind that fires on this request."""
        return next((spec for spec in self.effects if spec.action == action), None)


Handler = Callable[[Call], Answer]
Guard = Callable[[Call], None]


@dataclass(frozen=True)
class Route:
    """A path of an emulated system; `query` maps each known parameter to "required"."""

    method: str
    path: str
    operation: str
    handler: Handler
    guard: Guard
    query: Mapping[str, bool] = field(default_factory=dict)
    answers: str = "application/json"

    @property
    def upstream(self) -> str:
        return self.operation.split(".", 1)[0]
