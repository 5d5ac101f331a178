"""Thousands of seeded histories of the certificate half, and proof that they would notice."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from app.contracts.topics import TRANSACTION
from app.domain.certificates import certificate, order_turn, refund_updates, reporting
from app.domain.certificates.step import DONE
from deploy.simulation.__main__ import play_all, try_seeds
from deploy.simulation.pipeline import Pipeline
from deploy.simulation.world import play

SEEDS = int(os.environ.get("GIFTMARK_SIMULATION_SEEDS", "2000"))
TRIES = 500
Patch = pytest.MonkeyPatch


@pytest.mark.timeout(900)  # half a minute on two idle cores
def test_every_history_keeps_the_laws_and_ends_in_agreement() -> None:
    held, failures = 0, []
    for reports, failed in play_all(1, SEEDS, jobs=os.cpu_count() or 1):
        held += len(reports)
        failures += failed
    assert not failures, f"seed {failures[0].seed}: {failures[0].cause}"
    assert held == SEEDS


@pytest.mark.parametrize("seed", [3, 77])
def test_a_seed_is_the_same_history_every_time(seed: int) -> None:
    assert play(seed) == play(seed)


def breaks(first: int = 1) -> str:
    """The cause that the first broken history of many names; empty if all of them hold."""
    for start in range(first, first + TRIES, 10):
        _, failures = try_seeds(start, 10)
        if failures:
            return failures[0].cause
    return ""


def test_a_forgotten_key_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(certificate, "find", lambda *_: None)
    assert "then" in breaks()


def test_a_question_that_takes_effect_twice_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(reporting, "_is_old", lambda *_: False)
    assert breaks()


def test_a_question_that_is_never_repeated_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(order_turn.Turn, "_next_ask", lambda *_: None)
    assert "not asked again" in breaks()


def test_a_lost_event_is_noticed(monkeypatch: Patch) -> None:
    drop_every(monkeypatch, 50, topic=TRANSACTION)
    assert breaks()


def test_a_refund_message_that_is_ignored_is_noticed(monkeypatch: Patch) -> None:
    monkeypatch.setattr(refund_updates, "_settled_closed", lambda *_, **__: DONE)
    assert "Payments has paid" in breaks()


def drop_every(monkeypatch: Patch, nth: int, *, topic: str) -> None:
    """Loses some of what publishing delivers to the topic."""
    deliver: Callable[..., None] = Pipeline._deliver
    count = 0

    def lossy(self: Pipeline, target_topic: str, target: int, **record: Any) -> None:
        nonlocal count
        count += target_topic == topic
        if target_topic != topic or count % nth:
            deliver(self, target_topic, target, **record)

    monkeypatch.setattr(Pipeline, "_deliver", lossy)
