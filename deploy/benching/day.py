"""The certificate day: seeded commands as they lie on `certificate-commands`, good and bad."""

import itertools
import random
from collections import deque
from collections.abc import Iterator

import msgspec

from app.contracts.wire import SCHEMA, CommandRecord, encode
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    Call,
    Capture,
    Command,
    ExtendValidity,
    IssueCertificate,
    RefundUpdate,
    RequestRefund,
    Restore,
    VoidHold,
)
from app.domain.certificates.ids import refund_request_id
from app.domain.policy import DAY_MS

CURRENCY = "RUB"
NOMINALS = (50_000, 100_000, 300_000, 500_000)
ZIPF = 0.99
SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"
# Shares of the day in percent; holds are captured or voided some time after they were made.
MIX = {
    "sale": 25,
    "authorize": 25,
    "capture": 20,
    "void": 5,
    "restore": 6,
    "refund": 6,
    "extend": 10,
    "duplicate": 2,
    "malformed": 1,
}
OPEN_HOLDS = 400
HISTORY = 2_000
HOLDS_KEPT, HOLDS_OPEN, RESULTS = 64, 16, 256
_pack = msgspec.msgpack.Encoder().encode
Message = tuple[bytes, bytes]


class Shape(msgspec.Struct, frozen=True):
    """`sold` of the `certificates` are active before the day; `commands` is the day itself."""

    certificates: int
    commands: int
    seed: int
    now: int

    @property
    def sold(self) -> int:
        return self.certificates // 5

    @property
    def night(self) -> int:
        """Commands before the day."""
        return self.certificates + 2 * self.sold


class Life(msgspec.Struct):
    """What the day remembers of a certificate, so that most of what it asks is possible."""

    key: str
    available: int
    holds: int = 0
    opened: int = 0
    results: int = 0
    valid_until: int = 0
    over: bool = False


