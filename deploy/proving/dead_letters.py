"""How many spoiled messages lie in the dead-letter topics, each counted once by its place."""

from app.contracts.dead_letters import OFFSET, PARTITION, TOPIC
from app.contracts.topics import COMMANDS, INBOUND, dead_letters_of
from deploy.proving.books import records_of


async def buried(bootstrap: str) -> int:
    places = set()
    for topic in (*INBOUND, COMMANDS):
        async for record in records_of(bootstrap, dead_letters_of(topic)):
            headers = dict(record.headers)
            places.add((headers[TOPIC], headers[PARTITION], headers[OFFSET]))
    return len(places)
