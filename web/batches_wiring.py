"""What the batch routes of a ledger worker stand on: a small pool of their own, and the outlet."""

import msgspec
from aiokafka import TopicPartition

from app.certificates.batch_views import BatchViews
from app.certificates.batches import Batches, Rules
from app.certificates.chunk_cancel import ChunkCancel
from app.certificates.database import Database
from app.certificates.emission import Output
from app.certificates.inbound import Amounts
from app.certificates.mart_views import MartViews
from app.certificates.publishing_internal import SealDeadLetter
from app.contracts.topics import COMMANDS
from app.domain.policy import Policy
from app.settings import Settings
from tables.clock import Clock
from tables.journal import Record
from tables.outlet import Outlet
from tables.partitioning import partition_of


class BatchService:
    """Opens its pool with the first request: without a database only these routes fail."""

    def __init__(self, settings: Settings, outlet: Outlet, seal: SealDeadLetter) -> None:
        policy = msgspec.convert(settings.policy, Policy)
        now_ms = Clock(settings.clock_offset_ms).wall_ms
        self.database = Database(settings.database_url, policy=policy)
        pepper = settings.code_pepper.get_secret_value()
        rules = Rules(Amounts(settings.inbound_amount_unit), pepper, policy, seal)
        self._outlet = outlet
        self._partitions = (settings.ledger_partitions, settings.inbound_partitions)
        self.batches = Batches(self.database, self._produce, rules=rules, now_ms=now_ms)
        self.cancel = ChunkCancel(
            self.database, self._produce, turns=self.batches.turns, now_ms=now_ms
        )
        self.views = BatchViews(self.database)
        self.mart = MartViews(self.database)

    async def close(self) -> None:
        await self.database.close()

    async def _produce(self, outputs: list[Output]) -> None:
        """Dead letters lie where a message of their key would lie in the source topic."""
        ledger, inbound = self._partitions
        targets: dict[TopicPartition, list[Record]] = {}
        for output in outputs:
            count = ledger if output.topic == COMMANDS else inbound
            tp = TopicPartition(output.topic, partition_of(output.key.decode(), count))
            targets.setdefault(tp, []).append((output.key, output.value, output.headers))
        await self._outlet.send(targets)
