"""Sizes of labels, in dots of 0.125 mm: what a thermal printer of 203 dpi can really place."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from app.marking.symbols import FULL_SIDE

DOTS_PER_MM: Final = 8
POINTS_PER_INCH: Final = 72
TENTHS_OF_MM_PER_INCH: Final = 254


class LabelFormat(StrEnum):
    W58_H40 = "58x40"
    W58_H30 = "58x30"
    W43_H25 = "43x25"
    W30_H20 = "30x20"
    A4_24 = "a4-24"


class Place(Struct, frozen=True):
    """A corner in dots from the left and from the top of the page."""

    left: int
    top: int


class Layout(Struct, frozen=True, kw_only=True):
    """One label, and how many of them share a page; dots, font sizes in quarters of a point."""

    width: int
    height: int
    module: int
    font: int
    text_below: bool = False
    columns: int = 1
    rows: int = 1
    page_width: int
    page_height: int
    page_top: int = 0

    @property
    def symbol(self) -> int:
        """Side of the symbol with its quiet zone."""
        return FULL_SIDE * self.module

    @property
    def per_page(self) -> int:
        return self.columns * self.rows

    def corner(self, position: int) -> Place:
        """Where the label of this position on its page begins."""
        row, column = divmod(position % self.per_page, self.columns)
        return Place(column * self.width, self.page_top + row * self.height)

    def symbol_corner(self) -> Place:
        """Where the quiet zone begins on the label."""
        if self.text_below:
            return Place((self.width - self.symbol) // 2, EDGE // 2)
        return Place(EDGE, (self.height - self.symbol) // 2)

    def text_corner(self) -> Place:
        """Where the first line of text hangs."""
        if self.text_below:
            return Place(EDGE, EDGE // 2 + self.symbol)
        return Place(EDGE + self.symbol + EDGE, EDGE)

    @property
    def text_width(self) -> int:
        return self.width - self.text_corner().left - EDGE

    @property
    def text_height(self) -> int:
        return self.height - self.text_corner().top - EDGE // 2


EDGE: Final = DOTS_PER_MM


def _single(
    width_mm: int, height_mm: int, *, module: int, font: int, below: bool = False
) -> Layout:
    width, height = width_mm * DOTS_PER_MM, height_mm * DOTS_PER_MM
    return Layout(
        width=width,
        height=height,
        module=module,
        font=font,
        text_below=below,
        page_width=width,
        page_height=height,
    )


LAYOUTS: Final = {
    LabelFormat.W58_H40: _single(58, 40, module=4, font=26),
    LabelFormat.W58_H30: _single(58, 30, module=4, font=25),
    LabelFormat.W43_H25: _single(43, 25, module=3, font=19),
    LabelFormat.W30_H20: _single(30, 20, module=3, font=19, below=True),
    LabelFormat.A4_24: Layout(
        width=70 * DOTS_PER_MM,
        height=37 * DOTS_PER_MM,
        module=4,
        font=26,
        columns=3,
        rows=8,
        page_width=210 * DOTS_PER_MM,
        page_height=297 * DOTS_PER_MM,
        page_top=4,
    ),
}


def points(dots: int) -> float:
    """Dots as the points of a PDF; a drawing unit, not an amount."""
    return dots * 10 * POINTS_PER_INCH / (TENTHS_OF_MM_PER_INCH * DOTS_PER_MM)
