"""One history: everybody acts in an order that the seed decides, then calm, then agreement."""

import random
from typing import NamedTuple

from app.domain.policy import DAY_MS, HOUR_MS, Policy
from deploy.simulation.agreement import check_end
from deploy.simulation.people import ORDERS, Payments, Shop, batches, gifts
from deploy.simulation.pipeline import Letter, Pipeline
from deploy.simulation.post import Broken
from deploy.simulation.tills import Tills

START = 1_788_166_800_000
STEPS = 300
CODES = 5
HORIZON_MS = 20 * DAY_MS
ROUNDS_MAX = 5_000
PAUSES = (1, 20, 20, 1_000, 1_000, 1_000, 61_000, HOUR_MS, 8 * HOUR_MS, 3 * DAY_MS)
_POLICY = Policy()


class Report(NamedTuple):
    """What a history was made of."""

    seed: int
    commands: int
    events: int
    crashes: int
    paid_out: int
    captured: int


class World:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.stock = gifts(self.dice, CODES)
        self.pipeline = Pipeline(self.dice, _POLICY, START)
        self.payments = Payments(seed)
        self.tills = Tills(self.dice, self.pipeline, self.stock)
        self._letters = self._written()

    def _written(self) -> list[Letter]:
        shops = [Shop(self.dice, n, stock=self.stock, now=START) for n in range(1, ORDERS + 1)]
        piles = [shop.letters() for shop in shops]
        # One code stays unissued for a while, in some histories for ever.
        issued = self.stock[: CODES - (self.dice.random() < 0.2)]
        piles.append(batches(self.dice, issued))
        letters: list[Letter] = []
        while piles := [pile for pile in piles if pile]:
            letters.append(self.dice.choice(piles).pop(0))
        return letters[::-1]

    def play(self) -> Report:
        for _ in range(STEPS):
            self._step()
        self._calm_down()
        check_end(self)
        public = self.pipeline.public
        states = public.states.values()
        return Report(
            self.seed,
            sum(len(owner.commands) for owner in self.pipeline.owners),
            sum(len(one) for one in public.transactions.values()),
            self.pipeline.crashes,
            sum(state["refunded"] for state in states),
            sum(state["captured"] for state in states),
        )

    def _step(self) -> None:
        chance = self.dice.random()
        works = self.pipeline.works()
        if chance < 0.25 and self._letters:
            self.pipeline.mail(self._letters.pop())
        elif chance < 0.42:
            self.tills.act()
        elif chance < 0.46:
            self.pipeline.now += self.dice.choice(PAUSES)
        elif chance < 0.47:
            self.dice.choice(self.pipeline.owners).end()
        elif chance < 0.52:
            self.pipeline.replay()
        elif works:
            self.pipeline.work(*self.dice.choice(works))
        self._hear_payments()

    def _hear_payments(self) -> bool:
        """True if Payments heard or said anything."""
        asked = self.pipeline.public.refund_requests
        fresh, self.payments.heard = asked[self.payments.heard :], len(asked)
        for data in fresh:
            self.payments.hear(data, self.pipeline.now)
        said = self.payments.due(self.pipeline.now)
        for letter in said:
            self.pipeline.mail(letter)
        return bool(fresh or said)

    def _calm_down(self) -> None:
        """Nothing dies any more, everything arrives, people ask until they know."""
        self.pipeline.calm = True
        for letter in reversed(self._letters):
            self.pipeline.mail(letter)
        self._until_nothing_is_left(self.pipeline.now + HORIZON_MS)
        if self._resolve_refunds():
            self._until_nothing_is_left(self.pipeline.now + DAY_MS)

    def _until_nothing_is_left(self, end: int) -> None:
        for _ in range(ROUNDS_MAX):
            busy = self.pipeline.works()
            for what, place in busy:
                self.pipeline.work(what, place)
            if busy or self._hear_payments() or self.tills.ask_again():
                continue
            at = self._next_moment()
            if at is None or at > end:
                self.pipeline.now = end
                return
            self.pipeline.now = max(self.pipeline.now, at)
        raise Broken("it never ends")

    def _next_moment(self) -> int | None:
        moments = [owner.first_due() for owner in self.pipeline.owners]
        moments.append(self.payments.next_at())
        return min((at for at in moments if at is not None), default=None)

    def _resolve_refunds(self) -> bool:
        """The operator ends what Payments has left open."""
        waiting = [
            (key, state["refundRequestId"])
            for key, state in self.pipeline.public.states.items()
            if state["lifecycle"] == "RefundPending"
        ]
        for key, refund in waiting:
            request = self.payments.desk.requests.get(refund)
            paid = request.paid if request else 0
            self.tills.start(key, self.tills.ideas.resolve(refund, paid))
        return bool(waiting)


def play(seed: int) -> Report:
    """Raises `Broken`, or whatever the product raises, when the history ends badly."""
    return World(seed).play()
