"""Pages of a PDF of labels as pictures of one pixel a dot, from their rectangles alone."""

import base64
import random
import re
import zlib
from fractions import Fraction

from app.marking.label_formats import Layout

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!\"%&'()*+,-./_:;=<>?"
HARD = '0104600000000015215(10)abcdefgh\x1d91" ,;\x1d92'.replace(" ", "&") + "<&()," * 8 + "a;b="
DOT = Fraction(72 * 10, 254 * 8)
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_RECTANGLE = re.compile(rb"(\S+) (\S+) (\S+) (\S+) re")

Rectangle = tuple[Fraction, ...]


def codes(count: int, seed: int = 1) -> tuple[str, ...]:
    dice = random.Random(seed)

    def some(length: int) -> str:
        return "".join(dice.choices(ALPHABET, k=length))

    made = (f"0104600000000015215{some(12)}\x1d91{some(4)}\x1d92{some(44)}" for _ in range(count))
    return tuple(made)


def streams(pdf: bytes) -> list[bytes]:
    """Content of every page, in order."""
    found = []
    for match in _STREAM.finditer(pdf):
        packed = match.group(1).strip()
        if packed.endswith(b"~>"):
            content = zlib.decompress(base64.a85decode(packed.removesuffix(b"~>")))
            found += [content] if b" re" in content else []
    return found


def rectangles(content: bytes) -> list[Rectangle]:
    """Left, bottom, width and height in dots."""
    return [
        tuple(Fraction(number.decode()) / DOT for number in match.groups())
        for match in _RECTANGLE.finditer(content)
    ]


def page_of(content: bytes, layout: Layout) -> list[bytearray]:
    """The page in grey, line by line."""
    width, height = layout.page_width, layout.page_height
    page = [bytearray(b"\xff" * width) for _ in range(height)]
    for rectangle in rectangles(content):
        left, bottom, across, up = (round(number) for number in rectangle)
        for line in page[height - bottom - up : height - bottom]:
            line[left : left + across] = bytes(across)
    return page


def label_of(page: list[bytearray], layout: Layout, position: int) -> bytes:
    corner = layout.corner(position)
    lines = page[corner.top : corner.top + layout.height]
    return b"".join(line[corner.left : corner.left + layout.width] for line in lines)
