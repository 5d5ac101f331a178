"""Batches of certificates at the door: every row has its outcome."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from agents.intake import Yield
from app.certificates.batch_rows import BadRow, Chunk, RowReader, row_of_cells
from app.certificates.inbound import Amounts, Fault
from app.certificates.intake_batch import BatchTranslated
from app.contracts.topics import BATCHES, BI
from app.domain.certificates.commands import IssueCertificate
from tables.partitioning import partition_of
from tests.flows.certificates.foreign import (
    ABSENT,
    CODE,
    NOW,
    OTHER_CODE,
    PEPPER,
    POLICY,
    batch,
    batches,
    id_of,
    row,
)


def read(*rows: Any, **changes: Any) -> BatchTranslated:
    translated = batches().translate(batch(*rows, **changes), NOW)
    assert isinstance(translated, BatchTranslated)
    return translated


def test_a_good_row_issues_its_certificate() -> None:
    told = row(row=7, validityDays=365, productId="GC-3000", metadata={"b": 1, "a": [2]})
    (good,) = read(told, attempt=3).good
    assert (good.row, good.certificate_id) == (7, id_of(CODE))
    assert good.command == IssueCertificate(
        "R6N4", False, 300_000, "RUB", None, 365, "GC-3000", '{"b":1,"a":[2]}', "B-1", 1, 7, 3
    )


def test_a_bad_row_is_told_under_its_certificate_or_else_its_batch() -> None:
    translated = read(row(nominal=0), row(code="?"))
    got = Yield(64, lambda box: ("k", box))
    record = ConsumerRecord(BATCHES, 0, 7, NOW, 0, b"B-1", b"", None, 3, 0, ())
    for bad in translated.bad:
        got.row(record, translated, bad)
    told = {tp: records[0][0].decode() for tp, records in got.targets.items()}
    keys = [id_of(CODE), "B-1"]
    assert told == {TopicPartition(BI, partition_of(key, 64)): key for key in keys}


def test_rows_without_a_number_have_their_place() -> None:
    rows = read(row(), row(code=OTHER_CODE)).good
    assert [one.row for one in rows] == [1, 2]


def test_how_many_rows_were_meant_to_come_stops_none_that_came() -> None:
    assert len(read(row(), rowsTotal="many").good) == 1


def test_a_weak_code_is_marked() -> None:
    (good,) = read(row(code="1234567890123")).good
    assert good.command.weak


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"code": "GC7K-2M9T-XQ4P-0D8V-R6N5"}, "CodeMalformed"),
        ({"code": 5}, "CodeMalformed"),
        ({"code": ABSENT}, "CodeMalformed"),
        ({"code": "12345678"}, "CodeTooWeak"),
        ({"nominal": 0}, "NominalInvalid"),
        ({"nominal": -5}, "NominalInvalid"),
        ({"nominal": "5"}, "NominalInvalid"),
        ({"nominal": POLICY.nominal_max + 1}, "NominalInvalid"),
        ({"nominal": ABSENT}, "NominalInvalid"),
        ({"currency": "rub"}, "CurrencyUnknown"),
        ({"currency": ABSENT}, "CurrencyUnknown"),
        ({"validUntil": "2027-01-01", "validityDays": 5}, "ValidityInvalid"),
        ({"validityDays": 0}, "ValidityInvalid"),
        ({"validityDays": "5"}, "ValidityInvalid"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "ValidityInvalid"),
        ({"validUntil": "2027-01-01T00:00:00"}, "ValidityInvalid"),
        ({"validUntil": "2027-02-30"}, "ValidityInvalid"),
        ({"validUntil": 5}, "ValidityInvalid"),
        ({"metadata": {"a": "x" * 1_020}}, "MetadataTooLarge"),
        ({"metadata": [1]}, "RowUnreadable"),
        ({"validUntill": "2027-01-01"}, "RowUnreadable"),
        ({"row": -1}, "RowUnreadable"),
        ({"row": "1"}, "RowUnreadable"),
        ({"productId": "x" * 65}, "RowUnreadable"),
        ({"productId": 5}, "RowUnreadable"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(told: dict[str, Any], code: str) -> None:
    translated = read(row(**told), row(code=OTHER_CODE, row=2))
    (bad,) = translated.bad
    assert (bad.index, bad.code) == (0, code)
    assert CODE not in bad.reason
    assert [one.certificate_id for one in translated.good] == [id_of(OTHER_CODE)]
    assert len(translated.originals) == 1


def test_of_a_repeated_code_the_first_counts() -> None:
    translated = read(row(), row(code=CODE.lower()), row(code=OTHER_CODE))
    assert [one.row for one in translated.good] == [1, 3]
    assert [(one.row, one.code) for one in translated.bad] == [(2, "CodeRepeated")]


def test_a_row_number_stands_once() -> None:
    translated = read(row(row=1), row(row=1, code=OTHER_CODE))
    assert [one.code for one in translated.bad] == ["RowUnreadable"]


@pytest.mark.parametrize("told", [5, None, "x", [], [{}]])
def test_a_row_that_is_no_object_is_unreadable(told: Any) -> None:
    (bad,) = read(told).bad
    assert bad.code == "RowUnreadable"


def test_a_number_out_of_range_spoils_its_row_alone() -> None:
    value = batch(row(metadata={"n": 1}), row(code=OTHER_CODE))
    translated = batches().translate(value.replace(b'"n":1', b'"n":1e999'), NOW)
    assert isinstance(translated, BatchTranslated)
    assert [one.code for one in translated.bad] == ["RowUnreadable"]
    assert len(translated.good) == 1


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (batch(batchId=ABSENT), "batchId"),
        (batch(batchId="a\x00"), "batchId"),
        (batch(chunk=-1), "chunk"),
        (batch(chunk="1"), "chunk"),
        (batch(attempt=0), "attempt"),
        (batch(rows=ABSENT), "rows"),
        (batch(rows={}), "rows"),
        (batch(*[row()] * 501), "rows"),
    ],
)
def test_a_faulty_message_is_a_dead_letter(value: bytes, field: str) -> None:
    fault = batches().translate(value, NOW)
    assert isinstance(fault, Fault)
    assert fault.stage == "VALIDATE"
    assert field in fault.reason


def test_what_is_no_json_is_a_dead_letter() -> None:
    fault = batches().translate(b"row;code", NOW)
    assert isinstance(fault, Fault)
    assert fault.stage == "DECODE"


def cells(unit: str = "minor", **told: str) -> Any:
    reader = RowReader(Amounts(unit), pepper=PEPPER, policy=POLICY, now=NOW)
    plain = {"code": CODE, "nominal": "300000", "currency": "RUB", "validUntil": "", "row": ""}
    members = row_of_cells(plain | told, Amounts(unit))
    (outcome,) = reader.read(Chunk("B", 2, 1, first_row=501), [members])
    return outcome


def test_cells_of_a_file_are_read_like_members() -> None:
    good = cells(validityDays="30", metadata='{"a": 1}')
    assert good.row == 501
    assert good.command.nominal == 300_000
    assert (good.command.validity_days, good.command.metadata) == (30, '{"a":1}')


def test_a_date_means_the_end_of_that_day_in_the_zone_of_business() -> None:
    assert cells(validUntil="2027-08-31").command.valid_until == 1_819_745_999_999


def test_decimal_cells() -> None:
    assert cells("decimal", nominal="3000.50").command.nominal == 300_050


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"nominal": "3000.50"}, "NominalInvalid"),
        ({"nominal": "x"}, "NominalInvalid"),
        ({"nominal": ""}, "NominalInvalid"),
        ({"metadata": "{"}, "RowUnreadable"),
        ({"row": "one"}, "RowUnreadable"),
        ({"price": "5"}, "RowUnreadable"),
    ],
)
def test_bad_cells(told: dict[str, str], code: str) -> None:
    outcome = cells(**told)
    assert isinstance(outcome, BadRow)
    assert outcome.code == code
