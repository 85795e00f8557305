"""Verify finds every byte that changed, and what is damaged can be fetched again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import CheckpointError
from workbench.engine.task import Silent
from workbench.engine.values import Checkpoint


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_whole_revision_is_proved_without_the_network(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    hub.set_offline(True)
    server.requests.clear()
    verified = hub.verify(made)
    assert verified.whole and len(verified.proved) == 4 and not verified.unproved and server.requests == []
    assert verified.bytes == made.size


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_flipped_bit_is_found_and_only_that_file_is_fetched_again(server: HubServer, name: str) -> None:
    files = checkpoint_files()
    server.add("someone/tiny", files)
    made = hub.download("someone/tiny")
    _flip(made.path / name, 5)
    verified = hub.verify(made)
    assert verified.damaged == (name,) and not verified.whole
    server.sent.clear()
    mended = hub.fulfil(hub.mend(verified), task=Silent())
    assert [sent for sent, _, _ in server.sent] == [name]
    assert mended.path == made.path and hub.verify(mended).whole
    assert (made.path / name).read_bytes() == files[name]


def test_a_lost_blob_is_missing_and_comes_again(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    (made.path / "tokenizer.json").resolve().unlink()
    verified = hub.verify(made)
    assert verified.missing == ("tokenizer.json",)
    assert hub.verify(hub.fulfil(hub.mend(verified), task=Silent())).whole


def test_without_links_the_hub_is_asked_for_the_hashes(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    assert len(hub.verify(made).proved) == 4
    _flip(made.path / "config.json", 3)
    assert hub.verify(made).damaged == ("config.json",)
    hub.set_offline(True)
    verified = hub.verify(made)
    assert verified.sound == ("model.safetensors",) and len(verified.unproved) == 3


def test_a_local_folder_is_at_least_looked_into(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama.path, tmp_path / "mine")
    mine = Checkpoint("mine", tmp_path / "mine")
    assert hub.verify(mine).sound == ("model.safetensors",)
    weights = tmp_path / "mine" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    verified = hub.verify(mine)
    assert verified.damaged == ("model.safetensors",)
    with pytest.raises(CheckpointError, match="did not come from the Hub"):
        hub.mend(verified)


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no folder"):
        hub.verify(Checkpoint("gone", tmp_path / "gone"))
