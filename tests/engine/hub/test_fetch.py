"""A download fetches what is needed, resumes what was stopped, proves what came, and stops when asked."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.hub_server import Fault, HubServer, checkpoint_files
from workbench.engine import hub
from workbench.engine.errors import CheckpointError, NetworkError, OutOfSpace, UnsafeRefused
from workbench.engine.task import Cancelled, Progress, Silent

NEEDED = {"README.md", "config.json", "model.safetensors", "tokenizer.json"}


class Watched(Silent):
    """Keeps what was reported; stops once ``stop`` is set or so many bytes have come."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.seen: list[Progress] = []
        self.lines: list[str] = []
        self.stop = threading.Event()
        self.stop_at = stop_at

    def report(self, progress: Progress) -> None:
        self.seen.append(progress)
        if progress.done >= self.stop_at:
            self.stop.set()

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if self.stop.is_set():
            raise Cancelled


def test_only_what_is_needed_lands_in_the_native_layout(server: HubServer, cache: Path) -> None:
    files = checkpoint_files()
    repo = server.add("someone/tiny", files)
    task = Watched()
    made = hub.download("someone/tiny", task=task)
    root = cache / "models--someone--tiny"
    assert made.path == root / "snapshots" / repo.commit
    assert {path.name for path in made.path.iterdir()} == NEEDED
    assert all((made.path / name).read_bytes() == files[name] for name in NEEDED)
    assert (root / "refs" / "main").read_text() == repo.commit
    assert made.complete and made.revision == repo.commit and made.name == "someone/tiny"
    total = sum(len(files[name]) for name in NEEDED)
    assert task.seen[-1].done == task.seen[-1].total == total
    assert [p.done for p in task.seen] == sorted(p.done for p in task.seen)


def test_the_real_client_takes_it_for_its_own(server: HubServer, cache: Path) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    server.sent.clear()
    found = hf_hub_download("someone/tiny", "model.safetensors", cache_dir=cache, endpoint=server.url)
    assert Path(found) == made.path / "model.safetensors"
    assert server.sent == []
    seen = scan_cache_dir(cache)
    assert not seen.warnings and {repo.repo_id for repo in seen.repos} == {"someone/tiny"}


