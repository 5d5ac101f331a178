"""Certificate codes: normalise, check, generate, and the keyed hash that names a certificate."""

import enum
import hmac
import re
import unicodedata

import msgspec

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
OWN_PREFIX = "GC"
RANDOM_BYTES = 11  # of these 88 bits a code uses 85
_RANDOM_SYMBOLS = 17
_OWN_LENGTH = len(OWN_PREFIX) + _RANDOM_SYMBOLS + 1
_LONGEST_TYPED = 256
_WEAK_BITS, _REFUSED_BITS = 64, 40
_ID_SYMBOLS = 26
_FOLDED = str.maketrans("OIL", "011")
_VALUES = {symbol: value for value, symbol in enumerate(SYMBOLS)}
_DOUBLED = {symbol: value * 2 // 32 + value * 2 % 32 for symbol, value in _VALUES.items()}
_PAIRS = tuple(high + low for high in SYMBOLS for low in SYMBOLS)
_FOREIGN = re.compile(r"[A-Z0-9]{8,64}")
_CERTIFICATE_ID = re.compile(r"gc_[0-7][0-9a-hjkmnp-tv-z]{25}")


class CodeFault(enum.StrEnum):
    """Why a text is no code of a certificate; the value is the refusal's name."""

    MALFORMED = "CodeMalformed"
    TOO_WEAK = "CodeTooWeak"


class Code(msgspec.Struct, frozen=True):
    """`text` is the normalised code, a bearer secret; `weak`: below 64 bit of entropy."""

    text: str
    weak: bool

    def __repr__(self) -> str:
        return f"Code(…{self.last4})"

    @property
    def last4(self) -> str:
        return self.text[-4:]


def parse(text: str) -> Code | CodeFault:
    if len(text) > _LONGEST_TYPED:
        return CodeFault.MALFORMED
    code = _normalised(text)
    if code.startswith(OWN_PREFIX):
        return _own(code)
    if not _FOREIGN.fullmatch(code):
        return CodeFault.MALFORMED
    guesses = (10 if code.isdecimal() else 36) ** len(code)
    if guesses < 1 << _REFUSED_BITS:
        return CodeFault.TOO_WEAK
    return Code(code, guesses < 1 << _WEAK_BITS)


def generate(random: bytes) -> str:
    """A normalised code of ours from `RANDOM_BYTES` bytes of a cryptographic generator."""
    assert len(random) == RANDOM_BYTES
    code = OWN_PREFIX + _base32(int.from_bytes(random) >> 3, _RANDOM_SYMBOLS)
    return code + check_symbol(code)


def check_symbol(symbols: str) -> str:
    """Luhn mod 32 over Crockford base32 symbols, the prefix included."""
    doubled = sum(map(_DOUBLED.__getitem__, symbols[::-2]))
    plain = sum(map(_VALUES.__getitem__, symbols[-2::-2]))
    return SYMBOLS[-(doubled + plain) % 32]


def grouped(code: str) -> str:
    """The code as people read it: groups of four, joined by hyphens."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def certificate_id(code: Code, pepper: bytes) -> str:
    digest = hmac.digest(pepper, code.text.encode(), "sha256")
    return "gc_" + _base32(int.from_bytes(digest[:16]), _ID_SYMBOLS).lower()


def is_certificate_id(text: str) -> bool:
    return _CERTIFICATE_ID.fullmatch(text) is not None


def _normalised(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join("-" if unicodedata.category(one) == "Pd" else one for one in text)
    return "".join(text.split()).replace("-", "").upper()


def _own(code: str) -> Code | CodeFault:
    code = code.translate(_FOLDED)
    if len(code) != _OWN_LENGTH or not _VALUES.keys() >= set(code):
        return CodeFault.MALFORMED
    if check_symbol(code[:-1]) != code[-1]:
        return CodeFault.MALFORMED
    return Code(code, weak=False)


def _base32(number: int, length: int) -> str:
    places = range(10 * ((length - 1) // 2), -1, -10)
    return "".join([_PAIRS[number >> place & 1023] for place in places])[-length:]
