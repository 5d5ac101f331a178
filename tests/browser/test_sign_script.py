"""The signing script of the console drives the plug-in's objects as they want to be driven."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.marking import cms
from deploy.sandbox.driver import Player, running

ROOT = Path(__file__).resolve().parents[2]
INN = "7700000016"
PAYLOAD = '{"name":"Футболка"}\r\n'.encode()
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node runs the script")
@pytest.mark.parametrize("detached", [True, False])
def test_the_script_signs_the_very_bytes_in_one_line(detached: bool) -> None:
    with running() as origin, httpx.Client(base_url=origin) as http:
        Player(http, INN).reset(name="ООО Пример, филиал")
        told = ran(f"{origin}/_sandbox/plugin_stub.js?inn={INN}", detached=detached)
    (certificate,) = told["certificates"]
    assert certificate["inns"] == [INN]
    assert told["diagnosis"][-1] == ["Действующих сертификатов с ключом", "1"]
    assert "\n" not in told["signature"]
    signature = cms.read(base64.b64decode(told["signature"], validate=True), PAYLOAD)
    assert signature.digest_ok
    assert signature.attached == (None if detached else PAYLOAD)
    assert signature.thumbprint == certificate["thumbprint"]
    assert told["missing"] == "Сертификат не найден в хранилище."


def ran(stub: str, *, detached: bool) -> dict[str, Any]:
    script = ROOT / "web" / "console" / "marking" / "sign.js"
    words = [str(script), stub, base64.b64encode(PAYLOAD).decode(), str(detached).lower()]
    command = [NODE or "", str(Path(__file__).with_name("sign.mjs")), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
