"""Mail that cannot go out now goes out later, for a while; what is refused for good does not."""

import smtplib
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from faust.types import TP

from agents.handling import TryAgain
from agents.marking import MAIL_TRIED_S, MarkingAgents
from app.batches import Batch
from app.free_port import free_port
from app.marking import audit
from app.marking.mail import Post, may_pass
from tests.flows.marking.mailbox import mailbox
from tests.flows.marking.rig import Rig

TOPIC = "marking_notifications"


async def notice(rig: Rig) -> bytes:
    """A fresh notification of the operator, who has an address."""
    await rig.database.execute("update marking.users set email = 'reader@example.org'")
    async with rig.database.transaction() as tx:
        await audit.notify(tx, rig.participant_id, kind="k", text="Заказ завершён")
    row = await rig.database.one(
        "select value::text as value from marking.outbox where topic = %(topic)s", topic=TOPIC
    )
    assert row is not None
    return str(row["value"]).encode()


def agents(rig: Rig, url: str, buried: list[bytes]) -> MarkingAgents:
    async def bury(_key: bytes, value: bytes, _headers: list[tuple[str, bytes]]) -> None:
        buried.append(value)

    async def produce(_topic: str, _key: bytes, _value: bytes) -> None:
        raise AssertionError("mail is not produced")

    post = Post(url, "from@example.org")
    return MarkingAgents(rig.desk, rig.runner, bury=bury, produce=produce, post=post)


def batch(*values: bytes, age_s: float = 0) -> Batch:
    at_ms = int((time.time() - age_s) * 1_000)
    records = [
        ConsumerRecord(TOPIC, 0, offset, at_ms, 0, b"", value, None, 0, len(value), ())
        for offset, value in enumerate(values)
    ]
    source: Any = SimpleNamespace(lives={}, finished={}, leave=lambda _tp: None)
    return Batch(source, TP(TOPIC, 0), records, follows=0)


def done(of: Batch) -> bool:
    return TP(TOPIC, 0) in of.consumer.finished


async def test_a_mail_waits_for_its_server_and_goes_out_once(rig: Rig) -> None:
    buried: list[bytes] = []
    given = batch(b"no notice", await notice(rig))
    with pytest.raises(TryAgain):
        await agents(rig, f"smtp://127.0.0.1:{free_port()}", buried).notifications(given)
    assert not done(given)
    assert buried == []

    with mailbox() as (url, received):
        for _ in range(2):
            await agents(rig, url, buried).notifications(given)
        assert received == ["Заказ завершён"]
    assert done(given)
    assert set(buried) == {b"no notice"}


async def test_a_mail_is_tried_only_for_a_while(rig: Rig) -> None:
    late = batch(await notice(rig), age_s=MAIL_TRIED_S + 1)
    await agents(rig, f"smtp://127.0.0.1:{free_port()}", []).notifications(late)
    assert done(late)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (smtplib.SMTPServerDisconnected(), True),
        (smtplib.SMTPResponseException(451, "later"), True),
        (smtplib.SMTPAuthenticationError(535, "no"), False),
        (smtplib.SMTPRecipientsRefused({"a@b": (450, b"busy")}), True),
        (smtplib.SMTPRecipientsRefused({"a@b": (550, b"unknown")}), False),
        (smtplib.SMTPNotSupportedError(), False),
    ],
)
def test_only_passing_troubles_are_waited_for(error: OSError, passes: bool) -> None:
    assert may_pass(error) is passes