class Day:
    """The same shape gives the same bytes; `night` comes first, then `hours`."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._rng = random.Random(shape.seed)
        self._ids = itertools.count()
        self._lives = [self._life(n) for n in range(shape.certificates)]
        self._unsold = iter(self._lives[shape.sold :])
        self._holds: deque[tuple[Life, int, int]] = deque()
        self._captured: deque[tuple[Life, int, int]] = deque(maxlen=OPEN_HOLDS)
        self._refunds: deque[Life] = deque()
        self._allocated: deque[Life] = deque()
        self._history: deque[Message] = deque(maxlen=HISTORY)

    def night(self) -> Iterator[Message]:
        """Every certificate is issued, the first of them are sold."""
        for row, life in enumerate(self._lives):
            yield self._message(life, self._issue(life, row))
        for life in self._lives[: self.shape.sold]:
            yield self._allocate(life)
            yield self._activate(life)

    def hours(self) -> Iterator[Message]:
        """The day: popular certificates are used more, by Zipf's law."""
        shape = self.shape
        weights = itertools.accumulate((rank + 1) ** -ZIPF for rank in range(shape.sold))
        chosen = self._rng.choices(range(shape.sold), cum_weights=list(weights), k=shape.commands)
        acts = self._rng.choices(list(MIX), weights=list(MIX.values()), k=shape.commands)
        for act, rank in zip(acts, chosen, strict=True):
            made: Message = getattr(self, f"_{act}")(self._lives[rank])
            self._history.append(made)
            yield made

    # Acts of the day; each takes the certificate drawn and may take another that is due.

    def _sale(self, _: Life) -> Message:
        if len(self._allocated) > HISTORY // 10:
            return self._activate(self._allocated.popleft())
        life = next(self._unsold, None)
        if life is None:
            return self._activate(self._allocated.popleft())
        self._allocated.append(life)
        return self._allocate(life)

    def _authorize(self, life: Life) -> Message:
        amount = self._rng.randint(100, 2_000)
        if self._possible(life) and life.available >= amount:
            life.available -= amount
            life.holds += 1
            life.opened += 1
            life.results += 1
            self._holds.append((life, life.holds, amount))
        reference = f"R-{next(self._ids)}"
        call = self._call("authorize")
        return self._message(life, Authorize(amount, CURRENCY, reference, False, None, call))

    def _capture(self, life: Life) -> Message:
        if len(self._holds) < OPEN_HOLDS:
            return self._authorize(life)
        owner, hold, amount = self._holds.popleft()
        owner.opened -= 1
        owner.results += 1
        self._captured.append((owner, hold, amount))
        receipt = f"K-{next(self._ids)}"
        return self._message(owner, Capture(hold, None, True, receipt, self._call("capture")))

    def _void(self, life: Life) -> Message:
        if len(self._holds) < OPEN_HOLDS:
            return self._authorize(life)
        owner, hold, amount = self._holds.popleft()
        owner.opened -= 1
        owner.results += 1
        owner.available += amount
        return self._message(owner, VoidHold(hold, self._call("void")))

    def _restore(self, life: Life) -> Message:
        if not self._captured:
            return self._authorize(life)
        owner, hold, amount = self._captured.popleft()
        owner.results += 1
        owner.available += amount
        return self._message(owner, Restore(hold, amount, None, self._call("restore")))

    def _refund(self, _: Life) -> Message:
        """Of a certificate that nobody uses at the moment: the request, later its pay-out."""
        if len(self._refunds) > HISTORY // 10:
            life = self._refunds.popleft()
            request = refund_request_id(life.key, 1)
            update = RefundUpdate(
                request, 1, "RefundSettled", 1, self.shape.now, life.available, None, "P-1"
            )
            return self._message(life, update)
        life = self._lives[self._rng.randrange(self.shape.sold)]
        if not (life.opened or life.over):
            life.over = True
            self._refunds.append(life)
        command = RequestRefund("WEB", "original", None, None, None, None, self._call("refund"))
        return self._message(life, command)

    def _extend(self, life: Life) -> Message:
        life.valid_until += DAY_MS
        life.results += 1
        until = self.shape.now + 400 * DAY_MS + life.valid_until
        return self._message(life, ExtendValidity(until, "goodwill", self._call("extend")))

    def _duplicate(self, life: Life) -> Message:
        return self._rng.choice(self._history) if self._history else self._extend(life)

    def _malformed(self, life: Life) -> Message:
        return life.key.encode(), b'{"kind": "Authorize", "amount": "ten"}'

    # Parts.

    def _possible(self, life: Life) -> bool:
        free = life.holds < HOLDS_KEPT and life.opened < HOLDS_OPEN
        return free and life.results < RESULTS and not life.over

    def _life(self, n: int) -> Life:
        rng = random.Random(self.shape.seed << 32 | n)
        name = "".join(rng.choices(SYMBOLS, k=25))
        return Life(f"gc_{rng.randrange(8)}{name}", rng.choice(NOMINALS))

    def _issue(self, life: Life, row: int) -> Command:
        batch, chunk = f"B-{self.shape.seed}", row // 500
        return IssueCertificate(
            life.key[-4:].upper(), False, life.available, CURRENCY, None, 365, "gift-card", None,
            batch, chunk, row, 1,
        )  # fmt: skip

    def _allocate(self, life: Life) -> Message:
        order = f"SO-{life.key[-8:]}"
        command = AllocateCertificate(order, "1", 1, life.available, CURRENCY)
        return self._message(life, command, f"{order}:1:0")

    def _activate(self, life: Life) -> Message:
        order = f"SO-{life.key[-8:]}"
        return self._message(life, ActivateCertificate(order, "1", 1), f"{order}:2:0")

    def _call(self, operation: str) -> Call:
        rng, n = self._rng, next(self._ids)
        key, body = rng.randbytes(16), rng.randbytes(16)
        return Call("till", "POS", operation, key, body, f"req_{n:020}", "cashier-7", "S17", "T3")

    def _message(self, life: Life, command: Command, command_id: str = "") -> Message:
        name = command_id or f"day/{next(self._ids)}"
        kind, fields = type(command).__name__, msgspec.Raw(_pack(command))
        record = CommandRecord(SCHEMA, name, self.shape.now, kind, life.key, fields)
        return life.key.encode(), encode(record)
