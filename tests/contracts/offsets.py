"""Which records a partition of a topic still has, read outside any group."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

COMPACTED_SOON = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.0",
    "min.compaction.lag.ms": "0",
}


async def stored(
    kafka: str, topic: str, partition: int = 0, *, isolation: str = "read_uncommitted"
) -> list[ConsumerRecord]:
    """From the beginning to the present end."""
    tp = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, isolation_level=isolation
    )
    consumer.assign([tp])
    await consumer.start()
    try:
        end = (await consumer.end_offsets([tp]))[tp]
        consumer.seek(tp, (await consumer.beginning_offsets([tp]))[tp])
        records: list[ConsumerRecord] = []
        while await consumer.position(tp) < end:
            records += (await consumer.getmany(tp, timeout_ms=300)).get(tp, [])
        return records
    finally:
        await consumer.stop()


async def present(kafka: str, topic: str, partition: int = 0) -> list[int]:
    return [record.offset for record in await stored(kafka, topic, partition)]


async def clean_often(kafka: str) -> None:
    """The cleaner of the broker (number 1) then looks for work ten times a second."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        quick = {"log.cleaner.backoff.ms": "100"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs=quick)])
    finally:
        await admin.close()


async def cut_before(kafka: str, topic: str, offset: int) -> None:
    """What retention does to the records below the offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        below = RecordsToDelete(before_offset=offset)
        await admin.delete_records({TopicPartition(topic, 0): below})
    finally:
        await admin.close()
