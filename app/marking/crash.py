"""Deliberate ends and freezes of the process at named points, to prove that nothing gets lost."""

import os
import signal

CRASH_EXIT_CODE = 86
FREEZE = "freeze"


class CrashPoint:
    """`at` is `<operation>.<signed|planned|claimed|answered|committed>`, or None: never.

    `:2` behind it means the second time, `:freeze` to stop there until somebody continues.
    """

    def __init__(self, at: str | None = None) -> None:
        self._at, *how = (at or "").split(":")
        self._freezes = FREEZE in how
        self._left = next((int(word) for word in how if word.isdecimal()), 1)

    def passed(self, operation: str, moment: str) -> None:
        if self._at != f"{operation}.{moment}":
            return
        self._left -= 1
        if self._left:
            return
        if not self._freezes:
            os._exit(CRASH_EXIT_CODE)
        os.kill(os.getpid(), signal.SIGSTOP)
