"""`sweep data check` and `sweep data get`, on folders with some of the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sweeps.cli.test_author import invoke


def test_check_names_what_is_missing_what_is_damaged_and_where_it_goes(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"half a download")
    checked = invoke("data", "check", "cifar10", "--data-dir", tmp_path)
    assert checked.exit_code == 1, checked.exception
    lines = checked.stdout.splitlines()
    assert f"{folder / 'data_batch_1'}: is missing" in lines
    assert any(line.startswith(f"{folder / 'test_batch'}: is damaged: its md5 is ") for line in lines)
    assert "cifar10 is not complete: 7 of 7 files missing or damaged." in lines
    assert "cifar-10-python.tar.gz (md5 " in lines[-2]
    assert lines[-1].endswith(f"move {folder} away first.")


def test_a_file_with_the_published_checksum_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    empty = "d41d8cd98f00b204e9800998ecf8427e"  # of a file without a byte, in place of 160 MB
    monkeypatch.setattr(CIFAR100, "train_list", [["train", empty]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", empty]])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "md5": empty})
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).touch()
    checked = invoke("data", "check", "cifar100", "--data-dir", tmp_path, "--json")
    assert checked.exit_code == 0, checked.exception
    content = json.loads(checked.stdout)
    assert content["usable"]
    assert [file["problem"] for file in content["files"]] == ["", "", ""]
    (folder / "meta").unlink()
    assert invoke("data", "check", "cifar100", "--data-dir", tmp_path).exit_code == 1
    assert invoke("data", "get", "cifar100", "--data-dir", tmp_path).exit_code == 1


def test_data_without_files_is_complete(tmp_path: Path) -> None:
    got = invoke("data", "get", "digits", "--data-dir", tmp_path)
    assert (got.exit_code, got.stdout) == (0, "digits is complete: 0 files; comes with scikit-learn\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cifar11"], "data set 'cifar11': data.name: "),
        (["npz"], "data set 'npz': data: name is npz but path is missing"),
        (["digits", "--workload", "tests.toy"], "data set 'digits': data"),
    ],
)
def test_a_name_that_is_no_data_set_is_refused(words: list[str], expected: str) -> None:
    assert expected in str(invoke("data", "check", *words).exception)


def test_a_download_that_fails_is_one_line_with_the_way_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nothing listens there
    message = str(invoke("data", "get", "cifar10", "--data-dir", tmp_path).exception)
    assert message.startswith(f"data cifar10: no {tmp_path / 'cifar-10-batches-py'}, and the download failed: ")
    assert "Put the official 'python version' of the data, unpacked, in the data folder" in message
    assert "; by hand: http://127.0.0.1:9/cifar-10-python.tar.gz (md5 " in message
    assert "\n" not in message
    assert not list(tmp_path.glob("*"))
