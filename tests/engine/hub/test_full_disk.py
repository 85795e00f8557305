"""A disk that is full in the middle of a download: a small one of memory, filled while the bytes come."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.hub.test_fetch import Watched
from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import CheckpointError, OutOfSpace, explain
from workbench.engine.hub import Order
from workbench.engine.models import load
from workbench.engine.task import Progress, Silent

_SIZE = 12_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be made by root alone")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


class _Fills(Watched):
    """Fills the disk once so many bytes have come, as another program might."""

    def __init__(self, place: Path, at: int) -> None:
        super().__init__()
        self._filler, self._at = place / "filler", at

    def report(self, progress: Progress) -> None:
        super().report(progress)
        if progress.done < self._at or self._filler.exists():
            return
        with self._filler.open("wb", buffering=0) as filler:
            for block in (2**20, 4096):
                try:
                    while filler.write(bytes(block)) == block:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self) -> None:
        self._filler.unlink()


def test_a_disk_that_fills_up_keeps_what_has_come_and_takes_it_up_again(
    server: HubServer, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(small_disk / "cache"))
    files = checkpoint_files(_SIZE)
    server.add("someone/tiny", files)
    task = _Fills(small_disk, 4_000_000)
    with pytest.raises(OutOfSpace, match="The disk is full") as caught:
        hub.fulfil(Order("someone/tiny"), task=task)
    assert "Free some space" in caught.value.remedy and "kept" in caught.value.remedy
    root = small_disk / "cache" / "models--someone--tiny"
    assert not (root / "snapshots").exists() and not (root / "refs").exists()
    (unfinished,) = hub.local_checkpoints()
    assert not unfinished.complete
    with pytest.raises(CheckpointError):
        load(unfinished)
    (order,) = hub.remembered()
    came = order.came
    assert 3_000_000 < came < _SIZE
    # Nothing of what is missing is fetched while there is no room for it.
    server.sent.clear()
    with pytest.raises(OutOfSpace, match="are free"):
        hub.fulfil(order, task=Silent())
    assert server.sent == []
    task.make_room()
    made = hub.fulfil(order, task=Silent())
    assert sum(count for _, _, count in server.sent) == order.size - came
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert hub.verify(made).whole and hub.remembered() == ()


def test_a_full_disk_under_the_programs_own_folder_is_said_and_spoils_no_order(
    server: HubServer, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("someone/tiny", checkpoint_files())
    monkeypatch.setenv("WORKBENCH_DATA", str(small_disk / "data"))
    hub.remember(Order("someone/other"))
    filler = _Fills(small_disk, 0)
    filler.report(Progress(0, None, "bytes"))
    with pytest.raises(OSError, match="No space") as caught:
        hub.fulfil(Order("someone/tiny"), task=Silent())
    said = explain(caught.value, "Could not download someone/tiny.")
    assert isinstance(said, OutOfSpace) and "disk is full" in said.why
    filler.make_room()
    assert [order.repo_id for order in hub.remembered()] == ["someone/other"]


def test_the_small_disk_is_one(small_disk: Path) -> None:
    assert os.statvfs(small_disk).f_blocks * os.statvfs(small_disk).f_frsize == 48 * 2**20
