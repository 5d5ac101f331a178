"""Contact keys of an embedded installation: the newest seals, older ones open for their time."""

import base64
import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from app.certificates.sealing import key_id
from app.secrets_store import FILE, new_key, write_private

KEYS = "contact_keys"
SINCE = "contact_keys_since"
# Days allocated, released and activated, and those that topics keep, fit into it.
KEPT = timedelta(days=150)


class ContactKey(NamedTuple):
    """`since`: the first start of `up` that sealed with it, None: not known, or none yet;
    `until`: the first that sealed with a newer one, None: none yet.
    """

    secret: str
    since: date | None
    until: date | None

    @property
    def id(self) -> str:
        return key_id(base64.b64decode(self.secret))

    @property
    def kept_to(self) -> date | None:
        """The last day on which something may still have to be opened with it."""
        return None if self.until is None else self.until + KEPT

    def is_over(self, today: date) -> bool:
        return self.kept_to is not None and self.kept_to < today


class ContactKeys:
    """Those in the folder's file of secrets, newest first; each change is written at once."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._stored: dict[str, str] = json.loads(self._path.read_text())

    def __iter__(self) -> Iterator[ContactKey]:
        until: date | None = None
        for secret, since in self._pairs():
            began = date.fromisoformat(since) if since else None
            yield ContactKey(secret, began, until)
            until = began or until

    @property
    def text(self) -> str:
        """As the settings read them."""
        return self._stored[KEYS]

    @property
    def newest(self) -> ContactKey:
        return next(iter(self))

    def note_use(self, today: date) -> None:
        """From today on the newest one seals, unless it does so already."""
        (secret, since), *older = self._pairs()
        if not since:
            self._write([(secret, today.isoformat()), *older])

    def add(self) -> None:
        self._write([(new_key(), ""), *self._pairs()])

    def destroy(self, keys: Iterable[ContactKey]) -> None:
        gone = {key.secret for key in keys}
        self._write(pair for pair in self._pairs() if pair[0] not in gone)

    def _pairs(self) -> list[tuple[str, str]]:
        secrets, since = self._stored[KEYS], self._stored.get(SINCE, "")
        return list(zip_longest(secrets.split(","), since.split(","), fillvalue=""))

    def _write(self, pairs: Iterable[tuple[str, str]]) -> None:
        secrets, since = zip(*pairs, strict=True)
        self._stored |= {KEYS: ",".join(secrets), SINCE: ",".join(since)}
        write_private(self._path, json.dumps(self._stored, indent=2))
