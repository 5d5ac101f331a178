"""Files of certificates: read twice, they make the same chunks."""

import csv
import io
from pathlib import Path

import pytest

from app.certificates.load_file import BatchFile, LoadFailed


def file_of(tmp_path: Path, name: str, text: str) -> BatchFile:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return BatchFile(path, 2)


def test_a_csv_file_is_cut_into_chunks_with_its_header(tmp_path: Path) -> None:
    text = 'code,nominal,metadata\r\nA1,1,"{""k"": ""x\ny""}"\r\nB2,2,\r\n\r\nC3,3,\r\n'
    file = file_of(tmp_path, "gifts.csv", text)
    first, second = file.chunks()
    assert (first.chunk, first.first_row, first.rows) == (1, 1, 2)
    assert (second.chunk, second.first_row, second.rows) == (2, 3, 1)
    rows = list(csv.reader(io.StringIO(first.content.decode(), newline="")))
    assert rows == [["code", "nominal", "metadata"], ["A1", "1", '{"k": "x\ny"}'], ["B2", "2", ""]]
    assert list(file.chunks()) == [first, second]
    assert file.count() == 3


def test_columns_of_a_rejection_are_not_sent_again(tmp_path: Path) -> None:
    text = "row,code,refusal,reason\r\n7,A1,CodeMalformed,is none\r\n"
    (chunk,) = file_of(tmp_path, "gifts.csv", text).chunks()
    assert chunk.content.decode().splitlines() == ["row,code", "7,A1"]


def test_lines_know_their_numbers(tmp_path: Path) -> None:
    csv_file = file_of(tmp_path, "a.csv", "row,code\r\n12,A1\r\n,B2\r\n")
    assert [line.row for line in csv_file.lines()] == [12, 2]
    json_file = file_of(tmp_path, "a.jsonl", '{"row":5,"code":"A1","nominal":3}\n\nnot json\n')
    lines = list(json_file.lines())
    assert [line.row for line in lines] == [5, 2]
    assert lines[0].cells == {"row": "5", "code": "A1", "nominal": "3"}
    assert [chunk.content for chunk in json_file.chunks()] == [
        b'{"row":5,"code":"A1","nominal":3}\nnot json\n'
    ]


def test_the_batch_is_named_by_its_content(tmp_path: Path) -> None:
    one = file_of(tmp_path, "one.csv", "code\r\nA1\r\n").batch_id()
    assert file_of(tmp_path, "two.csv", "code\r\nA1\r\n").batch_id() == one
    assert file_of(tmp_path, "three.csv", "code\r\nA2\r\n").batch_id() != one
    assert len(one) == 16


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=r"gifts\.xlsx"):
        file_of(tmp_path, "gifts.xlsx", "")


def test_broken_quotes_are_told_with_their_line(tmp_path: Path) -> None:
    file = file_of(tmp_path, "gifts.csv", 'code,nominal\r\nA1,1\r\n"B2"x,2\r\n')
    with pytest.raises(LoadFailed, match="line 3"):
        list(file.chunks())
