"""Which story guards which durability step; writes the table of it into the notes."""

import inspect
from pathlib import Path

from deploy.proving.cluster import CHECKOUT
from tests.faults import directed, mutations
from tests.faults.directed import Directed
from tests.faults.mutations import Mutation

PAGE = CHECKOUT / "deploy" / "notes" / "mutations.md"
HEAD = """# Durability steps, and what shows that each is needed

Made by `python -m tests.faults.guards`; a test holds it against the code. Each step is skipped by
replacing one line of the product's source. With the step its story ends right, without it wrong, in
at most ten seconds each: `.venv/bin/pytest tests/faults/test_mutations.py`.

| Step | Skipped in | Story that then ends wrong |
| --- | --- | --- |
"""
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
    (mutations.PAGE, directed.a_page_survives_the_loss_of_the_local_store),
)


def page() -> str:
    return HEAD + "".join(_row(mutation, story) for mutation, story in GUARDS)


def _row(mutation: Mutation, story: Directed) -> str:
    source = Path(inspect.getfile(mutation.owner)).relative_to(CHECKOUT)
    owner = mutation.owner.__name__ if inspect.isclass(mutation.owner) else ""
    place = (
        f"[`{source.name} {'.'.join(filter(None, (owner, mutation.function)))}`](../../{source})"
    )
    told = story.__name__.replace("_", " ")
    return f"| {mutation.step} | {place} | [{told}](../../tests/faults/directed.py) |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
