"""Whether answers to concurrent calls could have come from one call after the other.

Theory of operation. Calls begin and end in the order of time. A configuration is a state that
the object may be in, with the running calls that have had their effect by then. When a call
ends, every configuration must contain it: each one tries all orders in which running calls may
have taken effect until this one has. If no configuration is left, nothing explains what was
heard. A call that was never answered runs for ever and may or may not take effect; one that
changes nothing counts as done in the first configuration whose state agrees with its answer.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

CONFIGURATIONS_MAX = 50_000  # of one history, all calls together


class Call(Protocol):
    """`ended` is infinite if no answer was heard; `still`: its answer says it changed nothing."""

    @property
    def began(self) -> float: ...

    @property
    def ended(self) -> float: ...

    @property
    def still(self) -> bool: ...


State = TypeVar("State", bound=Hashable)
AnyCall = TypeVar("AnyCall", bound=Call)
# The state after the call; None: in this state it would have been answered otherwise.
Apply = Callable[[State, AnyCall], State | None]
Done = frozenset[int]


class Undecided(Exception):
    """More configurations than are followed: neither explained nor refuted."""


def explained(
    calls: Sequence[AnyCall], start: State, apply: Apply[State, AnyCall], /
) -> AnyCall | None:
    """None if some order explains all answers, else the call whose answer nothing explains."""
    search = _Search(calls, start, apply)
    for number, is_end in _moments(calls):
        if not is_end:
            search.begin(number)
        elif not search.end(number):
            return calls[number]
    return None


def _moments(calls: Sequence[AnyCall]) -> Iterator[tuple[int, bool]]:
    """Numbers of calls as they begin and end; at the same time beginnings come first."""
    begun = [(call.began, False, number) for number, call in enumerate(calls)]
    ended = [(call.ended, True, n) for n, call in enumerate(calls) if call.ended < math.inf]
    for _, is_end, number in sorted(begun + ended):
        yield number, is_end


class _Search(Generic[State, AnyCall]):
    def __init__(
        self, calls: Sequence[AnyCall], start: State, apply: Apply[State, AnyCall]
    ) -> None:
        self._calls = calls
        self._apply = apply
        self._followed = 0
        self._running: set[int] = set()
        self._reached: set[tuple[State, Done]] = {(start, frozenset())}

    def begin(self, number: int) -> None:
        self._running.add(number)
        if self._calls[number].still:
            self._reached = {self._settled(state, done) for state, done in self._reached}

    def end(self, number: int) -> bool:
        """Whether a configuration is left that contains the call."""
        left: set[tuple[State, Done]] = set()
        waiting = list(self._reached)
        seen = set(waiting)
        while waiting:
            state, done = waiting.pop()
            if number in done:
                left.add((state, done - {number}))
                continue
            fresh = self._next(state, done) - seen
            seen |= fresh
            waiting.extend(fresh)
            self._followed += len(fresh)
            if self._followed > CONFIGURATIONS_MAX:
                raise Undecided(f"over {CONFIGURATIONS_MAX:,} configurations")
        self._running.discard(number)
        self._reached = left
        return bool(left)

    def _next(self, state: State, done: Done) -> set[tuple[State, Done]]:
        found = set()
        for number in self._running - done:
            after = self._apply(state, self._calls[number])
            if after is not None:
                found.add(self._settled(after, done | {number}))
        return found

    def _settled(self, state: State, done: Done) -> tuple[State, Done]:
        agreeing = {
            number
            for number in self._running - done
            if self._calls[number].still and self._apply(state, self._calls[number]) is not None
        }
        return state, done | agreeing
