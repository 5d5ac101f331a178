"""What lies on the topics of the marking half."""

from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

PARTITIONS = 4
Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


async def records_of(bootstrap: str, *topics: str) -> list[Record]:
    """Every record of these topics up to now, those of a partition in their order."""
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    found: list[Record] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as reader:
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        ends = await reader.end_offsets(places)
        while any([await reader.position(tp) < ends[tp] for tp in places]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += records
    return found
