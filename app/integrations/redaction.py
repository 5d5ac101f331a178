"""What is cut out of every foreign text before it may be shown, stored or logged."""

import re
from typing import ClassVar, Final

from msgspec import Struct
from msgspec.structs import force_setattr

LONGEST_TEXT: Final = 500
CUT: Final = "…"

# The separator of a marking code counts as white space for \s, so blanks are named one by one.
_FULL_CODE = re.compile(r"(01\d{14}21[^ \t\r\n]{13})[^ \t\r\n]+")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.?[\w-]*")
_NAMED = re.compile(
    r"(?i)((?:маркер безопасности|clienttoken|apikey|bearer|token)[\s\"'=:<]{1,4})"
    r"(?=\S*\d)[\w.+/=-]{16,}"
)
_LONG_BASE64 = re.compile(r"[A-Za-z0-9+/]{160,}={0,2}")


class Secret:
    """A token or key that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Veiled:
    """A struct whose fields hold codes or tokens: its text names only its type."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({CUT})"


class Cut(Struct, frozen=True):
    """A struct whose fields named in `foreign` hold texts of others: cut as soon as read."""

    foreign: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.foreign:
            text = getattr(self, name)
            if text is not None:
                force_setattr(self, name, redacted(text))


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without the given secrets, tokens, signatures and tails of codes, shortened."""
    for secret in secrets:
        text = text.replace(secret, CUT)
    text = _JWT.sub(CUT, text)
    text = _NAMED.sub(rf"\1{CUT}", text)
    text = _FULL_CODE.sub(rf"\1{CUT}", text)
    text = _LONG_BASE64.sub(CUT, text)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + CUT
