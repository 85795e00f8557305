"""A model pack arrives as it left, and a hostile or damaged one writes nothing."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.hub.test_fetch import Watched
from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub, paths
from workbench.engine.errors import CheckpointError, OutOfSpace, UnsafeRefused, WorkbenchError
from workbench.engine.hub import pack
from workbench.engine.task import Cancelled
from workbench.engine.values import Checkpoint


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go to another machine: an empty cache and an empty data folder."""

    def go() -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other" / "cache"))
        monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "other" / "data"))

    return go


@pytest.fixture
def made(server: HubServer) -> Checkpoint:
    server.add("someone/tiny", checkpoint_files())
    return hub.download("someone/tiny")


@pytest.mark.parametrize("name", ["stick.zip", "stick"])
def test_what_is_packed_arrives_byte_for_byte(
    made: Checkpoint, tiny_llama: Checkpoint, tmp_path: Path, name: str, elsewhere: Callable[[], None]
) -> None:
    shutil.copytree(tiny_llama.path, paths.runs_dir() / "my-run")
    (run,) = [each for each in hub.local_checkpoints() if each.source == "run"]
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nfine,1\n")
    before = {path.name: path.read_bytes() for path in made.path.iterdir()}
    task = Watched()
    written = pack.export((made, run), (rows,), tmp_path / name, task=task)
    assert task.seen[-1].done == task.seen[-1].total == written.size
    assert pack.look_into(tmp_path / name).models == written.models
    elsewhere()
    assert hub.local_checkpoints() == ()
    found = pack.bring_in(tmp_path / name)
    revision, own = found.checkpoints
    assert (revision.name, revision.revision, revision.complete) == ("someone/tiny", made.revision, True)
    assert {path.name: path.read_bytes() for path in revision.path.iterdir()} == before
    assert hub.refs(revision) == ("main",) and hub.cached("someone/tiny").path == revision.path
    assert (own.name, own.source) == ("my-run", "imported")
    assert own.path in {each.path for each in hub.local_checkpoints()}
    assert [data.read_text() for data in found.data] == ["text,label\nfine,1\n"]
    assert hub.verify(revision).whole and len(hub.verify(own).unproved) == 0
    weights = own.path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert hub.verify(own).damaged == ("model.safetensors",)


