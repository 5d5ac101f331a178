"""Labels: every page is drawn, looked at and read back; nothing wrong may be printed."""

import itertools
import sys
from typing import Any

import pytest
from pylibdmtx.pylibdmtx import encode

from app.marking import labels, press, symbols
from app.marking.label_formats import LAYOUTS, LabelFormat
from app.marking.labels import Goods, LabelRefused, PrintJob, render
from app.marking.press import LabelsFailed, Press
from app.marking.symbols import (
    SIDE,
    Symbol,
    SymbolMismatch,
    SymbolUnavailable,
    checked_symbol,
    draw,
    read,
)
from tests.clients.printed import HARD, codes, label_of, page_of, rectangles, streams

GOODS = Goods(
    "Футболка женская белая хлопковая с очень длинным названием", "A-44/77", "44-46", "белый"
)


def job(
    count: int = 3, *, form: LabelFormat = LabelFormat.W58_H40, goods: Goods = GOODS
) -> PrintJob:
    return numbered(codes(count), format=form, goods=goods)


def numbered(given: tuple[str, ...], first: int = 1, **how: Any) -> PrintJob:
    numbers = tuple(range(first, first + len(given)))
    return PrintJob(codes=given, numbers=numbers, total=len(given), **how)


@pytest.mark.parametrize("code", [HARD, *codes(40)])
def test_a_symbol_gives_its_code_back_byte_for_byte(code: str) -> None:
    assert len(code) == 85
    symbol = checked_symbol(code)
    assert len(symbol.rows) == SIDE
    assert read(symbol) == code


@pytest.mark.parametrize("before", [b"", b"\x1d"])
def test_a_plain_symbol_is_not_taken_for_a_gs1_one(before: bytes) -> None:
    plain = encode(before + codes(1)[0].encode(), size="36x36")
    assert symbols.read_pixels(plain.pixels[::3], plain.width) is None


def test_a_library_that_does_not_set_the_gs1_mark_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(symbols, "_FNC1_PROPERTY", 999)
    with pytest.raises(SymbolMismatch):
        checked_symbol(codes(1)[0])


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibdmtx.pylibdmtx", None)
    symbols._library.cache_clear()
    with pytest.raises(SymbolUnavailable, match="libdmtx is not installed"):
        checked_symbol(codes(1)[0])
    symbols._library.cache_clear()