def test_a_second_download_fetches_nothing(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    first = hub.download("someone/tiny")
    server.sent.clear()
    assert hub.download("someone/tiny").path == first.path
    assert server.sent == []


def test_after_a_stop_only_the_missing_bytes_are_fetched(server: HubServer, cache: Path) -> None:
    files = checkpoint_files(3_000_000)
    server.add("someone/tiny", files)
    with pytest.raises(Cancelled):
        hub.download("someone/tiny", task=Watched(stop_at=1_000_000))
    digest = hashlib.sha256(files["model.safetensors"]).hexdigest()
    kept = (cache / "models--someone--tiny" / "blobs" / f"{digest}.workbench.incomplete").stat().st_size
    assert kept >= 500_000
    (unfinished,) = hub.local_checkpoints()
    assert unfinished.name == "someone/tiny" and not unfinished.complete
    server.sent.clear()
    made = hub.download("someone/tiny")
    sent = [each for each in server.sent if each[0] == "model.safetensors"]
    assert sent == [("model.safetensors", kept, len(files["model.safetensors"]) - kept)]
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_a_killed_process_loses_nothing(server: HubServer, cache: Path) -> None:
    files = checkpoint_files(2_000_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault("stall", after=1_500_000)]
    child = multiprocessing.get_context("spawn").Process(target=hub.download, args=("someone/tiny",))
    child.start()
    assert server.stalled.wait(60)
    partial_size = _wait_for(cache, 1_000_000)
    child.kill()
    child.join()
    server.sent.clear()
    hub.download("someone/tiny")
    (start,) = [start for name, start, _ in server.sent if name == "model.safetensors"]
    assert start >= partial_size


def _wait_for(cache: Path, size: int) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for partial in cache.rglob("*.workbench.incomplete"):
            if partial.stat().st_size >= size:
                return partial.stat().st_size
        threading.Event().wait(0.01)
    raise AssertionError("nothing came")


@pytest.mark.parametrize("kind", ["reset", "close", 503, 429])
def test_a_cut_connection_is_taken_up(server: HubServer, kind: str | int) -> None:
    files = checkpoint_files(2_000_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault(kind, after=700_000)]
    task = Watched()
    made = hub.download("someone/tiny", task=task)
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert any("trying again" in line for line in task.lines)
    # A reset takes what lies in the system's buffers with it; an orderly close loses nothing.
    lost = 700_000 if kind == "reset" else 0
    assert server.bytes_of("model.safetensors") <= len(files["model.safetensors"]) + lost


def test_a_connection_cut_at_every_tenth_loses_no_byte(server: HubServer) -> None:
    files = checkpoint_files(2_000_000)
    server.add("someone/tiny", files)
    size = len(files["model.safetensors"])
    server.faults["model.safetensors"] = [Fault("close", after=size * tenth // 10) for tenth in range(1, 10)]
    made = hub.download("someone/tiny")
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]
    assert server.bytes_of("model.safetensors") == size and hub.verify(made).whole


def test_a_server_that_knows_no_ranges_starts_over(server: HubServer) -> None:
    files = checkpoint_files(1_000_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault("close", after=500_000), Fault("whole")]
    made = hub.download("someone/tiny")
    assert (made.path / "model.safetensors").read_bytes() == files["model.safetensors"]


@pytest.mark.parametrize("stall_at", [0, 600_000])
def test_a_stop_ends_a_stalled_download_long_before_the_server_does(server: HubServer, stall_at: int) -> None:
    server.add("someone/tiny", checkpoint_files(1_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=stall_at)]
    task = Watched()
    stopped_at: list[float] = []

    def stop() -> None:
        server.stalled.wait(30)
        stopped_at.append(time.monotonic())
        task.stop.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Cancelled):
        hub.download("someone/tiny", task=task)
    assert time.monotonic() - stopped_at[0] < 20
    stopper.join()


def test_a_wrong_byte_is_found_and_thrown_away(server: HubServer, cache: Path) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("flip", after=123_456)]
    with pytest.raises(CheckpointError, match="damaged or changed"):
        hub.download("someone/tiny")
    # Files that were on their way beside it may have kept their beginning, for the next try.
    digest = hashlib.sha256(checkpoint_files()["model.safetensors"]).hexdigest()
    root = cache / "models--someone--tiny"
    assert not list(root.glob(f"blobs/{digest}*")) and not (root / "snapshots").exists()
    assert hub.download("someone/tiny").complete


def test_a_small_file_is_proved_too(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["config.json"] = [Fault("flip", after=3)]
    with pytest.raises(CheckpointError, match=r"config\.json"):
        hub.download("someone/tiny")


def test_more_bytes_than_named_are_refused(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("more")]
    with pytest.raises(NetworkError):
        hub.download("someone/tiny")


@pytest.mark.parametrize("etag", ["../../../../evil", "x" * 64, "", "A" * 64, "g" * 40])
@pytest.mark.parametrize("hashes", [True, False])
def test_hostile_hashes_never_become_paths(server: HubServer, cache: Path, etag: str, hashes: bool) -> None:
    repo = server.add("someone/evil", checkpoint_files())
    repo.hashes = hashes
    repo.etags = {"model.safetensors": etag}
    with pytest.raises(CheckpointError, match="hash"):
        hub.download("someone/evil")
    assert not (cache.parent / "evil").exists()
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "name",
    [
        "../../outside.json",
        "/etc/outside.json",
        "a/../../outside.json",
        "C:\\outside.json",
        "..json",
        "con.json",
        "x\n.json",
    ],
)
def test_hostile_names_are_left_out(server: HubServer, cache: Path, name: str) -> None:
    server.add("someone/evil", {**checkpoint_files(), name: b"{}"})
    made = hub.download("someone/evil")
    assert {path.name for path in made.path.iterdir()} == NEEDED
    assert not list(cache.parent.rglob("*outside*"))


