"""What a person is told instead of a traceback."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from aiokafka.errors import KafkaConnectionError
from rich.console import Console

from app.certificates.audit_reading import ReadingStopped, TopicMissing
from app.contracts.wire import NewerSchema
from app.kafka_access import KafkaAccess
from app.topics_admin import TopicRefused
from tables.errors import WrongLedger

EXIT = 2
TOLD = (NewerSchema, ReadingStopped, TopicMissing, TopicRefused, WrongLedger)
console = Console()


def end(text: str) -> NoReturn:
    console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(EXIT)


@contextmanager
def broker_needed(kafka: KafkaAccess) -> Iterator[None]:
    """Ends the command in words when the broker is away or does not have what it needs."""
    try:
        yield
    except KafkaConnectionError:
        obstacle = asyncio.run(kafka.obstacle())
        cause = f": {obstacle}" if obstacle else ""
        end(f"cannot reach the broker at {kafka.addresses}{cause}")
    except TOLD as error:
        end(str(error))
