"""What the figures were taken on."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, str]:
    return {
        "cpu": _first(Path("/proc/cpuinfo"), "model name"),
        "cores": str(os.cpu_count()),
        "memory": _first(Path("/proc/meminfo"), "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _first(path: Path, label: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return "unknown"
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(label))
    return next(found, "unknown")
