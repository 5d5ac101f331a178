"""Labels are made in a process of their own: what draws symbols may die, not the service."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from app.integrations.redaction import Veiled
from app.marking.labels import LabelRefused, PrintJob, render
from app.marking.symbols import SymbolMismatch, SymbolUnavailable
from app.tether import tethered

LONGEST_PRINT_S: Final = 300.0
ROOT: Final = Path(__file__).resolve().parents[2]


class Printed(Veiled, Struct, frozen=True, tag="printed"):
    pdf: bytes


class Unprinted(Struct, frozen=True, tag="unprinted"):
    """`kind` is the label of the metric; `number` names the code where one is to blame."""

    kind: str
    text: str
    number: int | None = None


class LabelsFailed(RuntimeError):
    """No label was made; `kind` is mismatch, refused, unavailable or broken."""

    def __init__(self, found: Unprinted) -> None:
        super().__init__(found.text)
        self.kind = found.kind
        self.number = found.number


class Press:
    """Prints at most `at_once` jobs at the same time, the others wait for their turn."""

    def __init__(self, *, at_once: int = 1, longest_s: float = LONGEST_PRINT_S) -> None:
        self._turn = asyncio.Semaphore(at_once)
        self._longest_s = longest_s

    async def print(self, job: PrintJob) -> bytes:
        """The PDF of the job; raises LabelsFailed, also when the process dies or takes too long."""
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-m", "app.marking.press"]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=ROOT,
            )
            try:
                async with asyncio.timeout(self._longest_s):
                    written, _ = await child.communicate(msgspec.msgpack.encode(job))
            except TimeoutError:
                text = f"labels took over {self._longest_s} s"
                raise LabelsFailed(Unprinted("broken", text)) from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return _pdf_of(written, child.returncode)


def _pdf_of(written: bytes, code: int | None) -> bytes:
    try:
        found = msgspec.msgpack.decode(written, type=Printed | Unprinted)
    except msgspec.DecodeError:
        found = Unprinted("broken", f"the printing process ended with {code}")
    if isinstance(found, Unprinted):
        raise LabelsFailed(found)
    return found.pdf


def made(job: PrintJob) -> Printed | Unprinted:
    """The outcome of a job as a value that can travel between processes."""
    try:
        return Printed(render(job))
    except SymbolMismatch as found:
        return Unprinted("mismatch", str(found))
    except LabelRefused as found:
        return Unprinted("refused", str(found), found.number)
    except SymbolUnavailable as found:
        return Unprinted("unavailable", str(found))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.msgpack.encode(made(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=PrintJob)))
    )
