"""Acceptance scenarios 45, 46 (mail) and 49 (command): keys that change, mail, the command line."""

import base64
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg2

from app.marking.sealing import Sealer
from app.secrets_store import FILE, new_key, variable
from deploy.sandbox.cards import gtin_of
from tests.flows.marking.mailbox import mailbox
from tests.flows.marking.processes import ROOT, Worker
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
KEYS = "GIFTMARK_MARKING_SECRET_KEYS"


def codes_of(shop: Shop, order: str, count: int) -> list[str]:
    issue = shop.api.ok(shop.do(order, "issues", {"kind": "txt", "gtin": GTIN, "next": count}))
    answer = shop.api.get(f"/issues/{issue['id']}/file")
    assert answer.is_success, answer.text
    return answer.content.decode().removesuffix("\n").split("\n")


def test_s45_keys_change_under_load_and_everything_stays_readable(stack: Stack) -> None:
    stack.rest_spare()
    shop = stack.shop()
    old, new = stack.env[KEYS], new_key()
    before = shop.order((GTIN, 20))["id"]
    shop.until_status(before, "COMPLETED")
    known = codes_of(shop, before, 5)
    by_hand, unsigned = waits_for_a_person(stack)
    asked = by_hand.pending()
    running = [shop.order((GTIN, 5))["id"] for _ in range(3)]
    restart_with(stack, f"{old},{new}")
    running += [shop.order((GTIN, 5))["id"] for _ in range(3)]
    restart_with(stack, f"{new},{old}")
    for order in running:
        shop.until_status(order, "COMPLETED")
    until_sealed_with(stack, new)
    refuses_to_start(stack, old)
    restart_with(stack, new)
    stack.env[KEYS] = new
    assert [*known, *codes_of(shop, before, 15)] == ledger_of(shop, before)
    for order in running:
        assert codes_of(shop, order, 5) == ledger_of(shop, order)
    assert [r["payload"] for r in asked] == [r["payload"] for r in by_hand.pending()]
    # Nobody signs in again: the tokens of before the change still open.
    by_hand.until(unsigned, lambda seen: signed_up_to_the_end(by_hand, seen))
    by_hand.assert_complete(unsigned)
    shop.player.assert_clean()


def waits_for_a_person(stack: Stack) -> tuple[Shop, str]:
    """An order whose document and SUZ order nobody has signed yet."""
    shop = stack.shop(signer="browser")
    shop.sign_in()
    order = shop.order((GTIN, 3))["id"]
    shop.until(order, lambda _order: len(shop.pending()) == 2)
    return shop, str(order)


def signed_up_to_the_end(shop: Shop, order: dict[str, object]) -> bool:
    for request in shop.pending():
        assert request["purpose"] in {"document", "suz_order", "suz_close"}
        shop.sign(request)
    return order["status"] == "COMPLETED"


def ledger_of(shop: Shop, order: str) -> list[str]:
    number = shop.read(order)["station"]["suz_order_id"]
    blocks = shop.player.control("GET", f"/ledger?order_id={number}")
    return [code for block in blocks for code in block["codes"]]


def restart_with(stack: Stack, keys: str) -> None:
    for worker in stack.workers:
        worker.env[KEYS] = keys
    stack.main.stop()
    stack.main.start()
    stack.main.wait_ready()


def until_sealed_with(stack: Stack, key: str) -> None:
    """The leader seals rows of every table with the first key soon after its start."""
    wanted = {Sealer([base64.b64decode(key)]).first_key_id}
    deadline = time.monotonic() + 60
    with closing(psycopg2.connect(stack.dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            tables = sealed_columns(cursor)
            while (found := key_ids(cursor, tables)) != wanted:
                assert time.monotonic() < deadline, found
                time.sleep(0.2)


def sealed_columns(cursor: psycopg2.extensions.cursor) -> list[tuple[str, str]]:
    cursor.execute(
        """select table_name, column_name from information_schema.columns
           where table_schema = 'marking' and column_name like '%\\_enc'"""
    )
    found = list(cursor.fetchall())
    assert {"tokens", "sign_requests", "code_blocks"} <= {table for table, _ in found}
    return found


def key_ids(cursor: psycopg2.extensions.cursor, columns: list[tuple[str, str]]) -> set[bytes]:
    """Of all keys that anything is sealed with."""
    found: set[bytes] = set()
    for table, column in columns:
        cursor.execute(
            f"""select distinct substring({column} from 1 for 4) from marking.{table}
                where {column} is not null"""
        )
        found |= {bytes(row[0]) for row in cursor.fetchall()}
    return found


def refuses_to_start(stack: Stack, keys: str) -> None:
    stranger = Worker("stranger", {**stack.env, KEYS: keys}, stack.logs / "stranger.log")
    stranger.start()
    assert stranger.process is not None
    assert stranger.process.wait(60) != 0
    assert "marking_secret_keys" in stranger.log.read_text()


def test_s45_keys_from_a_backup_open_everything_elsewhere(stack: Stack, tmp_path: Path) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 3))["id"]
    shop.until_status(order, "COMPLETED")
    warning = "lost keys are lost codes"
    assert warning in stack.main.log.read_text()
    file, folder = str(tmp_path / "keys.backup"), str(tmp_path / "fresh")
    command(stack, "keys", "backup", file, "--data", folder)
    command(stack, "keys", "restore", file, "--data", folder)
    restored = json.loads((tmp_path / "fresh" / FILE).read_text())

    stack.main.stop()
    told = stack.main.log.stat().st_size
    stack.main.start(**{variable(name): value for name, value in restored.items()})
    stack.main.wait_ready()
    assert codes_of(shop, order, 3) == ledger_of(shop, order)
    assert warning not in stack.main.log.read_text()[told:]


