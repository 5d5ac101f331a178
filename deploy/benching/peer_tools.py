"""What the peers need, fetched on demand into `.data`: never part of our own lock."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.benching.ground import CHECKOUT, RowFailed

PEERS = "deploy.benching.peers"
FOLDER = CHECKOUT / "deploy" / "benching" / "peers"
STORE = CHECKOUT / ".data"
FETCH_S = 600


def peer_python() -> Path:
    """The interpreter of the peers' own environment; RowFailed when it cannot be made."""
    wanted = FOLDER / "requirements.txt"
    folder = STORE / "bench-venv"
    python, mark = folder / "bin" / "python", folder / "installed"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == digest and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    if shutil.which("uv"):
        _run(["uv", "-q", "venv", "--python", sys.executable, str(folder)])
        _run(["uv", "-q", "pip", "install", "--python", str(python), "-r", str(wanted)])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "-q", "install", "-r", str(wanted)])
    mark.write_text(digest)
    return python


def streams_classpath() -> str:
    """Jars by Maven and the compiled peer; RowFailed names what is missing."""
    for program, package in (("mvn", "maven"), ("javac", "openjdk-17-jdk-headless")):
        if shutil.which(program) is None:
            raise RowFailed(f"`{program}` is not installed: apt-get install {package}")
    source, pom = FOLDER / "StreamsTable.java", FOLDER / "pom.xml"
    digest = hashlib.sha256(pom.read_bytes() + source.read_bytes()).hexdigest()[:12]
    folder = STORE / "bench-streams"
    done = folder / f"made-{digest}"
    classpath = f"{folder / 'classes'}:{folder / 'lib'}/*"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime")
        target = f"-DoutputDirectory={folder / 'lib'}"
        _run(["mvn", "-q", "-B", "-f", str(pom), *goal, target])
        _run(["javac", "-d", str(folder / "classes"), "-cp", classpath, str(source)])
        done.touch()
    return classpath


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise RowFailed(f"{command[0]} took over {FETCH_S} s") from None
    if done.returncode != 0:
        raise RowFailed(f"{command[0]} failed: {(done.stdout + done.stderr)[-600:].strip()}")
