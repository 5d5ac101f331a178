"""Creates the topics of a manifest and reports where the cluster differs from it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from app.contracts.topics import Topic
from app.kafka_access import KafkaAccess

REPLICAS = 3
VISIBLE_ATTEMPTS = 300
VISIBLE_PAUSE_S = 0.1


class Difference(msgspec.Struct, frozen=True):
    topic: str
    field: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        found = "nothing" if self.found is None else self.found
        return f"{self.topic}: {self.field} should be {self.wanted}, is {found}"


class TopicReport(msgspec.Struct, frozen=True):
    created: tuple[str, ...]
    differences: tuple[Difference, ...]


class TopicRefused(RuntimeError):
    """The broker refused to create or describe a topic."""


async def ensure_topics(kafka: KafkaAccess, topics: Sequence[Topic]) -> TopicReport:
    """Creates what is missing; an existing topic is compared, never changed."""
    async with _admin(kafka) as admin:
        created = await _create_missing(admin, topics)
        return TopicReport(created=created, differences=await _differences(admin, topics))


async def check_topics(kafka: KafkaAccess, topics: Sequence[Topic]) -> tuple[Difference, ...]:
    async with _admin(kafka) as admin:
        return await _differences(admin, topics)


@asynccontextmanager
async def _admin(kafka: KafkaAccess) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = kafka.client(AIOKafkaAdminClient)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _create_missing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> tuple[str, ...]:
    present = set(await admin.list_topics())
    brokers = len((await admin.describe_cluster())["brokers"])
    missing = [_new_topic(topic, brokers) for topic in topics if topic.name not in present]
    if not missing:
        return ()
    response = await admin.create_topics(missing)
    for name, code, *message in response.topic_errors:
        _accept(f"creating {name}", code, message=str(message[0] if message else ""))
    names = tuple(topic.name for topic in missing)
    for _ in range(VISIBLE_ATTEMPTS):
        if await _led(admin, names):
            return names
        await asyncio.sleep(VISIBLE_PAUSE_S)
    raise TopicRefused(f"the broker created {', '.join(names)} but does not serve them")


async def _led(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    """Whether clients can use them: a broker learns of a new topic after the controller does."""
    described = {entry["topic"]: entry for entry in await admin.describe_topics()}
    return all(
        name in described and all(part["leader"] >= 0 for part in described[name]["partitions"])
        for name in names
    )


def _new_topic(topic: Topic, brokers: int) -> NewTopic:
    replicas = min(REPLICAS, brokers)
    safety = {"min.insync.replicas": "2"} if replicas == REPLICAS else {}
    return NewTopic(topic.name, topic.partitions, replicas, topic_configs=safety | topic.config)


async def _differences(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic]
) -> tuple[Difference, ...]:
    described = await admin.describe_topics()
    partitions = {entry["topic"]: len(entry["partitions"]) for entry in described}
    configs = await _configs(admin, [topic for topic in topics if topic.name in partitions])
    return tuple(
        difference
        for topic in topics
        for difference in _compare(topic, partitions.get(topic.name), configs.get(topic.name, {}))
    )


def _compare(topic: Topic, partitions: int | None, config: dict[str, str]) -> list[Difference]:
    if partitions is None:
        return [Difference(topic.name, "topic", "present", None)]
    wanted = {"partitions": str(topic.partitions)} | topic.config
    found = {"partitions": str(partitions)} | config
    return [
        Difference(topic.name, field, value, found.get(field))
        for field, value in wanted.items()
        if found.get(field) != value
    ]


async def _configs(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic]
) -> dict[str, dict[str, str]]:
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, topic.config)
        for topic in topics
        if topic.config
    ]
    if not asked:
        return {}
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(asked):
        for code, message, _, name, entries in response.resources:
            _accept(f"describing {name}", code, message=message or "")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def _accept(action: str, code: int, *, message: str) -> None:
    error = for_code(code)
    if code and error is not TopicAlreadyExistsError:
        raise TopicRefused(f"{action}: {error.__name__} {message}".rstrip())
