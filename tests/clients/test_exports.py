"""Exports: what is stored is what stands in the file."""

import csv
import io

import pytest

from app.marking.issues import (
    CodeNotExportable,
    GsForm,
    codes_sha256,
    csv_heading,
    csv_rows,
    txt,
)
from tests.clients.printed import HARD, codes

SEVERAL = (HARD, *codes(20))
MALFORMED = ("", "01", 'a"b,c;\nd', "ж" * 40)


def test_a_text_file_holds_one_code_a_line_byte_for_byte() -> None:
    whole = b"".join(txt(SEVERAL))
    assert whole == b"".join(code.encode("ascii") + b"\n" for code in SEVERAL)
    assert tuple(whole.decode().removesuffix("\n").split("\n")) == SEVERAL
    assert whole.count(b"\x1d") == 2 * len(SEVERAL)


def test_a_table_gives_every_code_back() -> None:
    whole = b"".join([csv_heading(), *csv_rows((*SEVERAL, *MALFORMED))])
    assert whole.startswith(b'"gtin","serial","ki","code"\r\n"04600000000015","5(10)abcdefgh","01')
    rows = list(csv.DictReader(io.StringIO(whole.decode(), newline="")))
    assert tuple(row["code"] for row in rows) == (*SEVERAL, *MALFORMED)
    assert [row["ki"] for row in rows] == [code[:31] for code in (*SEVERAL, *MALFORMED)]
    assert whole.count(b"\r\n") == len(rows) + 1


def test_a_table_for_the_eye_shows_the_separator() -> None:
    whole = b"".join(csv_rows(SEVERAL, GsForm.TEXT))
    assert b"\x1d" not in whole
    assert whole.count(b"<GS>") == 2 * len(SEVERAL)


@pytest.mark.parametrize("code", ["a\nb", "a\rb"])
def test_a_code_with_a_line_end_is_refused_in_a_text_file_by_its_number(code: str) -> None:
    with pytest.raises(CodeNotExportable, match="code 2: ") as caught:
        list(txt((SEVERAL[0], code)))
    assert code not in str(caught.value)


def test_files_are_written_code_by_code() -> None:
    def endless() -> object:
        yield from SEVERAL
        raise AssertionError("asked for more than needed")

    rows = csv_rows(endless())  # type: ignore[arg-type]
    assert next(rows).startswith(b'"04600000000015"')
    assert next(rows).endswith(b'"\r\n')


def test_the_digest_of_a_list_tells_order_and_borders_apart() -> None:
    first, second = SEVERAL[:2]
    digests = {
        codes_sha256(given)
        for given in ((first, second), (second, first), (first + second,), (first,), ())
    }
    assert len(digests) == 5
    assert codes_sha256([first, second]) == codes_sha256(iter((first, second)))
