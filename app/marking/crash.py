"""Deliberate ends of the process at named points, for proving that nothing gets lost."""

import os

CRASH_EXIT_CODE = 86


class CrashPoint:
    """`at` is `<operation>.<planned|claimed|answered|committed>`, or None: never."""

    def __init__(self, at: str | None = None) -> None:
        self._at = at

    def passed(self, operation: str, moment: str) -> None:
        if self._at == f"{operation}.{moment}":
            os._exit(CRASH_EXIT_CODE)