def test_mirrors_without_blobs_are_asked_file_by_file(server: HubServer) -> None:
    server.add("someone/mirrored", checkpoint_files()).hashes = False
    assert hub.download("someone/mirrored").complete
    assert any(method == "HEAD" for method, *_ in server.requests)


def test_the_token_stays_with_the_hub(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.add("someone/tiny", checkpoint_files())
    hub.download("someone/tiny")
    for _, path, headers in server.requests:
        assert ("authorization" in map(str.lower, headers)) == (not path.startswith("/cdn/")), path


def test_shards_and_their_index_come_without_other_variants(server: HubServer) -> None:
    files = checkpoint_files()
    weights = files.pop("model.safetensors")
    index = b'{"weight_map": {"weight": "model-00001-of-00001.safetensors"}}'
    extra = {"model.fp16.safetensors": weights, "consolidated.safetensors": weights, "tf_model.h5": b"h5"}
    shards = {"model-00001-of-00001.safetensors": weights, "model.safetensors.index.json": index}
    server.add("someone/sharded", {**files, **extra, **shards})
    made = hub.download("someone/sharded")
    assert {path.name for path in made.path.iterdir()} == NEEDED - {"model.safetensors"} | set(shards)
    assert made.complete


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        (["config.json", "pytorch_model.bin"], UnsafeRefused, "pickles"),
        (["model.gguf"], CheckpointError, "GGUF"),
        (["adapter_config.json", "adapter_model.bin"], CheckpointError, "adapter"),
        (["README.md"], CheckpointError, r"config\.json"),
    ],
)
def test_what_transformers_can_not_load_is_said_before_a_byte_comes(
    server: HubServer, names: list[str], kind: type[Exception], said: str
) -> None:
    server.add("someone/other", dict.fromkeys(names, b"{}"))
    with pytest.raises(kind, match=said):
        hub.download("someone/other")
    assert server.sent == []


def test_an_adapter_comes_by_itself_and_names_what_it_wants(server: HubServer) -> None:
    settings = {"peft_type": "LORA", "base_model_name_or_path": "someone/large", "task_type": "CAUSAL_LM"}
    names = {"adapter_config.json": json.dumps(settings).encode(), "adapter_model.safetensors": b"{}"}
    server.add("someone/adapter", {**names, "README.md": b"# It", "optimizer.pt": b"no"})
    made = hub.download("someone/adapter")
    assert {path.name for path in made.path.iterdir()} == {*names, "README.md"}
    assert made.complete and hub.local_checkpoints() == (made,)
    found = hub.look_local(made)
    assert found.facts is None and "someone/large" in found.error.why


def test_too_little_disk_is_said_first(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("someone/tiny", checkpoint_files())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutOfSpace, match="are free"):
        hub.download("someone/tiny")
    assert server.sent == []


def test_without_links_the_files_lie_in_the_snapshot(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    assert not any(path.is_symlink() for path in made.path.iterdir())
    server.sent.clear()
    assert hub.download("someone/tiny").complete and server.sent == []


def test_without_links_files_of_one_content_are_all_there(
    server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    server.add("someone/tiny", {**checkpoint_files(), "a.txt": b"same", "b.txt": b"same", "c.txt": b"same"})
    made = hub.download("someone/tiny")
    assert [(made.path / name).read_bytes() for name in ("a.txt", "b.txt", "c.txt")] == [b"same"] * 3
    server.sent.clear()
    assert hub.download("someone/tiny").complete and server.sent == []


@pytest.mark.parametrize("revision", ["../../x", "", "a//b", "/etc"])
def test_revisions_are_no_paths(server: HubServer, revision: str) -> None:
    server.add("someone/tiny", checkpoint_files())
    with pytest.raises(NetworkError, match="revision"):
        hub.download("someone/tiny", revision)


@pytest.mark.parametrize("repo_id", ["../x", "a/b/c", "someone/..", "a--b/c"])
def test_repository_names_are_no_paths(cache: Path, repo_id: str) -> None:
    with pytest.raises(CheckpointError):
        hub.cached(repo_id)
    assert not os.path.exists(cache)
