"""What a law gets and what it returns: context in, decision out."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from app.domain.policy import Policy

State = TypeVar("State")


def no_page(number: int) -> Any:
    """Of an entity without pages."""
    raise LostPage(number)


class LostPage(Exception):
    """The state tells of a page that is not there: nothing is decided on half of a memory."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """`now`: UTC ms, already bounded by the broker's time; `id`: unique per command.

    A follow-up's id is `<sender>:<sequence>:<n>`; `sender_position` takes it apart.
    `page(number)`: what was last written there; raises LostPage.
    """

    key: str
    id: str
    now: int
    policy: Policy
    page: Callable[[int], Any] = no_page


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The HTTP answer: status, refusal code or None, first request id, JSON members."""

    status: int
    code: str | None
    instance: str
    fields: dict[str, Any]
    replayed: bool = False


class FollowUp(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A command for another entity: its name, receiver and encoded fields (msgpack array)."""

    kind: str
    key: str
    fields: msgspec.Raw


class Decision(msgspec.Struct, Generic[State], frozen=True):
    """`state` is the very object given if nothing changed: then nothing is written.

    `pages`: what grows beside the state and is seldom asked for, by number (0 to 255); written
    in the same commit, under keys of their own, so that the state stays small.
    """

    state: State
    events: tuple[Any, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    reply: Reply | None = None
    pages: tuple[tuple[int, Any], ...] = ()


def _no_code(_state: Any) -> str | None:
    return None


def _as_it_is(state: Any) -> Any:
    return state


class Entity(msgspec.Struct, frozen=True):
    """All that the ledger engine knows of one kind of entity.

    `decide(state or None, command, context) -> Decision`; `next_due(state) -> ms or None`;
    `due` is the command that the owner's tick sends to itself; `last4(state)`: of its code.
    `upgraded(state)`: of an older schema, as of this one. `pages`: see `kind_of_pages`.
    """

    name: str
    prefix: bytes
    state: Any
    event: Any
    commands: dict[str, type[msgspec.Struct]]
    decide: Callable[[Any, Any, Context], Decision[Any]]
    next_due: Callable[[Any], int | None]
    due: msgspec.Struct
    last4: Callable[[Any], str | None] = _no_code
    upgraded: Callable[[Any], Any] = _as_it_is
    pages: "Entity | None" = None


def kind_of_pages(name: str, prefix: bytes, content: Any) -> Entity:
    """Written beside its entity only: nothing commands it, nothing of it falls due."""
    return Entity(name, prefix, content, None, {}, _no_decision, _no_due, msgspec.Struct())


def _no_decision(_state: Any, command: Any, _context: Context) -> Decision[Any]:
    raise TypeError(f"a page takes no command: {type(command).__name__}")


def _no_due(_state: Any) -> int | None:
    return None


_pack = msgspec.msgpack.Encoder().encode


def follow_up(key: str, command: msgspec.Struct) -> FollowUp:
    return FollowUp(type(command).__name__, key, msgspec.Raw(_pack(command)))


def sender_position(command_id: str) -> tuple[str, int, int] | None:
    """(sender id, sequence, n) of a follow-up's id; None for ids from outside."""
    parts = command_id.rsplit(":", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return parts[0], int(parts[1]), int(parts[2])