def test_the_real_client_finds_what_was_brought_in(
    made: Checkpoint, server: HubServer, tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download

    pack.export((made,), (), tmp_path / "stick.zip")
    elsewhere()
    (found,) = pack.bring_in(tmp_path / "stick.zip").checkpoints
    cache = found.path.parents[2]
    server.requests.clear()
    assert snapshot_download("someone/tiny", cache_dir=cache, local_files_only=True) == str(found.path)
    assert server.requests == [] and not scan_cache_dir(cache).warnings


def test_bringing_in_twice_writes_the_revision_once(
    made: Checkpoint, tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    pack.export((made,), (), tmp_path / "stick.zip")
    elsewhere()
    (first,) = pack.bring_in(tmp_path / "stick.zip").checkpoints
    inode = (first.path / "model.safetensors").stat().st_ino
    (second,) = pack.bring_in(tmp_path / "stick.zip").checkpoints
    assert second.path == first.path and (second.path / "model.safetensors").stat().st_ino == inode
    assert [each.name for each in (paths.data_dir() / "models").iterdir()] == []


def test_a_folder_that_a_desktop_has_shown_is_still_a_pack(
    made: Checkpoint, tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    pack.export((made,), (), tmp_path / "stick")
    inner = next((tmp_path / "stick" / "models").iterdir())
    for left in (".DS_Store", "desktop.ini", "models/Thumbs.db", "._pack.json", f"models/{inner.name}/._config.json"):
        (tmp_path / "stick" / left).write_bytes(b"left")
    elsewhere()
    (found,) = pack.bring_in(tmp_path / "stick").checkpoints
    assert {path.name for path in found.path.iterdir()} == {path.name for path in inner.iterdir()} - {"._config.json"}
    (tmp_path / "stick" / "other.ini").write_bytes(b"")
    with pytest.raises(UnsafeRefused, match="its list does not name"):
        pack.look_into(tmp_path / "stick")


def test_a_stop_leaves_nothing_behind(made: Checkpoint, tmp_path: Path, elsewhere: Callable[[], None]) -> None:
    for name in ("stick.zip", "stick"):
        with pytest.raises(Cancelled):
            pack.export((made,), (), tmp_path / name, task=Watched(stop_at=1))
    assert not [path for path in tmp_path.iterdir() if "stick" in path.name]
    pack.export((made,), (), tmp_path / "stick.zip")
    elsewhere()
    with pytest.raises(Cancelled):
        pack.bring_in(tmp_path / "stick.zip", task=Watched(stop_at=1))
    assert hub.local_checkpoints() == () and not list((paths.data_dir() / "models").iterdir())


def test_bad_wishes_are_said(made: Checkpoint, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken.zip").write_text("mine")
    with pytest.raises(WorkbenchError, match="something of that name"):
        pack.export((made,), (), tmp_path / "taken.zip")
    assert (tmp_path / "taken.zip").read_text() == "mine"
    with pytest.raises(CheckpointError, match="Nothing was chosen"):
        pack.export((), (), tmp_path / "stick.zip")
    with pytest.raises(CheckpointError, match="not whole"):
        pack.export((replace(made, complete=False),), (), tmp_path / "stick.zip")
    usage = shutil.disk_usage("/")
    pack.export((made,), (), tmp_path / "stick.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutOfSpace, match="are free"):
        pack.export((made,), (), tmp_path / "other.zip")
    with pytest.raises(OutOfSpace, match="are free"):
        pack.bring_in(tmp_path / "stick.zip")


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "text", "cut", "flipped", "no list", "list of rubbish", "list too deep", "version"]
)
def test_a_damaged_pack_is_refused_in_words(
    made: Checkpoint, tmp_path: Path, damage: str, elsewhere: Callable[[], None]
) -> None:
    path = tmp_path / "stick.zip"
    pack.export((made,), (), path)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no archive")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        at = data.index(b"\x00\x07\x0e\x15") + 20
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    elif damage == "no list":
        _rewrite(path, lambda name, text: None if name == "pack.json" else text)
    elif damage == "list of rubbish":
        _rewrite(path, lambda name, text: b"[1, 2" if name == "pack.json" else text)
    elif damage == "list too deep":
        _rewrite(path, lambda name, text: b"[" * 100_000 if name == "pack.json" else text)
    else:
        _edit(path, lambda document: document.update(version=2))
    elsewhere()
    with pytest.raises(CheckpointError) as caught:
        pack.bring_in(path)
    assert caught.value.why and caught.value.remedy
    assert _written(tmp_path) == []


HOSTILE = ["../evil", "/etc/evil", "models/../../evil", "C:\\evil", "models/a\nb", "con", "models//x", "x" * 300]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_an_archive_are_refused(
    made: Checkpoint, tmp_path: Path, name: str, elsewhere: Callable[[], None]
) -> None:
    path = tmp_path / "stick.zip"
    pack.export((made,), (), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"evil")
    elsewhere()
    with pytest.raises(UnsafeRefused):
        pack.bring_in(path)
    assert _written(tmp_path) == [] and not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("key", ["name", "place", "blob", "sha256"])
@pytest.mark.parametrize("value", ["../../evil", "/etc/evil", "a\\b", "", "models/../evil", 7, None])
def test_hostile_names_in_the_list_are_refused(
    made: Checkpoint, tmp_path: Path, key: str, value: object, elsewhere: Callable[[], None]
) -> None:
    path = tmp_path / "stick.zip"
    pack.export((made,), (), path)
    if (key, value) == ("blob", ""):
        return
    _edit(path, lambda document: document["models"][0]["files"][0].update({key: value}))
    elsewhere()
    with pytest.raises((CheckpointError, UnsafeRefused)):
        pack.bring_in(path)
    assert _written(tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../evil"},
        {"name": "a--b/c"},
        {"revision": "../../x"},
        {"revision": None},
        {"refs": ["../../../evil"]},
        {"source": "elsewhere"},
        {"folder": "../evil", "source": "starter"},
    ],
)
def test_hostile_checkpoints_in_the_list_are_refused(
    made: Checkpoint, tmp_path: Path, change: dict[str, Any], elsewhere: Callable[[], None]
) -> None:
    path = tmp_path / "stick.zip"
    pack.export((made,), (), path)
    _edit(path, lambda document: document["models"][0].update(change))
    elsewhere()
    with pytest.raises(CheckpointError):
        pack.bring_in(path)
    assert _written(tmp_path) == []


def test_links_and_doubles_are_refused(made: Checkpoint, tmp_path: Path, elsewhere: Callable[[], None]) -> None:
    pack.export((made,), (), tmp_path / "linked.zip")
    entry = zipfile.ZipInfo("models/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "linked.zip", "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    pack.export((made,), (), tmp_path / "double.zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "double.zip", "a") as archive:
        archive.writestr("pack.json", b"{}")
    pack.export((made,), (), tmp_path / "folder")
    (tmp_path / "folder" / "models" / "link").symlink_to("/etc/passwd")
    elsewhere()
    for name in ("linked.zip", "double.zip", "folder"):
        with pytest.raises(UnsafeRefused):
            pack.bring_in(tmp_path / name)
    assert _written(tmp_path) == []


def test_a_wrong_hash_among_the_blobs_is_found(made: Checkpoint, tmp_path: Path, elsewhere: Callable[[], None]) -> None:
    # The SHA-256 fits what is in the archive, the blob's name does not: it would stand in the cache under a false name.
    path = tmp_path / "stick.zip"
    pack.export((made,), (), path)

    def swap(document: dict[str, Any]) -> None:
        for file in document["models"][0]["files"]:
            file["blob"] = ("b" * 40) if len(file["blob"]) == 40 else file["blob"]

    _edit(path, swap)
    elsewhere()
    with pytest.raises(CheckpointError, match="not what its hash says"):
        pack.bring_in(path)
    assert _written(tmp_path) == []


def _rewrite(path: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            changed = change(name, text)
            if changed is not None:
                archive.writestr(name, changed)


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    def edited(name: str, text: bytes) -> bytes:
        if name != "pack.json":
            return text
        document = json.loads(text)
        change(document)
        return json.dumps(document).encode()

    _rewrite(path, edited)


def _written(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
