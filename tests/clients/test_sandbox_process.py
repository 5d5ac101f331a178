"""The emulator starts, tells its port, ends when told or orphaned, and signs for a browser."""

import base64
import json
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deploy.sandbox.driver import V3, Player, playing, running

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "deploy.sandbox"]
STUB = CHECKOUT / "deploy" / "sandbox" / "plugin_stub.js"


def started(*options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen(
        [*COMMAND, *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_it_tells_its_port_and_ends_on_sigterm_with_a_held_request(tmp_path: Path) -> None:
    process, told = started("--port-file", str(tmp_path / "port"))
    try:
        assert (tmp_path / "port").read_text() == str(told["port"])
        with httpx.Client(base_url=told["url"]) as http:
            Player(http, "7700000016").reset()
            gate = {"operation": "*", "action": "gate"}
            http.post("/_sandbox/any/faults", json=gate)
            with pytest.raises(httpx.ReadTimeout):
                http.get(f"{V3}/auth/key", timeout=0.3)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_it_ends_with_its_parent() -> None:
    parent = textwrap.dedent(
        """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-m", "deploy.sandbox"],
                                 stdout=subprocess.PIPE, text=True)
        print(child.stdout.readline(), flush=True)
        sys.stdin.read()
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    child = psutil.Process(told["pid"])
    process.kill()
    process.wait(10)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_it_does_not_start_for_a_parent_that_is_gone() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(10)
    process, _ = started("--parent-pid", str(gone.pid))
    assert process.wait(10) == 0


def test_a_kept_key_gives_the_same_centre_after_a_restart(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        process, told = started("--key-file", str(tmp_path / "key.pem"))
        with httpx.Client(base_url=told["url"]) as http:
            player = Player(http, "7700000016")
            player.reset()
            keys.append(player.control("GET", "/signer")["private_key_pem"])
        process.terminate()
        process.wait(10)
    assert keys[0] == keys[1]
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_a_kept_state_survives_a_restart(tmp_path: Path) -> None:
    files = ("--state-file", str(tmp_path / "state"), "--key-file", str(tmp_path / "key.pem"))
    process, told = started(*files)
    with playing(told["url"], seed="kept") as player:
        order_id = player.ready_order(("04600000000015", 3))
        block = player.fetch(order_id, "04600000000015", count=2).json()
    process.terminate()
    process.wait(10)
    process, told = started(*files)
    with httpx.Client(base_url=told["url"]) as http:
        player = Player(http, player.inn, player.passport, player.bearer, player.client_token)
        again = player.suz("GET", "/order/codes/retry", params={"blockId": block["blockId"]})
        rest = player.fetch(order_id, "04600000000015", count=1)
        player.assert_clean()
    process.terminate()
    process.wait(10)
    assert again.json() == block
    assert rest.json()["codes"][0] not in block["codes"]


def test_an_unreadable_state_starts_empty(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"not a state")
    process, told = started("--state-file", str(tmp_path / "state"))
    health = httpx.get(f"{told['url']}/_sandbox/health").json()
    process.terminate()
    process.wait(10)
    assert health["participants"] == []


def test_participants_live_side_by_side() -> None:
    with running() as url, playing(url, seed="a") as one:
        with playing(url, inn="7707083893", seed="a") as two:
            two.fault("suz.*", "status", status=503, times=0)
            assert two.suz("GET", "/ping").status_code == 503
            assert one.suz("GET", "/ping").status_code == 200
            assert one.oms_id != two.oms_id
        whole = one.http.get("/_sandbox/invariants").json()
        assert set(whole["participants"]) == {"7700000016", "7707083893"}


def test_secrets_list_everything_given_out() -> None:
    with running() as url, playing(url) as player:
        former = player.client_token
        player.sign_in()
        order_id = player.ready_order(("04600000000015", 2))
        codes = player.fetch(order_id, "04600000000015", count=2).json()["codes"]
        secrets = player.control("GET", "/secrets")
    assert {former, player.client_token, player.bearer} <= set(secrets["tokens"])
    assert secrets["codes"] == codes
    assert secrets["apikeys"] == [player.passport["apikey"]]


SCRIPT = """
const [origin, stub, data] = process.argv.slice(1);
globalThis.window = globalThis;
globalThis.document = {
  currentScript: { src: origin + "/_sandbox/plugin_stub.js?inn=7700000016" },
};
(0, eval)(require("fs").readFileSync(stub, "utf8"));
(async () => {
  const plugin = window.cadesplugin;
  await plugin;
  const store = await plugin.CreateObjectAsync("CAdESCOM.Store");
  await store.Open(2, "My", 2);
  const all = await store.Certificates;
  const thumbprint = await (await all.Item(1)).Thumbprint;
  const found = await all.Find(plugin.CAPICOM_CERTIFICATE_FIND_SHA1_HASH, thumbprint);
  const signer = await plugin.CreateObjectAsync("CAdESCOM.CPSigner");
  await signer.propset_Certificate(await found.Item(1));
  const signed = await plugin.CreateObjectAsync("CAdESCOM.CadesSignedData");
  await signed.propset_ContentEncoding(plugin.CADESCOM_BASE64_TO_BINARY);
  await signed.propset_Content(data);
  console.log(JSON.stringify(await signed.SignCades(signer, 1, false, 0)));
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_plugin_stub_signs_by_the_raw_sequence() -> None:
    with running() as url, playing(url) as player:
        pair = player.challenge()
        data = base64.b64encode(pair["data"].encode()).decode()
        done = subprocess.run(
            ["node", "-e", SCRIPT, url, str(STUB), data],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        signature = json.loads(done.stdout)
        assert "\r\n" in signature
        form = {"uuid": pair["uuid"], "data": "".join(signature.split())}
        answer = player.http.post(f"{V3}/auth/simpleSignIn", json=form)
        served = player.http.get("/_sandbox/plugin_stub.js")
    assert answer.status_code == 200, answer.text
    assert served.headers["Access-Control-Allow-Origin"] == "*"
