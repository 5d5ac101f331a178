"""Codes: known vectors, spellings that people type, and the strength of foreign codes."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.certificates.codes import (
    RANDOM_BYTES,
    SYMBOLS,
    Code,
    CodeFault,
    certificate_id,
    check_symbol,
    generate,
    grouped,
    is_certificate_id,
    parse,
)

DOCUMENTED = "GC7K2M9TXQ4P0D8VR6N4"
PEPPER = bytes(range(32))
random_codes = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES).map(generate)


def luhn_by_the_book(symbols: str) -> str:
    factor, total = 2, 0
    for symbol in reversed(symbols):
        addend = factor * SYMBOLS.index(symbol)
        total += addend // 32 + addend % 32
        factor = 3 - factor
    return SYMBOLS[(32 - total % 32) % 32]


@pytest.mark.parametrize(
    "typed",
    [
        "GC7K-2M9T-XQ4P-0D8V-R6N4",
        DOCUMENTED,
        "gc7k 2m9t xq4p 0d8v r6n4",
        " gc7k-2m9t-xq4p-Od8v-r6n4\n",
        "ＧＣ７Ｋ－２Ｍ９Ｔ－ＸＱ４Ｐ－０Ｄ８Ｖ－Ｒ６Ｎ４",
        "GC7K‑2M9T‑XQ4P–0D8V—R6N4",
    ],
)
def test_every_way_to_type_a_code_is_the_same_code(typed: str) -> None:
    assert parse(typed) == Code(DOCUMENTED, weak=False)


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("GC7K-2M9T-XQ4P-0D8V-R6N5", CodeFault.MALFORMED),
        ("GC7K-2M9T-XQ4P-0D8V-R6N", CodeFault.MALFORMED),
        ("GC7K-2M9T-XQ4P-0D8V-R6N44", CodeFault.MALFORMED),
        ("GC7U-2M9T-XQ4P-0D8V-R6N4", CodeFault.MALFORMED),
        ("GC", CodeFault.MALFORMED),
        ("", CodeFault.MALFORMED),
        ("ABCD123", CodeFault.MALFORMED),
        ("A" * 65, CodeFault.MALFORMED),
        ("A" * 100_000, CodeFault.MALFORMED),
        ("ПОДАРОК12345", CodeFault.MALFORMED),
        ("ABCD_1234567", CodeFault.MALFORMED),
        ("123456789012", CodeFault.TOO_WEAK),
        ("1234567", CodeFault.MALFORMED),
    ],
)
def test_a_text_that_is_no_code_is_refused_with_its_reason(typed: str, fault: CodeFault) -> None:
    assert parse(typed) is fault


@pytest.mark.parametrize(
    ("typed", "weak"),
    [
        ("1234567890123", True),
        ("1234567890123456789", True),
        ("12345678901234567890", False),
        ("ABCD1234", True),
        ("ABCD12345678", True),
        ("ABCD123456789", False),
    ],
)
def test_foreign_codes_below_64_bit_are_marked_weak(typed: str, weak: bool) -> None:
    assert parse(typed) == Code(typed, weak)


def test_letters_of_foreign_codes_are_not_folded() -> None:
    assert parse("OIL-OIL-OIL-OIL-O") == Code("OILOILOILOILO", weak=False)


def test_known_vectors_of_generation() -> None:
    assert generate(bytes(11)) == "GC" + "0" * 17 + luhn_by_the_book("GC" + "0" * 17)
    assert generate(b"\xff" * 11)[:19] == "GC" + "Z" * 17
    assert generate(bytes(range(11)))[:19] == "GC000G40R40M30E2091"


@given(random_codes)
def test_a_generated_code_is_valid_strong_and_readable(code: str) -> None:
    assert len(code) == 20
    assert parse(grouped(code)) == Code(code, weak=False)
    assert code[-1] == luhn_by_the_book(code[:-1])


@given(random_codes, st.integers(2, 19), st.sampled_from(SYMBOLS))
def test_one_wrong_symbol_is_always_noticed(code: str, place: int, symbol: str) -> None:
    changed = code[:place] + symbol + code[place + 1 :]
    assert (parse(changed) == parse(code)) is (changed == code)


@given(st.text(SYMBOLS, min_size=1, max_size=40))
def test_the_check_symbol_is_that_of_the_book(symbols: str) -> None:
    assert check_symbol(symbols) == luhn_by_the_book(symbols)


@given(st.text(max_size=80))
def test_parsing_never_raises_and_is_stable(text: str) -> None:
    code = parse(text)
    assert isinstance(code, CodeFault) or parse(code.text) == code


def test_the_id_is_the_first_128_bit_of_the_keyed_hash() -> None:
    digest = hmac.new(PEPPER, DOCUMENTED.encode(), hashlib.sha256).digest()
    named = certificate_id(Code(DOCUMENTED, weak=False), PEPPER)
    number = 0
    for symbol in named.removeprefix("gc_").upper():
        number = number * 32 + SYMBOLS.index(symbol)
    assert number.to_bytes(16) == digest[:16]
    assert named == "gc_6b5y0fxs5dhcmbesvpse113h2v"


def test_an_id_is_recognised_only_in_its_exact_form() -> None:
    assert is_certificate_id("gc_5r2k9mz0c7w3fq8t1xvhd4ynbe")
    for other in ("gc_5r2k9mz0c7w3fq8t1xvhd4ynb", "gc_9r2k9mz0c7w3fq8t1xvhd4ynbe", DOCUMENTED):
        assert not is_certificate_id(other)


def test_another_pepper_names_another_certificate() -> None:
    code = Code(DOCUMENTED, weak=False)
    assert certificate_id(code, PEPPER) != certificate_id(code, PEPPER[::-1])


def test_a_code_does_not_show_itself_in_logs() -> None:
    assert repr(Code(DOCUMENTED, weak=False)) == "Code(…R6N4)"
