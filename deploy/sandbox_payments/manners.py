"""How a request is treated: what is said of it, when, in which order, how often."""

import random
from collections.abc import Callable
from dataclasses import dataclass

INITIATED = "RefundInitiated"
SETTLED = "RefundSettled"
FAILED = "RefundFailed"
DETAILS = "AlternateDetailsRequired"
LATE_MS = (1_000, 4_000)


@dataclass(frozen=True, slots=True)
class Word:
    """One message: `short` is taken off the amount, `unnamed` leaves the request's id out."""

    status: str
    version: int
    attempt: int
    after_ms: int = 0
    short: int = 0
    unnamed: bool = False


Manner = Callable[[int, random.Random], tuple[Word, ...]]


def prompt(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return Word(INITIATED, 1, attempt), Word(SETTLED, 2, attempt)


def initiated(attempt: int, _: random.Random) -> tuple[Word, ...]:
    """Money is moving, and that is the last one hears of it."""
    return (Word(INITIATED, 1, attempt),)


def silent(_attempt: int, _: random.Random) -> tuple[Word, ...]:
    return ()


def late(attempt: int, dice: random.Random) -> tuple[Word, ...]:
    wait = dice.randint(*LATE_MS)
    return Word(INITIATED, 1, attempt), Word(SETTLED, 2, attempt, after_ms=wait)


def twice(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return Word(INITIATED, 1, attempt), *(Word(SETTLED, 2, attempt),) * 2


def backwards(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return Word(SETTLED, 2, attempt), Word(INITIATED, 1, attempt)


def failing(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return Word(INITIATED, 1, attempt), Word(FAILED, 2, attempt)


def bouncing(attempt: int, dice: random.Random) -> tuple[Word, ...]:
    """Paid, and then the transfer comes back."""
    wait = dice.randint(0, LATE_MS[0])
    return Word(SETTLED, 1, attempt), Word(FAILED, 2, attempt, after_ms=wait)


def repenting(attempt: int, dice: random.Random) -> tuple[Word, ...]:
    """Failed, and then paid after all."""
    wait = dice.randint(0, LATE_MS[0])
    return Word(FAILED, 1, attempt), Word(SETTLED, 2, attempt, after_ms=wait)


def overtaken(attempt: int, _: random.Random) -> tuple[Word, ...]:
    """Paid and bounced, and the word of the payment comes last."""
    return Word(FAILED, 2, attempt), Word(SETTLED, 1, attempt)


def other_amount(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return (Word(SETTLED, 1, attempt, short=1),)


def asks_details(attempt: int, _: random.Random) -> tuple[Word, ...]:
    if attempt == 1:
        return (Word(DETAILS, 3, attempt),)
    return (Word(SETTLED, 1, attempt),)


def pays_twice(attempt: int, _: random.Random) -> tuple[Word, ...]:
    """The new details are paid, and the old ones as well."""
    if attempt == 1:
        return (Word(DETAILS, 3, attempt),)
    return Word(SETTLED, 1, attempt), Word(SETTLED, 4, 1)


def unnamed(attempt: int, _: random.Random) -> tuple[Word, ...]:
    return (Word(SETTLED, 1, attempt, unnamed=True),)


MANNERS: dict[str, Manner] = {
    manner.__name__: manner
    for manner in (
        prompt,
        initiated,
        silent,
        late,
        twice,
        backwards,
        failing,
        bouncing,
        repenting,
        overtaken,
        other_amount,
        asks_details,
        pays_twice,
        unnamed,
    )
}
ANY = "any"
NAMES = (*MANNERS, ANY)
