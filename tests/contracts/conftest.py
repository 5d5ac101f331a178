"""The journal topic of the engine tests, made once per session."""

import asyncio

import pytest

from app.contracts.topics import JOURNAL, manifest
from app.kafka_access import KafkaAccess
from app.topics_admin import ensure_topics
from tests.contracts.engine import PARTITIONS


@pytest.fixture(scope="session")
def journal_topic(kafka: str) -> None:
    (topic,) = (t for t in manifest(PARTITIONS, 1) if t.name == JOURNAL)
    asyncio.run(ensure_topics(KafkaAccess(kafka), [topic]))
