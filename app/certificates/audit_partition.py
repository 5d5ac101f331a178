"""One partition under audit: what the journal says, what was published, where they differ."""

import msgspec

from app.certificates.audit_findings import Findings
from app.certificates.audit_fold import (
    BALANCES,
    MONEY,
    CertificateFold,
    balance_of,
    unbalanced,
    unlike,
)
from app.certificates.audit_journal import Journaled, JournalFold, ShownMoney
from app.certificates.audit_repetitions import Repetitions, Sight
from app.contracts.messages import Envelope, GiftCertificateTransaction

ABSENT = "Absent"
SHOWN = (*MONEY, "shortfall")  # no event tells what is short
_transaction = msgspec.json.Decoder(Envelope[GiftCertificateTransaction])
_state = msgspec.json.Decoder(Envelope[ShownMoney])


class PartitionAudit:
    """Fed with the journal up to a fixed end first, then with both public topics.

    What was published beyond that end is left to the next audit.
    """

    def __init__(self, journal: JournalFold, findings: Findings) -> None:
        self.journal = journal
        self.findings = findings
        self.strangers: set[str] = set()
        self._folds: dict[str, CertificateFold] = {}
        self._states: dict[str, tuple[int, ShownMoney]] = {}
        self._moved_on: set[str] = set()
        self._events_seen = Repetitions()
        self._states_seen = Repetitions()
        published = [key for key, one in journal.certificates.items() if one.published]
        self._awaited_events = set(published)
        self._awaited_states = set(published)

    @property
    def behind(self) -> int:
        """How many journaled histories and states were not seen in public yet."""
        return len(self._awaited_events) + len(self._awaited_states)

    def transaction(self, value: bytes) -> None:
        try:
            event = _transaction.decode(value)
        except msgspec.DecodeError as error:
            self.findings.add("unreadable", "GiftCertificateTransaction", str(error))
            return
        self.findings.events += 1
        key = event.data.certificate_id
        journaled = self._journaled(key)
        if journaled is None:
            return
        if event.sequence <= journaled.sequence:
            self._fold(key, event, value)
        if event.sequence > journaled.published or self._has_all(key, journaled):
            self._awaited_events.discard(key)

    def state(self, value: bytes) -> None:
        try:
            shown = _state.decode(value)
        except msgspec.DecodeError as error:
            self.findings.add("unreadable", "GiftCertificateState", str(error))
            return
        self.findings.states += 1
        key = shown.data.certificate_id
        journaled = self._journaled(key)
        if journaled is None:
            return
        if shown.sequence >= journaled.published:
            self._awaited_states.discard(key)
        if shown.sequence > journaled.sequence:
            self._moved_on.add(key)
            return
        sight = self._states_seen.sight(shown.id, value)
        self._count(sight, key, shown.id)
        self._states[key] = (shown.sequence, shown.data)

    def close(self, *, complete: bool) -> None:
        """Compares; `complete`: retention has eaten no event of this partition."""
        for key, journaled in self.journal.certificates.items():
            if journaled.money.lifecycle != ABSENT:
                self._close_one(key, journaled, complete=complete)
        for key in self.strangers:
            self.findings.add("unknown", key, "published, but not in the journal")

    def _journaled(self, key: str) -> Journaled | None:
        journaled = self.journal.certificates.get(key)
        if journaled is None:
            self.strangers.add(key)
        return journaled

    def _has_all(self, key: str, journaled: Journaled) -> bool:
        fold = self._folds.get(key)
        if fold is None or fold.last[0] < journaled.published:
            return False
        return journaled.moves is None or fold.moves >= journaled.moves

    def _fold(self, key: str, event: Envelope[GiftCertificateTransaction], value: bytes) -> None:
        fold = self._folds.setdefault(key, CertificateFold())
        position = (event.sequence, event.n)
        sight = self._events_seen.sight(event.id, value)
        self._count(sight, key, event.id)
        if sight is not Sight.NEW:
            return
        if position > fold.last:
            for kind, detail in fold.take(position, event.data):
                self.findings.add(kind, key, detail)
        elif not self._events_seen.forgot:
            self.findings.add("disorder", key, f"{event.id} came after a later event")

    def _count(self, sight: Sight, key: str, event_id: str) -> None:
        if sight is Sight.SAME:
            self.findings.repetitions += 1
        elif sight is Sight.CHANGED:
            self.findings.add("changed", key, f"{event_id} came again with other content")

    def _close_one(self, key: str, journaled: Journaled, *, complete: bool) -> None:
        self.findings.certificates += 1
        sums = self.findings.totals(journaled.money.currency)
        sums.certificates += 1
        sums.by_journal += balance_of(journaled.money)
        for fault in unbalanced(journaled.money, journaled.money.nominal):
            self.findings.add("money", key, f"journal: {fault}")
        sums.by_events += self._close_fold(key, journaled, complete=complete)
        sums.by_states += self._close_state(key, journaled)

    def _close_fold(self, key: str, journaled: Journaled, *, complete: bool) -> int:
        """The balance by events; retention may have taken them all, then the journal's."""
        fold = self._folds.get(key)
        if fold is None and not complete:
            return balance_of(journaled.money)
        if fold is None:
            self.findings.add("lost", key, "no GiftCertificateTransaction at all")
            return 0
        if fold.opened_late and complete:
            self.findings.add("lost", key, "the first event is not Issued")
        if complete and journaled.moves not in {None, fold.moves}:
            detail = f"{fold.moves} events, journal has {journaled.moves}"
            self.findings.add("count", key, detail)
        names = BALANCES if fold.opened_late else MONEY
        for fault in unlike(fold, journaled.money, names):
            self.findings.add("journal", key, f"events against journal: {fault}")
        return balance_of(fold)

    def _close_state(self, key: str, journaled: Journaled) -> int:
        """The balance shown; a state beyond the journal's end may have replaced the one sought."""
        if key in self._moved_on:
            return balance_of(journaled.money)
        sequence, data = self._states.get(key, (0, None))
        if data is None:
            self.findings.add("lost", key, "no GiftCertificateState")
            return 0
        if sequence < journaled.published:
            detail = f"the last is of {sequence}, journal {journaled.published}"
            self.findings.add("stale", key, detail)
        if data.lifecycle != journaled.money.lifecycle:
            detail = f"{data.lifecycle} against {journaled.money.lifecycle}"
            self.findings.add("state", key, f"state against journal: {detail}")
        for fault in unlike(data, journaled.money, SHOWN):
            self.findings.add("state", key, f"state against journal: {fault}")
        for fault in unbalanced(data, data.nominal):
            self.findings.add("money", key, f"state: {fault}")
        if data.balance != balance_of(data):
            self.findings.add("money", key, "state: balance is not the sum of its parts")
        return data.balance