def command(stack: Stack, *words: str) -> str:
    """A command of the product and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=ROOT,
        env={**os.environ, **stack.env, "GIFTMARK_BACKUP_PASSPHRASE": "correct horse battery"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_s45_a_sealed_row_opens_only_in_its_own_place(stack: Stack) -> None:
    shop = stack.shop()
    orders = [shop.order((GTIN, 1))["id"] for _ in range(2)]
    for order in orders:
        shop.until_status(order, "COMPLETED")
    swap_blocks(stack, orders)
    issue = shop.api.ok(shop.do(orders[0], "issues", {"kind": "txt", "gtin": GTIN, "next": 1}))
    told = len(stack.main.log.read_text())
    refused = shop.api.get(f"/issues/{issue['id']}/file")
    assert (refused.status_code, refused.json()["code"]) == (500, "internal")
    assert "SealBroken" in stack.main.log.read_text()[told:]
    assert not any(code in refused.text for code in shop.ledger())
    swap_blocks(stack, orders)
    answer = shop.api.get(f"/issues/{issue['id']}/file")
    assert answer.content.decode() == ledger_of(shop, orders[0])[0] + "\n"


def swap_blocks(stack: Stack, orders: list[str]) -> None:
    with closing(psycopg2.connect(stack.dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                """update marking.code_blocks b set body_enc = o.body_enc
                   from marking.code_blocks o, marking.suz_orders sb, marking.suz_orders so
                   where sb.id = b.suz_order_id and so.id = o.suz_order_id
                         and sb.order_id::text = any(%s) and so.order_id::text = any(%s)
                         and sb.order_id <> so.order_id""",
                [orders, orders],
            )
            assert cursor.rowcount == 2


def test_s46_with_a_mail_server_each_notice_is_one_mail(stack: Stack) -> None:
    stack.rest_spare()
    shop = stack.shop()
    login = f"reader-{shop.player.inn}"
    form = {"login": login, "password": "correct horse battery", "email": "reader@example.org"}
    stack.admin.ok(stack.admin.post("/users", form))
    reader = stack.admin.ok(stack.admin.post("/api-keys", {"login": login, "name": "k"}))["key"]
    member = stack.admin.put(f"/participants/{shop.id}/members/{login}", {"role": "operator"})
    stack.admin.ok(member)
    quiet = shop.order((GTIN, 3))["id"]
    shop.until_status(quiet, "COMPLETED")
    notices = notices_of(stack, reader)
    assert notices
    assert all(notice["mailed_at"] is None for notice in notices)

    with mailbox() as (url, received):
        stack.main.stop()
        stack.main.start(GIFTMARK_SMTP_URL=url)
        stack.main.wait_ready()
        loud = shop.order((GTIN, 3))["id"]
        shop.until_status(loud, "COMPLETED")
        shop.until(loud, lambda _order: mailed(stack, reader, loud))
        told = [notice for notice in notices_of(stack, reader) if notice["mailed_at"]]
        assert sorted(received) == sorted(str(notice["text"]) for notice in told)
        stack.main.stop()
    stack.main.start()
    stack.main.wait_ready()
    shop.assert_whole(loud)


def notices_of(stack: Stack, key: str) -> list[dict[str, object]]:
    caller = stack.caller(key)
    return list(caller.ok(caller.get("/notifications", limit=200))["items"])


def mailed(stack: Stack, key: str, order: str) -> bool:
    mine = [n for n in notices_of(stack, key) if n["order_id"] == order]
    return bool(mine) and all(n["mailed_at"] for n in mine)


def test_s49_the_command_orders_through_the_same_api(stack: Stack) -> None:
    shop = stack.shop()
    words = ["order", GTIN, "--wait", "--url", stack.main.url, "--key", shop.key]
    said = command(stack, "marking", *words)
    order, status = said.splitlines()[0].split()
    assert status == "INIT"
    assert "COMPLETED" in said
    assert shop.read(order)["quantity"] == 1
    shop.assert_complete(order)
