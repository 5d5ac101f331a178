"""Acceptance scenario 33: many open orders of one participant do not starve the only one."""

import asyncio
from contextlib import closing

import psycopg2

from app.secrets_store import variable
from deploy.polling_load.measuring import watch
from deploy.polling_load.seeding import Load, Place, seed
from tests.flows.marking.processes import SCALE
from tests.flows.marking.stack import Stack

KEYS = variable("marking_secret_keys")
INTERVAL_S = 120
SECONDS = 14


def test_s33_the_only_order_is_polled_beside_two_hundred(stack: Stack) -> None:
    """Order by order, the mode in which it is hard: one call each at 8 calls a second.

    Time runs too fast here for the limit of calls to bite; `deploy/polling_load` is not hurried.
    """
    stack.rest_spare()
    load = Load(participants=1, orders=200, scale=SCALE, interval_s=INTERVAL_S)
    stack.main.stop()
    players = asyncio.run(seed(Place(stack.dsn, stack.sandbox, stack.env[KEYS]), load))
    stack.main.start(
        GIFTMARK_MARKING_SUZ_POLL_MODE="status", GIFTMARK_SUZ_POLL_INTERVAL=str(INTERVAL_S)
    )
    stack.main.wait_ready()
    assert stack.main.process is not None
    figures = watch(players, [stack.main.process.pid], load=load, seconds=SECONDS)
    forget(stack.dsn, [player.inn for player in players])
    stack.main.stop()
    stack.main.start()
    stack.main.wait_ready()
    assert figures.broken(load) == [], figures
    assert figures.polled == load.orders, figures


def forget(dsn: str, inns: list[str]) -> None:
    """Nobody polls these orders any more: other scenarios follow."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """delete from marking.polls where participant_id in
                   (select id from marking.participants where inn = any(%s))""",
            [inns],
        )
        connection.commit()
