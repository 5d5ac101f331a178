"""The jars of Apache Kafka, copied once by Maven from the pinned list of `deploy/kafka/pom.xml`."""

import shutil
import subprocess
import tempfile
from fcntl import LOCK_EX, flock
from pathlib import Path
from xml.etree import ElementTree as ET

import typer

CHECKOUT = Path(__file__).resolve().parent.parent
POM = CHECKOUT / "deploy" / "kafka" / "pom.xml"
STORE = CHECKOUT / ".data" / "kafka"
PACKAGES = {"java": "openjdk-17-jre-headless", "mvn": "maven"}


class KafkaMissing(RuntimeError):
    """Apache Kafka cannot be installed here; the text names what is missing."""


def installed_jars() -> Path:
    """The folder of the jars; the first caller copies them while others wait."""
    require("java")
    folder = STORE / f"lib-{kafka_version()}"
    STORE.mkdir(parents=True, exist_ok=True)
    with (STORE / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not folder.exists():
            require("mvn")
            copy_jars(folder)
    return folder


def kafka_version() -> str:
    found = next(ET.parse(POM).iter("kafka.version"), None)  # noqa: S314  our own file
    if found is None or not found.text:
        raise KafkaMissing(f"{POM} names no kafka.version")
    return found.text


def require(program: str) -> None:
    if shutil.which(program) is None:
        package = PACKAGES[program]
        raise KafkaMissing(
            f"`{program}` is not installed; `apt-get install {package}` brings it on Debian "
            f"(`deploy/up` does so when it runs as root)"
        )


def copy_jars(folder: Path) -> None:
    typer.echo("fetching Apache Kafka once, by Maven", err=True)
    with tempfile.TemporaryDirectory(dir=STORE) as scratch:
        output = Path(scratch) / "lib"
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime")
        command = ("mvn", "-q", "-B", "-f", str(POM), *goal, f"-DoutputDirectory={output}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0 or not any(output.glob("kafka-server-*.jar")):
            raise KafkaMissing(f"Maven could not fetch Apache Kafka: {done.stdout}{done.stderr}")
        output.rename(folder)
