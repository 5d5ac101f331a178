"""When each partition answered: how long a takeover left its callers waiting."""

import asyncio

from tables.partitioning import partition_of

POLL_S = 0.05


class Watch:
    """Fed with the answers to reads of one certificate of each partition."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._cards: dict[int, int] = {}
        self._answers: dict[int, list[tuple[float, float]]] = {n: [] for n in range(partitions)}

    def found(self, card: int, certificate_id: str) -> None:
        self._cards.setdefault(partition_of(certificate_id, self.partitions), card)

    def card_of(self, partition: int) -> int | None:
        return self._cards.get(partition)

    def answered(self, partition: int, asked: float, heard: float) -> None:
        self._answers[partition].append((asked, heard))

    def all_answered_s(self, moment: float) -> float | None:
        """Seconds until every partition had answered a question of after the moment, or None."""
        waited = [self._first(answers, moment) for answers in self._answers.values()]
        known = [one for one in waited if one is not None]
        return max(known) if len(known) == self.partitions else None

    def _first(self, answers: list[tuple[float, float]], moment: float) -> float | None:
        later = [heard for asked, heard in reversed(answers[-1_000:]) if asked >= moment]
        return min(later) - moment if later else None

    async def all_answer(self, moment: float, patience_s: float) -> float | None:
        """The same, waited for; None: not within the patience."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while (waited := self.all_answered_s(moment)) is None and loop.time() < until:
            await asyncio.sleep(POLL_S)
        return waited
