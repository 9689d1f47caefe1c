import sys
import threading
import types
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pooch
import pytest
from small_busi import COUNTS, small_images, write_small_busi

from busi_report.__main__ import main
from busi_utils.audit import download, published
from busi_utils.audit.download import download_busi, unpack, verify_busi
from busi_utils.audit.images import pixel_sha256
from busi_utils.errors import StudyError


class Server(ThreadingHTTPServer):
    """Serves ``body``; ``plan`` says how: cut the transfer, answer 503, or (at its end) all."""

    body = b""
    plan: list[str]
    requests = 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        step = self.server.plan.pop(0) if self.server.plan else "whole"
        if step == "refuse":
            self.send_error(503)
            return
        body = self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if step == "cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), _Handler) as running:
        running.plan = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def small_official_set(tmp_path, monkeypatch):
    """Let the small images be the official data set, and spare the pauses between retries."""
    rows = {name: pixel_sha256(grey) for name, grey in small_images().items()}
    facts = pd.DataFrame({"sha256": rows.values(), "image_id": rows.keys(), "curated": False})
    facts.to_csv(tmp_path / "facts.csv", index=False)
    monkeypatch.setattr(published, "FACTS", tmp_path / "facts.csv")
    monkeypatch.setattr(download, "MASKS", sum(COUNTS.values()))
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)


def _zip(tmp_path, change=lambda folder: None):
    folder = write_small_busi(tmp_path / "source" / "Dataset_BUSI_with_GT", "RGB")
    change(folder)
    with zipfile.ZipFile(tmp_path / "busi.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "source"))
    return (tmp_path / "busi.zip").read_bytes()


def _url(server):
    return f"http://127.0.0.1:{server.server_port}/Dataset_BUSI.zip"


def _nothing_left(folder):
    return {path.name for path in folder.iterdir()} <= {".download.lock"}


@pytest.mark.parametrize("plan", [[], ["cut"], ["refuse", "cut", "cut"]])
def test_the_archive_arrives_in_spite_of_interruptions(server, tmp_path, plan, capsys):
    server.body, server.plan = _zip(tmp_path), list(plan)
    folder = download_busi(tmp_path / "data", _url(server))
    assert folder == tmp_path / "data" / "Dataset_BUSI_with_GT"
    verify_busi(folder)
    assert server.requests == len(plan) + 1
    assert "100%" in capsys.readouterr().err
    assert download_busi(tmp_path / "data", _url(server)) == folder
    assert server.requests == len(plan) + 1, "a complete copy must not be fetched again"
    assert not (tmp_path / "data" / ".download").exists()


@pytest.mark.parametrize("step", ["cut", "refuse"])
def test_a_server_that_keeps_failing_leaves_nothing_but_advice(server, tmp_path, step):
    server.body, server.plan = _zip(tmp_path), [step] * 9
    with pytest.raises(StudyError) as error:
        download_busi(tmp_path / "data", _url(server), progress=False)
    for way in (download.PAGE, download.KAGGLE, "BUSI_DATA", "kagglehub"):
        assert way in str(error.value)
    assert server.requests == 4
    assert _nothing_left(tmp_path / "data")


def test_a_wrong_checksum_is_refused(server, tmp_path):
    server.body = _zip(tmp_path)
    with pytest.raises(StudyError, match="hash"):
        download_busi(tmp_path / "data", _url(server), known_hash="0" * 64, progress=False)
    right = pooch.file_hash(str(tmp_path / "busi.zip"))
    download_busi(tmp_path / "data", _url(server), known_hash=right, progress=False)


def test_a_damaged_archive_is_refused(server, tmp_path):
    server.body = _zip(tmp_path)[:-300]
    with pytest.raises(StudyError, match="BadZipFile"):
        download_busi(tmp_path / "data", _url(server), progress=False)
    assert _nothing_left(tmp_path / "data")


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/evil.png", "C:\\evil.png", "..\\evil.png"]
)
def test_an_entry_outside_the_folder_is_refused(server, tmp_path, name):
    _zip(tmp_path)
    with zipfile.ZipFile(tmp_path / "busi.zip", "a") as archive:
        archive.writestr(name, b"evil")
    server.body = (tmp_path / "busi.zip").read_bytes()
    with pytest.raises(StudyError, match="unsafe"):
        download_busi(tmp_path / "data", _url(server), progress=False)
    assert _nothing_left(tmp_path / "data")
    assert not list(tmp_path.rglob("*evil.png"))


def test_a_bomb_and_an_encrypted_archive_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("benign/a.png", bytes(10**6))
    with monkeypatch.context() as patch:
        patch.setattr(download, "_MOST_BYTES", 10**6 - 1)
        with pytest.raises(StudyError, match=r"would fill 0\.0 GB"):
            unpack(path, tmp_path / "out")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    with pytest.raises(StudyError, match="is encrypted"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_the_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        link = zipfile.ZipInfo("benign")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    with pytest.raises(StudyError, match="unsafe"):
        unpack(tmp_path / "links.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("normal (1)_mask.png", "0 of 21 images .* 20 masks instead of 21"),
        ("normal (1)*.png", "1 of 21 images .* for instance normal \\(1\\)"),
    ],
)
def test_an_incomplete_archive_is_refused(server, tmp_path, name, complaint):
    def cut(folder):
        for path in (folder / "normal").glob(name):
            path.unlink()

    server.body = _zip(tmp_path, cut)
    with pytest.raises(StudyError, match=complaint):
        download_busi(tmp_path / "data", _url(server), progress=False)
    assert _nothing_left(tmp_path / "data")


def test_an_altered_copy_is_told(tmp_path):
    folder = write_small_busi(tmp_path / "busi")
    (folder / "normal" / "normal (2).png").write_bytes(
        (folder / "normal" / "normal (3).png").read_bytes()
    )
    with pytest.raises(StudyError, match=r"1 of 21 images .* for instance normal \(2\)"):
        verify_busi(folder)


@pytest.mark.parametrize("works", [True, False])
def test_kagglehub_is_the_second_way(server, tmp_path, monkeypatch, works):
    server.plan = ["refuse"] * 9
    mirror = tmp_path / "cache"
    write_small_busi(mirror / "Dataset_BUSI_with_GT")

    def fetch(name):
        if not works:
            raise RuntimeError("no account")
        return str(mirror) if name == download.KAGGLE else None

    hub = types.SimpleNamespace(dataset_download=fetch)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: name == "kagglehub")
    if works:
        folder = download_busi(tmp_path / "data", _url(server), progress=False)
        verify_busi(folder)
        assert (mirror / "Dataset_BUSI_with_GT" / "benign").is_dir()
    else:
        with pytest.raises(StudyError, match=r"503.*kagglehub: RuntimeError: no account"):
            download_busi(tmp_path / "data", _url(server), progress=False)


def test_the_command_tells_its_result(tmp_path, capsys):
    folder = write_small_busi(tmp_path / "data" / "Dataset_BUSI_with_GT")
    command = ["download", str(tmp_path / "data")]
    assert main(command) == 0
    assert f"BUSI is in {folder}" in capsys.readouterr().out
    (folder / "benign" / "benign (1).png").unlink()
    assert main(command) == 2
    assert "benign (1)_mask.png" in capsys.readouterr().err
