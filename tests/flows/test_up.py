"""The machine that `up` starts: it keeps its data, comes back after kills and leaves nothing."""

from contextlib import closing
from pathlib import Path

import psycopg2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.embedded_kafka import KafkaBroker
from app.embedded_postgres import PostgresServer


async def test_a_killed_broker_keeps_its_records_and_its_port(broker: KafkaBroker) -> None:
    address = broker.bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        await producer.send_and_wait("kept", b"before the kill")
    broker.kill()
    assert broker.start() == address
    async with AIOKafkaConsumer(
        "kept", bootstrap_servers=address, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"before the kill"


def test_a_second_start_of_the_database_continues_its_data(tmp_path: Path) -> None:
    first = PostgresServer(tmp_path, durable=False)
    with closing(psycopg2.connect(first.start())) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'before the kill' AS words")
        connection.commit()
    first.kill()
    second = PostgresServer(tmp_path, durable=False)
    with closing(psycopg2.connect(second.start())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT words FROM kept")
        assert cursor.fetchone() == ("before the kill",)
    second.stop()


def test_every_test_gets_an_empty_database(postgres: str) -> None:
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
