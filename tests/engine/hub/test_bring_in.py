"""A GGUF file of one's own becomes a checkpoint, and what is none is refused in words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.engine.hub.test_fetch import Watched
from tests.tiny_gguf import build_tiny_gguf
from workbench.engine import hub, models, paths
from workbench.engine.errors import CheckpointError
from workbench.engine.task import Cancelled


def test_a_gguf_file_becomes_a_checkpoint_that_loads(cache: Path, tmp_path: Path) -> None:
    import torch

    file, weight = build_tiny_gguf(tmp_path / "tiny.gguf")
    before = paths.data_dir() / "models" / "tiny"
    before.mkdir(parents=True)
    made = hub.bring_in_gguf(file)
    assert (made.name, made.source, made.complete) == ("tiny-2", "imported", True)
    assert not list(before.iterdir()), "another one of that name stays as it is"
    assert made.path.parent == paths.data_dir() / "models" and file.exists()
    assert made in hub.local_checkpoints()
    loaded = models.load(made, dtype="float32", device="cpu")
    embedding = loaded.model.get_input_embeddings().weight
    assert torch.equal(embedding, weight.to(torch.bfloat16).float())
    assert hub.delete(made) == made.size and not made.path.exists()


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04", b"GGUF" + b"\xff" * 200, b"GGUF\x03\x00\x00\x00"])
def test_what_is_no_gguf_is_refused(cache: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        hub.bring_in_gguf(file)
    assert caught.value.why and caught.value.remedy
    assert hub.local_checkpoints() == () and not list((paths.data_dir() / "models").glob("*"))


def test_a_file_that_is_gone_is_said(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="can't be read"):
        hub.bring_in_gguf(tmp_path / "gone.gguf")


def test_a_stop_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    file, _ = build_tiny_gguf(tmp_path / "tiny.gguf")
    task = Watched()
    timer = threading.Timer(0.4, task.stop.set)
    timer.start()
    with pytest.raises(Cancelled):
        hub.bring_in_gguf(file, task=task)
    timer.join()
    assert hub.local_checkpoints() == () and not list((paths.data_dir() / "models").iterdir())
