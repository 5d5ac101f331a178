"""The world kept in a file between two runs, so that a restart forgets no order."""

import logging
import pickle
from pathlib import Path

from deploy.sandbox.participant import Participant
from deploy.sandbox.world import World

FORMAT = 1
# What a file of other or damaged classes makes the unpickler raise.
UNREADABLE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
)


def save(world: World, file: Path) -> None:
    """Writes whole or not at all; only the owner may read it, as it holds codes and tokens."""
    half = file.with_suffix(".part")
    half.touch(mode=0o600)
    half.write_bytes(pickle.dumps((FORMAT, world.participants)))
    half.replace(file)


def load(world: World, file: Path) -> None:
    """Fills the world; a file of another version is refused aloud and the world stays empty."""
    if not file.exists():
        return
    try:
        number, participants = pickle.loads(file.read_bytes())  # noqa: S301 - written by `save`
    except UNREADABLE as error:
        logging.getLogger(__name__).warning("%s is unreadable, starting empty: %s", file, error)
        return
    if number != FORMAT:
        logging.getLogger(__name__).warning("%s has another format, starting empty", file)
        return
    for inn, who in participants.items():
        assert isinstance(who, Participant)
        world.keep(inn, who)
