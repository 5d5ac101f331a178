"""How old the oldest unpublished record of a partition is said to be."""

from faust.types import TP

from app.contracts.topics import COMMANDS, JOURNAL
from app.lag import PublishingAge
from app.metrics import FLOW

FIRST, SECOND = TP(JOURNAL, 1), TP(JOURNAL, 2)
HOUR_MS = 3_600_000


class Scene:
    """Time passes by hand; `ages` are the samples after one more measurement."""

    def __init__(self) -> None:
        self.now_ms = 10 * HOUR_MS
        self.age = PublishingAge(lambda: self.now_ms)

    def ages(self, behind: dict[TP, int]) -> dict[str, float]:
        self.age.tell(behind)
        (metric,) = FLOW.publish_age.collect()
        return {sample.labels["partition"]: sample.value for sample in metric.samples}


def test_a_few_records_that_lie_for_over_an_hour_are_that_old() -> None:
    scene = Scene()
    scene.age.reached(1, scene.now_ms - HOUR_MS)
    assert scene.ages({FIRST: 1, TP(COMMANDS, 1): 9, SECOND: 0}) == {"1": 3_600}
    scene.now_ms += 1_000
    assert scene.ages({FIRST: 3}) == {"1": 3_601}


def test_a_busy_partition_that_keeps_up_is_as_old_as_what_it_is_at() -> None:
    scene = Scene()
    for _ in range(3):
        scene.now_ms += HOUR_MS
        scene.age.reached(1, scene.now_ms - 2_000)
        assert scene.ages({FIRST: 5_000}) == {"1": 2}


def test_what_comes_after_hours_of_rest_is_new() -> None:
    scene = Scene()
    scene.age.reached(1, scene.now_ms)
    assert scene.ages({FIRST: 0}) == {}
    scene.now_ms += 2 * HOUR_MS
    assert scene.ages({FIRST: 1}) == {"1": 0}


def test_what_publishing_never_comes_to_grows_old_from_when_it_was_seen() -> None:
    scene = Scene()
    assert scene.ages({FIRST: 1, SECOND: 1}) == {"1": 0, "2": 0}
    scene.now_ms += 2 * HOUR_MS
    assert scene.ages({FIRST: 1}) == {"1": 7_200}, "the other was handed away"
    assert scene.ages({FIRST: 1, SECOND: 1}) == {"1": 7_200, "2": 0}
