"""How a client reaches the brokers: where they are, and who it is to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

ANSWER_MS = 5_000
Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """`security`: what every client of aiokafka takes beside the addresses; never shown."""

    addresses: str
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def client(self, kind: Callable[..., Client], *topics: str, **options: Any) -> Client:
        """The one way to make a client of aiokafka: none forgets who it is."""
        return kind(*topics, bootstrap_servers=self.addresses, **self.security, **options)

    async def obstacle(self) -> BaseException | None:
        """Why no broker of the addresses lets us in; None as soon as one does."""
        found: BaseException | None = None
        for host, port, _ in collect_hosts(self.addresses):
            found = await self._obstacle_at(host, port)
            if found is None:
                break
        return found

    async def _obstacle_at(self, host: str, port: int) -> BaseException | None:
        connection = AIOKafkaConnection(host, port, request_timeout_ms=ANSWER_MS, **self.security)
        try:
            await connection.connect()
            try:
                await connection.send(MetadataRequest([]))
            finally:
                await connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            return error.__cause__ or error
        return None
