"""Everything the emulator holds: the participants and the demo certification centre."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from deploy.sandbox.authority import Authority
from deploy.sandbox.codes import Code
from deploy.sandbox.identifiers import Identifiers
from deploy.sandbox.participant import Participant, Setup, new_participant
from deploy.sandbox.tokens import Token

ANY = "any"
MAX_PARTICIPANTS = 2000
MAX_CHALLENGES = 20_000


@dataclass
class Challenge:
    data: str
    issued_ms: int
    used: bool = False


@dataclass
class World:
    """`anybody` stands for requests that name no participant (`auth/key`)."""

    authority: Authority
    scale: float
    participants: dict[str, Participant] = field(default_factory=dict)
    challenges: dict[str, Challenge] = field(default_factory=dict)
    by_oms_id: dict[str, str] = field(default_factory=dict)
    by_connection: dict[str, str] = field(default_factory=dict)
    by_apikey: dict[str, str] = field(default_factory=dict)
    anybody: Participant = field(init=False)
    ids: Identifiers = field(default_factory=lambda: Identifiers("world"))

    def __post_init__(self) -> None:
        self.anybody = new_participant(ANY, Setup(cards=0), self.scale)

    def reset(self, inn: str, setup: Setup) -> Participant:
        """Makes the participant anew; gates of the former one are dropped."""
        former = self.participants.pop(inn, None)
        if former:
            former.gates.release(None, "drop")
            del self.by_oms_id[former.oms_id]
            del self.by_connection[former.oms_connection]
            del self.by_apikey[former.apikey]
        if len(self.participants) >= MAX_PARTICIPANTS:
            raise ValueError(f"more than {MAX_PARTICIPANTS} participants")
        who = new_participant(inn, setup, self.scale)
        taken = (
            who.oms_id in self.by_oms_id
            or who.oms_connection in self.by_connection
            or who.apikey in self.by_apikey
        )
        if taken:
            raise ValueError("oms_id, oms_connection or apikey belongs to another participant")
        self.keep(inn, who)
        return who

    def keep(self, inn: str, who: Participant) -> None:
        self.participants[inn] = who
        self.by_oms_id[who.oms_id] = inn
        self.by_connection[who.oms_connection] = inn
        self.by_apikey[who.apikey] = inn

    def named(self, inn: str) -> Participant | None:
        return self.anybody if inn == ANY else self.participants.get(inn)

    def token(self, value: str) -> tuple[Participant, Token] | None:
        for who in self.participants.values():
            token = who.tokens.tokens.get(value)
            if token:
                return who, token
        return None

    def code(self, ki: str) -> tuple[Participant, Code] | None:
        for who in self.participants.values():
            code = who.codes.get(ki)
            if code:
                return who, code
        return None

    def add_challenge(self, now_ms: int) -> tuple[str, Challenge]:
        if len(self.challenges) >= MAX_CHALLENGES:
            del self.challenges[next(iter(self.challenges))]
        uuid = self.ids.uuid("challenge")
        self.challenges[uuid] = Challenge(self.ids.letters("challenge", 30), now_ms)
        return uuid, self.challenges[uuid]

    def everybody(self) -> Iterator[Participant]:
        return iter(self.participants.values())
