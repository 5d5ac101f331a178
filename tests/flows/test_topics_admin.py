"""The topics of the manifest on a real broker."""

import uuid

import pytest

from app.contracts.topics import Topic, manifest
from app.embedded_kafka import KafkaBroker
from app.kafka_access import KafkaAccess
from app.topics_admin import TopicRefused, check_topics, ensure_topics


def a_topic(partitions: int = 2, **config: str) -> Topic:
    named = {key.replace("_", "."): value for key, value in config.items()}
    return Topic(f"t-{uuid.uuid4().hex}", partitions, named)


async def test_missing_topics_are_reported_then_created_once(kafka: str) -> None:
    topic = a_topic(cleanup_policy="compact")
    (missing,) = await check_topics(KafkaAccess(kafka), [topic])
    assert str(missing) == f"{topic.name}: topic should be present, is nothing"
    assert (await ensure_topics(KafkaAccess(kafka), [topic])).created == (topic.name,)
    again = await ensure_topics(KafkaAccess(kafka), [topic])
    assert again.created == ()
    assert again.differences == ()


async def test_another_partition_count_and_configuration_are_reported_and_left(kafka: str) -> None:
    topic = a_topic(partitions=2, retention_ms="1000")
    await ensure_topics(KafkaAccess(kafka), [topic])
    wanted = Topic(topic.name, 3, {"retention.ms": "2000", "cleanup.policy": "delete"})
    for _ in range(2):
        report = await ensure_topics(KafkaAccess(kafka), [wanted])
        assert [str(difference) for difference in report.differences] == [
            f"{topic.name}: partitions should be 3, is 2",
            f"{topic.name}: retention.ms should be 2000, is 1000",
        ]


async def test_a_configuration_the_broker_does_not_know_is_refused_by_name(kafka: str) -> None:
    topic = a_topic(retention_ms="soon")
    with pytest.raises(TopicRefused, match=topic.name):
        await ensure_topics(KafkaAccess(kafka), [topic])


async def test_the_manifest_is_created_as_written(broker: KafkaBroker) -> None:
    topics = manifest(2, 1)
    report = await ensure_topics(KafkaAccess(broker.bootstrap), topics)
    assert len(report.created) == len(topics)
    assert report.differences == ()
