"""A marking code as a GS1 DataMatrix symbol, read back before anybody may print it."""

import ctypes
import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

SIDE: Final = 36
QUIET: Final = 1
FULL_SIDE: Final = SIDE + 2 * QUIET

# The mark that opens a GS1 symbol has no byte of its own. One byte stands for it on the way in
# and another on the way out: whatever merely holds such a byte cannot pass for the mark.
_FNC1_GIVEN: Final = 0xE8
_FNC1_READ: Final = 0xFE
_FNC1_PROPERTY: Final = 104
_PIXELS: Final = 4
_MARGIN: Final = 2 * _PIXELS
_RGB: Final = 3
_DARK_BELOW: Final = 128
_LONGEST_READ_MS: Final = 2_000


class SymbolUnavailable(RuntimeError):
    """The library that draws symbols is not installed on this machine."""


class SymbolMismatch(RuntimeError):
    """The symbol does not give its code back; the text does not show the code."""


class Run(Struct, frozen=True):
    """Dark modules side by side: row from the top, first column, count."""

    row: int
    column: int
    length: int


class Symbol(Struct, frozen=True):
    """36×36 modules without the quiet zone, row by row from the top."""

    rows: tuple[tuple[bool, ...], ...]

    def runs(self) -> Iterator[Run]:
        for row, modules in enumerate(self.rows):
            column = 0
            while column < SIDE:
                end = column
                while end < SIDE and modules[end]:
                    end += 1
                if end > column:
                    yield Run(row, column, end - column)
                column = end + 1


@functools.cache
def _library() -> Any:
    """Loaded by the first symbol: the rest of the service works without it."""
    try:
        return importlib.import_module("pylibdmtx.pylibdmtx"), importlib.import_module(
            "pylibdmtx.wrapper"
        )
    except (ImportError, OSError) as error:
        raise SymbolUnavailable("libdmtx is not installed: labels cannot be printed") from error


def checked_symbol(code: str) -> Symbol:
    """The symbol of a code; raises unless it gives back the same bytes as a GS1 symbol."""
    symbol = draw(code)
    if read(symbol) != code:
        raise SymbolMismatch("the symbol gives other bytes back")
    return symbol


def draw(code: str) -> Symbol:
    """First the GS1 mark, then the code with its separators as they are."""
    data = bytes([_FNC1_GIVEN]) + code.encode("ascii")
    dmtx, wrapper = _library()
    wanted = (
        (wrapper.DmtxProperty.DmtxPropScheme, wrapper.DmtxScheme.DmtxSchemeAscii),
        (wrapper.DmtxProperty.DmtxPropSizeRequest, wrapper.DmtxSymbolSize.DmtxSymbol36x36),
        (wrapper.DmtxProperty.DmtxPropModuleSize, 1),
        (wrapper.DmtxProperty.DmtxPropMarginSize, 0),
        (_FNC1_PROPERTY, _FNC1_GIVEN),
    )
    # The private parts of the package: its public calls neither set nor show the GS1 mark.
    with dmtx._encoder() as encoder:  # noqa: SLF001
        for name, value in wanted:
            wrapper.dmtxEncodeSetProp(encoder, name, value)
        if not wrapper.dmtxEncodeDataMatrix(encoder, len(data), _pointer(data)):
            raise SymbolMismatch(f"{len(data)} bytes do not fit into the symbol")
        pixels = ctypes.string_at(encoder[0].image[0].pxl, SIDE * SIDE * _RGB)
    dark = [pixels[at] < _DARK_BELOW for at in range(0, len(pixels), _RGB)]
    return Symbol(tuple(tuple(dark[at : at + SIDE]) for at in range(0, len(dark), SIDE)))


def read(symbol: Symbol) -> str | None:
    """The code that a reader gets from the symbol; None when it is no GS1 symbol."""
    return read_pixels(*_enlarged(symbol))


def _enlarged(symbol: Symbol) -> tuple[bytes, int]:
    side = SIDE * _PIXELS + 2 * _MARGIN
    light, edge = b"\xff" * side, b"\xff" * _MARGIN
    lines = [light] * _MARGIN
    for row in symbol.rows:
        middle = b"".join((b"\x00" if dark else b"\xff") * _PIXELS for dark in row)
        lines += [edge + middle + edge] * _PIXELS
    return b"".join([*lines, *[light] * _MARGIN]), side


def read_pixels(grey: bytes, width: int) -> str | None:
    """The code in a picture of one byte a pixel, when a GS1 symbol is found in it."""
    mark = bytes([_FNC1_READ])
    with _decoder_of(grey, width) as decoder:
        got = _message(decoder)
    return got.removeprefix(mark).decode("latin-1") if got.startswith(mark) else None


@contextmanager
def _decoder_of(grey: bytes, width: int) -> Iterator[Any]:
    dmtx, wrapper = _library()
    size = width, len(grey) // width, wrapper.DmtxPackOrder.DmtxPack8bppK
    shown = dmtx._image(_pointer(grey), *size)  # noqa: SLF001
    with shown as image, dmtx._decoder(image, 1) as decoder:  # noqa: SLF001
        wrapper.dmtxDecodeSetProp(decoder, _FNC1_PROPERTY, _FNC1_READ)
        yield decoder


def _message(decoder: Any) -> bytes:
    """The bytes of the first symbol found; empty when there is none."""
    dmtx, wrapper = _library()
    until = wrapper.dmtxTimeAdd(wrapper.dmtxTimeNow(), _LONGEST_READ_MS)
    with dmtx._region(decoder, until) as region:  # noqa: SLF001
        if not region:
            return b""
        with dmtx._decoded_matrix_region(decoder, region, -1) as found:  # noqa: SLF001
            return ctypes.string_at(found[0].output, found[0].outputIdx) if found else b""


def _pointer(data: bytes) -> Any:
    _, wrapper = _library()
    return ctypes.cast(ctypes.create_string_buffer(data, len(data)), wrapper.c_ubyte_p)
