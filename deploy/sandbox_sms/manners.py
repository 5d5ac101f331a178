"""The manners: what a gateway may do with a message, as data."""

from dataclasses import dataclass

DELAY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Manner:
    """`takes`: it has the message; `answer`: the status it says, None: the line goes dead.

    `copies` reach the person; `waits` for its delay before: the answer, the delivery, or
    knowing the id.
    """

    takes: bool = True
    answer: int | None = 202
    copies: int = 1
    waits: str = ""
    regrets: bool = False


MANNERS = {
    "prompt": Manner(),
    "deaf": Manner(takes=False, answer=None),
    "mute": Manner(answer=None),
    "slow": Manner(waits="answer"),
    "late": Manner(waits="delivery"),
    "hidden": Manner(answer=None, waits="id"),
    "doubling": Manner(copies=2),
    "refusing": Manner(takes=False, answer=422),
    "repenting": Manner(copies=0, regrets=True),
    "busy": Manner(takes=False, answer=429),
    "broken": Manner(takes=False, answer=500),
    "torn": Manner(answer=500),
}


@dataclass(slots=True)
class Order:
    """What was commanded for an address; `left` None: for ever."""

    name: str
    left: int | None = None
    delay_ms: int = DELAY_MS
    silent: bool = False