def test_the_edges_of_a_symbol_are_those_of_a_datamatrix() -> None:
    rows = draw(codes(1)[0]).rows
    assert all(rows[-1])
    assert all(row[0] for row in rows)
    assert list(rows[0]) == [True, False] * (SIDE // 2)


def test_runs_cover_the_dark_modules_and_nothing_else() -> None:
    symbol = draw(codes(1)[0])
    drawn = [[False] * SIDE for _ in range(SIDE)]
    for run in symbol.runs():
        for column in range(run.column, run.column + run.length):
            assert not drawn[run.row][column]
            drawn[run.row][column] = True
    assert tuple(tuple(row) for row in drawn) == symbol.rows


@pytest.mark.parametrize("form", list(LabelFormat))
def test_every_label_on_every_page_reads_as_its_code(form: LabelFormat) -> None:
    layout, wanted = LAYOUTS[form], job(26, form=form)
    pages = [page_of(content, layout) for content in streams(render(wanted))]
    assert len(pages) == -(-26 // layout.per_page)
    for position, code in enumerate(wanted.codes):
        label = label_of(pages[position // layout.per_page], layout, position)
        assert symbols.read_pixels(label, layout.width) == code, position


@pytest.mark.parametrize("form", list(LabelFormat))
def test_everything_stands_on_the_dots_of_the_printer(form: LabelFormat) -> None:
    layout = LAYOUTS[form]
    for number in itertools.chain.from_iterable(rectangles(streams(render(job(1, form=form)))[0])):
        assert abs(number - round(number)) < 0.01
    corner = layout.symbol_corner()
    assert corner.left >= 0
    assert corner.left + layout.symbol <= layout.width
    assert corner.top + layout.symbol <= layout.height
    assert layout.columns * layout.width <= layout.page_width
    assert layout.page_top + layout.rows * layout.height <= layout.page_height


@pytest.mark.parametrize(
    ("form", "side_in_hundredths_of_mm"),
    [
        (LabelFormat.W58_H40, 1_900),
        (LabelFormat.W58_H30, 1_900),
        (LabelFormat.W43_H25, 1_425),
        (LabelFormat.W30_H20, 1_425),
        (LabelFormat.A4_24, 1_900),
    ],
)
def test_a_symbol_has_the_promised_size(form: LabelFormat, side_in_hundredths_of_mm: int) -> None:
    assert LAYOUTS[form].symbol * 100 == side_in_hundredths_of_mm * 8


@pytest.mark.parametrize(
    ("form", "goods", "lines"),
    [
        (LabelFormat.W58_H40, GOODS, 8),
        (LabelFormat.W43_H25, GOODS, 8),
        (LabelFormat.W58_H40, Goods("Майка", "", "", "белый"), 5),
        (LabelFormat.W58_H40, Goods(), 3),
        (LabelFormat.W30_H20, GOODS, 2),
        (LabelFormat.W58_H40, Goods("слово" * 200, "a\nb", "с" * 500), 6),
    ],
)
def test_words_stand_beside_the_symbol_where_they_fit(
    form: LabelFormat, goods: Goods, lines: int
) -> None:
    pdf = render(job(1, form=form, goods=goods))
    assert streams(pdf)[0].count(b" Tj") == lines
    assert b"/FontFile2" in pdf


def test_the_same_job_gives_the_same_file() -> None:
    assert render(job()) == render(job())
    assert render(job()) != render(job(goods=Goods("Другое")))


def test_a_symbol_that_reads_differently_stops_the_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = codes(2)
    right = draw

    def wrong(code: str) -> Symbol:
        return right(first if code == second else code)

    monkeypatch.setattr(symbols, "draw", wrong)
    with pytest.raises(SymbolMismatch, match="code 2") as caught:
        render(numbered((first, second)))
    assert second[31:] not in str(caught.value)
    assert press.made(numbered((first, second))) == press.Unprinted(
        "mismatch", "code 2: the symbol gives other bytes back"
    )


@pytest.mark.parametrize(
    "code", ["", codes(1)[0][:-1], codes(1)[0].replace("\x1d", ""), codes(1)[0] + "a", "ж" * 85]
)
def test_a_malformed_code_is_never_printed(code: str) -> None:
    with pytest.raises(LabelRefused, match="code 12: malformed"):
        render(numbered((codes(1)[0], code), 11))


@pytest.mark.parametrize("count", [0, labels.MOST_LABELS + 1])
def test_an_issue_of_labels_has_its_limits(count: int) -> None:
    with pytest.raises(ValueError, match="codes: "):
        render(numbered(codes(1) * count))


async def test_labels_are_made_in_a_process_of_their_own() -> None:
    assert await Press().print(job()) == render(job())


async def test_a_refusal_comes_back_from_that_process() -> None:
    with pytest.raises(LabelsFailed, match="code 1: malformed") as caught:
        await Press().print(numbered(("short",)))
    assert (caught.value.kind, caught.value.number) == ("refused", 1)


async def test_a_process_that_dies_or_hangs_is_told_as_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(LabelsFailed, match="took over") as caught:
        await Press(longest_s=0.01).print(job())
    assert caught.value.kind == "broken"

    def aborting(_command: list[str]) -> list[str]:
        return ["/bin/sh", "-c", "cat > /dev/null; kill -ABRT $$"]

    monkeypatch.setattr(press, "tethered", aborting)
    with pytest.raises(LabelsFailed, match="ended with -6") as caught:
        await Press().print(job())
    assert caught.value.kind == "broken"


def test_a_job_shows_no_code() -> None:
    assert codes(1)[0][:20] not in f"{job()!r}{job()}"
