"""Downloads from a local web server, and the error without a network."""

from __future__ import annotations

import hashlib
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from torchvision.datasets import CIFAR10, CIFAR100, STL10

from cifar_sweep.data.download import fetch
from cifar_sweep.data.formats import read_images
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable
from tests.cifar_sweep.artificial_data import make_stl10

DATA = DataRecipe(name="cifar10")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a web server with the files of `folder`."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def server(cifar10_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A web server with an archive of random images in the place of CIFAR-10's."""
    archive = tmp_path / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10_dir / "cifar-10-batches-py", arcname="cifar-10-batches-py")
    with serving(tmp_path) as address:
        monkeypatch.setattr(CIFAR10, "url", f"{address}/{archive.name}")
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
        yield archive


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official addresses refuse the connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for source in (CIFAR10, CIFAR100, STL10):
        monkeypatch.setattr(source, "url", f"http://127.0.0.1:{port}/{source.filename}")


def test_absent_data_is_downloaded_and_nothing_else_is_left(server: Path, tmp_path: Path):
    fetch(DATA, tmp_path / "new")
    assert len(read_images(DATA, tmp_path / "new", "train")) == 200
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cifar-10-batches-py"]


def test_a_download_with_another_checksum_is_refused(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(Unavailable, match="download failed"):
        fetch(DATA, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(("name", "folder", "hint"), [
    ("cifar10", "cifar-10-batches-py", "official 'python version'"),
    ("cifar100", "cifar-100-python", "official 'python version'"),
    ("stl10", "stl10_binary", "official binary files of STL-10"),
])  # fmt: skip
def test_without_network_the_message_says_what_to_do(
    no_network: None, tmp_path: Path, name: str, folder: str, hint: str
):
    with pytest.raises(Unavailable) as report:
        fetch(DataRecipe(name=name), tmp_path / "new")
    for part in (str(tmp_path / "new" / folder), hint, "--data-dir", "$SWEEP_DATA"):
        assert part in str(report.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_data_without_an_official_address_is_left_alone(no_network: None, tmp_path: Path):
    fetch(DataRecipe(name="digits"), tmp_path / "new")
    fetch(DataRecipe(name="npz", path="own.npz", size=4, channels=3, classes=2), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_stl10_is_downloaded_from_its_own_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_stl10(tmp_path / "made", per_class=1, test_per_class=1, unlabelled=1)
    archive = tmp_path / STL10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "stl10_binary", arcname="stl10_binary")
    monkeypatch.setattr(STL10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    with serving(tmp_path) as address:
        monkeypatch.setattr(STL10, "url", f"{address}/{archive.name}")
        fetch(DataRecipe(name="stl10"), tmp_path / "new")
    assert len(read_images(DataRecipe(name="stl10"), tmp_path / "new", "train")) == 10


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "new").write_text("a file")
    with pytest.raises(Unavailable, match=f"no {tmp_path}/new/cifar-10-batches-py, and nothing can be written there"):
        fetch(DATA, tmp_path / "new")


def test_an_existing_folder_is_used_unchecked(no_network: None, cifar10_dir: Path):
    fetch(DATA, cifar10_dir)
    assert len(read_images(DATA, cifar10_dir, "train")) == 200
