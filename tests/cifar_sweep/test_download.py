from __future__ import annotations

import hashlib
import socket
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from cifar_sweep.download import fetch
from cifar_sweep.formats import read_images
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Unavailable

DATA = DataRecipe(name="cifar10")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(cifar10_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A web server with an archive of random images in the place of CIFAR-10's."""
    archive = tmp_path / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10_dir / "cifar-10-batches-py", arcname="cifar-10-batches-py")

    class Handler(Quiet):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{http.server_port}/{archive.name}")
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
        yield archive
        http.shutdown()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official addresses refuse the connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for source in (CIFAR10, CIFAR100):
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


@pytest.mark.parametrize(("name", "folder"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_without_network_the_way_out_is_named(no_network: None, tmp_path: Path, name: str, folder: str):
    with pytest.raises(Unavailable) as report:
        fetch(DataRecipe(name=name), tmp_path / "new")
    for part in (str(tmp_path / "new" / folder), "official 'python version'", "--data-dir", "$SWEEP_DATA"):
        assert part in str(report.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "new").write_text("a file")
    with pytest.raises(Unavailable, match=f"no {tmp_path}/new/cifar-10-batches-py, and nothing can be written there"):
        fetch(DATA, tmp_path / "new")


def test_a_folder_that_is_there_is_taken_as_it_is(no_network: None, cifar10_dir: Path):
    fetch(DATA, cifar10_dir)
    assert len(read_images(DATA, cifar10_dir, "train")) == 200
