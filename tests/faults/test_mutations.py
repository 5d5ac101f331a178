"""Every durability step is guarded: its story ends right with the step and wrong without it."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contracts.topics import JOURNAL, manifest
from app.topics_admin import ensure_topics
from tests.contracts.engine import PARTITIONS
from tests.faults import directed, mutations
from tests.faults.directed import Directed
from tests.faults.mutations import Mutation

SECONDS = 10
WRONG = (AssertionError, TimeoutError, pytest.fail.Exception)
GUARDS: tuple[tuple[Mutation, Directed], ...] = (
    (mutations.ACK, directed.a_lost_append_is_answered_by_unknown_and_leaves_no_trace),
    (mutations.STORE_LAST, directed.a_lost_append_is_answered_by_unknown_and_leaves_no_trace),
    (mutations.WATERMARK, directed.commands_read_again_change_nothing),
    (mutations.FENCE, directed.a_former_owner_appends_nothing),
    (mutations.READ, directed.a_former_owner_answers_no_read),
    (mutations.MEMBERSHIP, directed.a_worker_cut_off_from_the_group_opens_nothing),
    (mutations.CONTIGUITY, directed.a_slipped_in_record_is_noticed_ignored_and_repaired),
    (mutations.STALE, directed.a_slipped_in_record_is_noticed_ignored_and_repaired),
    (mutations.REPAIR, directed.a_slipped_in_record_is_noticed_ignored_and_repaired),
    (mutations.CHAIN_INBOX, directed.a_gap_before_a_batch_is_read_again),
    (mutations.CHAIN_AGENTS, directed.an_event_dropped_on_the_way_is_read_again),
    (mutations.PUBLISHING_FENCE, directed.a_former_publisher_writes_nothing),
    (mutations.PUBLISHED_FIRST, directed.what_was_not_acknowledged_is_published_again),
    (mutations.PUBLISHING_HOLE, directed.a_compaction_hole_stops_publishing),
    (mutations.DUE, directed.due_work_survives_the_loss_of_the_local_store),
    (mutations.IDEMPOTENCY, directed.a_repeated_authorization_holds_money_once),
)
STORIES = tuple(dict.fromkeys(story for _, story in GUARDS))


@pytest.fixture(scope="session")
def journal_topic(kafka: str) -> None:
    (topic,) = (t for t in manifest(PARTITIONS, 1) if t.name == JOURNAL)
    asyncio.run(ensure_topics(kafka, [topic]))


@pytest.fixture(scope="module")
def caught(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, ...]]]:
    """Rows of (skipped step, story, where it went wrong); printed when all were told."""
    rows: list[tuple[str, ...]] = [("without", "this story goes wrong", "here")]
    yield rows
    width = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, width)).rstrip() for row in rows]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


def _name(value: object) -> str | None:
    if isinstance(value, Mutation):
        return value.step.replace(" ", "-")
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("story", STORIES, ids=_name)
async def test_with_every_step_the_story_ends_right(
    *, story: Directed, kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with asyncio.timeout(SECONDS):
        await story(kafka, tmp_path)


@pytest.mark.parametrize(("mutation", "story"), GUARDS, ids=_name)
async def test_without_its_step_the_story_ends_wrong(
    *,
    mutation: Mutation,
    story: Directed,
    kafka: str,
    journal_topic: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caught: list[tuple[str, ...]],
) -> None:
    mutation.skip(monkeypatch)
    with pytest.raises(WRONG) as ended:
        async with asyncio.timeout(SECONDS):
            await story(kafka, tmp_path)
    name = story.__name__.replace("_", " ")
    told = [entry for entry in ended.traceback if entry.path == Path(directed.__file__)]
    assert told, "it went wrong outside its story"
    where = " ".join(str(told[-1].statement).split())
    caught.append((mutation.step, name, where))
