"""Labels of marking codes as a PDF: filled rectangles on the printer's dots, and plain words."""

import functools
import importlib.util
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from app.domain.marking.code import is_well_formed
from app.integrations.redaction import Veiled
from app.marking.label_formats import LAYOUTS, LabelFormat, Layout, Place, points
from app.marking.symbols import QUIET, Symbol, SymbolMismatch, checked_symbol

MOST_LABELS: Final = 2_000
NAME_LINES: Final = 2
FONT: Final = "DejaVuSans"
_QUARTERS: Final = 4
_GTIN: Final = slice(2, 16)
_SERIAL: Final = slice(18, 31)


class Goods(Struct, frozen=True):
    """What stands on the label beside the symbol; empty words are left out."""

    name: str = ""
    article: str = ""
    size: str = ""
    colour: str = ""


class PrintJob(Veiled, Struct, frozen=True, kw_only=True):
    """Codes in their order, of one GTIN, and the number of each among `total` of the line."""

    codes: tuple[str, ...]
    numbers: tuple[int, ...]
    format: LabelFormat = LabelFormat.W58_H40
    goods: Goods = Goods()
    total: int


class LabelRefused(ValueError):
    """A code that may not be printed, by its number; the text does not show the code."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"code {number}: {reason}")
        self.number = number


def render(job: PrintJob) -> bytes:
    """A PDF that is the same for the same job; every symbol in it has been read back.

    Raises LabelRefused for a malformed code, SymbolMismatch when a symbol reads differently.
    """
    if not 1 <= len(job.codes) <= MOST_LABELS:
        raise ValueError(f"codes: {len(job.codes)} are not between 1 and {MOST_LABELS}")
    assert len(job.numbers) == len(job.codes), "every code has its number"
    layout = LAYOUTS[job.format]
    page = points(layout.page_width), points(layout.page_height)
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=page, invariant=True)
    canvas.setTitle("DataMatrix")
    _register_font()
    for position, (number, code) in enumerate(zip(job.numbers, job.codes, strict=True)):
        if position and position % layout.per_page == 0:
            canvas.showPage()
        if not is_well_formed(code, code[_GTIN]):
            raise LabelRefused(number, "malformed, it may be exported but not printed")
        corner = layout.corner(position)
        _draw_symbol(canvas, layout, symbol=_symbol(code, number), corner=corner)
        _write(canvas, layout, lines=_words(job, code, number=number), corner=corner)
    canvas.save()
    return written.getvalue()


def _symbol(code: str, number: int) -> Symbol:
    try:
        return checked_symbol(code)
    except SymbolMismatch as found:
        raise SymbolMismatch(f"code {number}: {found}") from None


def _draw_symbol(canvas: Any, layout: Layout, *, symbol: Symbol, corner: Place) -> None:
    """One path of rectangles; a module is a whole number of dots, so no edge is smeared."""
    inner = layout.symbol_corner()
    left = corner.left + inner.left + QUIET * layout.module
    top = corner.top + inner.top + QUIET * layout.module
    path = canvas.beginPath()
    for run in symbol.runs():
        bottom = layout.page_height - top - (run.row + 1) * layout.module
        path.rect(
            points(left + run.column * layout.module),
            points(bottom),
            points(run.length * layout.module),
            points(layout.module),
        )
    canvas.drawPath(path, stroke=0, fill=1)


def _write(canvas: Any, layout: Layout, *, lines: Sequence[str], corner: Place) -> None:
    size = layout.font / _QUARTERS
    leading = size * 1.2
    inner = layout.text_corner()
    width, height = points(layout.text_width), points(layout.text_height)
    left = points(corner.left + inner.left)
    top = points(layout.page_height - corner.top - inner.top)
    canvas.setFont(FONT, size)
    fitting = min(len(lines), int(height / leading))
    for number, line in enumerate(lines[:fitting]):
        canvas.drawString(left, top - size - number * leading, _shortened(line, width, size))


def _words(job: PrintJob, code: str, *, number: int) -> list[str]:
    layout, goods = LAYOUTS[job.format], job.goods
    of_code = [f"GTIN {code[_GTIN]}", f"SN {code[_SERIAL]}"]
    if layout.text_below:
        return of_code
    width, size = points(layout.text_width), layout.font / _QUARTERS
    named = (("Арт. ", goods.article), ("Размер ", goods.size), ("Цвет ", goods.colour))
    return [
        *_name_lines(_plain(goods.name), width, size),
        *(f"{title}{_plain(word)}" for title, word in named if word),
        *of_code,
        f"{number}/{job.total}",
    ]


def _name_lines(name: str, width: float, size: float) -> list[str]:
    """At most two lines broken at blanks; the second one takes what is left and is shortened."""
    lines = [""]
    for word in name.split():
        longer = f"{lines[-1]} {word}".strip()
        fits = pdfmetrics.stringWidth(longer, FONT, size) <= width
        if fits or not lines[-1] or len(lines) == NAME_LINES:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def _shortened(line: str, width: float, size: float) -> str:
    if pdfmetrics.stringWidth(line, FONT, size) <= width:
        return line
    shorter = (line[:end].rstrip() + "…" for end in range(len(line) - 1, -1, -1))
    return next(text for text in shorter if pdfmetrics.stringWidth(text, FONT, size) <= width)


def _plain(text: str) -> str:
    return "".join(_printable(text))[:500]


def _printable(text: str) -> Iterator[str]:
    for sign in text:
        yield sign if sign.isprintable() else " "


@functools.cache
def _register_font() -> None:
    """The face comes with a library we need anyway; it knows Cyrillic and is embedded."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None, "a pinned dependency"
    assert found.origin is not None, "a package on disk"
    face = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{FONT}.ttf"
    pdfmetrics.registerFont(TTFont(FONT, str(face)))
