"""GTIN, ИНН and marking codes."""

import pytest

from app.domain.marking.code import (
    gtin_check_digit,
    is_inn,
    is_serial,
    is_technical,
    is_well_formed,
    ki_of,
    normal_gtin,
)

GTIN = "04600000000015"


def code(gtin: str = GTIN, serial: str = "5A!\"%&'()*+,-", key: str = "EE12") -> str:
    return f"01{gtin}21{serial}\x1d91{key}\x1d92{'A' * 43}="


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("04600000000015", GTIN),
        ("4600000000015", GTIN),
        ("04600000000016", None),
        ("460000000001", None),
        ("0460000000001٥", None),
        ("0460000000001a", None),
        ("", None),
    ],
)
def test_a_gtin_has_fourteen_digits_and_a_right_check_digit(
    text: str, expected: str | None
) -> None:
    assert normal_gtin(text) == expected


def test_the_check_digit_of_the_known_example_is_five() -> None:
    assert gtin_check_digit("0460000000001") == "5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7700000016", True),
        ("7700000017", False),
        ("500100732259", True),
        ("500100732258", False),
        ("77000000", False),
        ("77000000a6", False),
    ],
)
def test_an_inn_has_right_check_digits(text: str, *, expected: bool) -> None:
    assert is_inn(text) is expected


def test_a_code_of_the_group_is_recognised() -> None:
    assert is_well_formed(code(), GTIN)
    assert ki_of(code()) == code()[:31]


@pytest.mark.parametrize(
    "wrong",
    [
        code(gtin="04600000000022"),
        code(serial="5A!\"%&'()*+,"),
        code(key="EE1"),
        code().replace("\x1d", ""),
        code() + "x",
        code(serial="5A#b#c#d#e#f#"),
        "",
    ],
)
def test_anything_else_is_malformed(wrong: str) -> None:
    assert not is_well_formed(wrong, GTIN)


def test_serials_of_our_own_have_twelve_symbols() -> None:
    assert is_serial("AAAA00000001")
    assert not is_serial("AAAA0000001")
    assert not is_serial("AAAA0000000#")


def test_technical_gtins_are_known_by_their_prefix() -> None:
    assert is_technical("02900000000015")
    assert not is_technical(GTIN)
