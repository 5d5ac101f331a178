"""Every durability step is guarded: its story ends right with the step and wrong without it."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contracts.topics import JOURNAL, manifest
from app.kafka_access import KafkaAccess
from app.topics_admin import ensure_topics
from tests.contracts.engine import PARTITIONS
from tests.faults import directed
from tests.faults.directed import Directed
from tests.faults.guards import GUARDS, PAGE, page
from tests.faults.mutations import Mutation

SECONDS = 10
WRONG = (AssertionError, TimeoutError, pytest.fail.Exception)
STORIES = tuple(dict.fromkeys(story for _, story in GUARDS))


@pytest.fixture(scope="session")
def journal_topic(kafka: str) -> None:
    (topic,) = (t for t in manifest(PARTITIONS, 1) if t.name == JOURNAL)
    asyncio.run(ensure_topics(KafkaAccess(kafka), [topic]))


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


def test_the_table_in_the_notes_names_every_step_and_its_story() -> None:
    assert PAGE.read_text() == page(), "write it: python -m tests.faults.guards"
