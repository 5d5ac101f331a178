"""What a machine without Java or Maven is told."""

from pathlib import Path

import pytest

from app import kafka_jars
from app.kafka_jars import PACKAGES, KafkaMissing, installed_jars, kafka_version


def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KafkaMissing, match=r"`java` .*apt-get install openjdk-17-jre-headless"):
        installed_jars()
    (tmp_path / "java").touch(mode=0o755)
    monkeypatch.setattr(kafka_jars, "STORE", tmp_path / "store")
    with pytest.raises(KafkaMissing, match=r"`mvn` .*apt-get install maven"):
        installed_jars()


def test_the_long_work_of_maven_is_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for program in PACKAGES:
        (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(kafka_jars, "STORE", tmp_path / "store")
    with pytest.raises(KafkaMissing, match="Maven could not fetch"):
        installed_jars()
    assert "fetching Apache Kafka once, by Maven" in capfd.readouterr().err


def test_the_version_is_the_one_of_the_pinned_list() -> None:
    assert kafka_version() in kafka_jars.POM.read_text()
