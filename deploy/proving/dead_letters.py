"""What lies in the dead-letter topics, each message counted once by its place."""

import msgspec

from app.contracts.dead_letters import OFFSET, PARTITION, TOPIC
from app.contracts.topics import COMMANDS, INBOUND, dead_letters_of
from deploy.proving.books import records_of

SPOILED = "-bad"  # how the keys of spoiled messages end


class Buried(msgspec.Struct, frozen=True):
    spoiled: int
    good: int


async def buried(bootstrap: str) -> Buried:
    places: dict[bool, set[tuple[bytes, ...]]] = {True: set(), False: set()}
    for topic in (*INBOUND, COMMANDS):
        async for record in records_of(bootstrap, dead_letters_of(topic)):
            headers = dict(record.headers)
            place = (headers[TOPIC], headers[PARTITION], headers[OFFSET])
            places[record.key.decode().endswith(SPOILED)].add(place)
    return Buried(len(places[True]), len(places[False]))
