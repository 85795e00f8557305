"""What lies on this machine is listed, opened and deleted; nothing outside the known folders is touched."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub, models, paths
from workbench.engine.errors import CheckpointError, WorkbenchError, explain
from workbench.engine.task import Silent
from workbench.engine.train.folder import RunFolder
from workbench.engine.values import Checkpoint


def test_every_source_is_listed(server: HubServer, tiny_llama: Checkpoint, tmp_path: Path) -> None:
    server.add("someone/tiny", checkpoint_files())
    hub.download("someone/tiny")
    shutil.copytree(tiny_llama.path, paths.runs_dir() / "first-run")
    shutil.copytree(tiny_llama.path, paths.runs_dir() / ".half.partial")
    shutil.copytree(tiny_llama.path, tmp_path / "mine")
    hub.open_folder(tmp_path / "mine")
    listed = {(each.source, each.name) for each in hub.local_checkpoints()}
    assert listed == {("hub", "someone/tiny"), ("run", "first-run"), ("folder", "mine")}
    assert all(each.complete and each.size > 0 and each.last_used > 0 for each in hub.local_checkpoints())


def test_opening_a_known_folder_gives_what_is_known(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    assert replace(hub.open_folder(made.path), last_used=made.last_used) == made
    assert len(hub.local_checkpoints()) == 1


def test_a_folder_that_is_no_checkpoint_is_not_remembered(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(CheckpointError):
        hub.open_folder(tmp_path / "photos")
    assert hub.local_checkpoints() == ()


def test_a_part_that_goes_while_it_is_measured_is_no_failure(server: HubServer, cache: Path) -> None:
    server.add("someone/tiny", {"config.json": b"{}", "model.safetensors": b"w" * 10})
    hub.download("someone/tiny")
    # To whoever lists the folder it is there, and to whoever looks at it no more.
    (cache / "models--someone--tiny" / "blobs" / ("c" * 64 + ".workbench.incomplete")).symlink_to("gone")
    assert hub.cached("someone/tiny") is not None


def test_deleting_a_revision_frees_its_bytes(server: HubServer, cache: Path) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    assert hub.delete(made) == made.size
    assert hub.local_checkpoints() == () and not (cache / "models--someone--tiny").exists()


def test_deleting_one_of_two_revisions_keeps_what_they_share(server: HubServer) -> None:
    repo = server.add("someone/tiny", checkpoint_files())
    old = hub.download("someone/tiny")
    repo.files["config.json"] = b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}'
    new = hub.download("someone/tiny")
    assert [each.revision for each in hub.local_checkpoints()] == [new.revision, old.revision]
    assert hub.delete(old) == (len(checkpoint_files()["config.json"]))
    (left,) = hub.local_checkpoints()
    assert left.revision == new.revision and left.complete


def test_deleting_a_run_and_forgetting_a_folder(cache: Path, tiny_llama: Checkpoint, tmp_path: Path) -> None:
    shutil.copytree(tiny_llama.path, paths.runs_dir() / "first-run")
    (run,) = hub.local_checkpoints()
    assert hub.delete(run) == run.size and not run.path.exists()
    shutil.copytree(tiny_llama.path, tmp_path / "mine")
    folder = hub.open_folder(tmp_path / "mine")
    assert hub.delete(folder) == 0 and folder.path.exists()
    assert hub.local_checkpoints() == ()


def test_a_run_in_use_is_not_half_deleted(cache: Path, tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny_llama.path, paths.runs_dir() / "first-run")
    (run,) = hub.local_checkpoints()
    before = {path.name for path in run.path.iterdir()}

    def refuse(*_: object) -> None:
        error = PermissionError(13, "The process cannot access the file")
        error.winerror = 32
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(PermissionError) as caught:
            hub.delete(run)
    assert "A file is in use" in str(explain(caught.value, "Could not delete it."))
    assert hub.local_checkpoints() == (run,) and {path.name for path in run.path.iterdir()} == before
    assert hub.delete(run) == run.size and list(paths.runs_dir().iterdir()) == []


def test_a_revision_that_the_library_could_not_delete_is_not_called_deleted(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")

    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "The process cannot access the file", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(WorkbenchError, match="Its files are in use"):
        hub.delete(made)
    assert hub.local_checkpoints() == (made,)


@pytest.mark.parametrize("source", ["run", "starter", "hub"])
def test_nothing_outside_its_folder_is_deleted(cache: Path, tiny_llama: Checkpoint, source: str) -> None:
    with pytest.raises(WorkbenchError, match="does not lie in"):
        hub.delete(replace(tiny_llama, source=source))
    assert tiny_llama.path.exists()


def test_rubbish_in_the_cache_is_passed_over(cache: Path) -> None:
    (cache / "models--a--b" / "snapshots" / "x").mkdir(parents=True)
    (cache / "models--c").mkdir()
    (cache / "models--d--e" / "snapshots" / "y").mkdir(parents=True)
    (cache / "models--d--e" / "snapshots" / "y" / "config.json").symlink_to("nowhere")
    (cache / "file").write_text("")
    assert hub.local_checkpoints() == ()
    assert hub.cached("a/b") is None


def test_what_is_freed_is_known_before_it_is_deleted(server: HubServer, tiny_llama: Checkpoint) -> None:
    repo = server.add("someone/tiny", checkpoint_files())
    old = hub.download("someone/tiny")
    repo.files["config.json"] = b'{"model_type": "bert", "architectures": ["BertForMaskedLM"]}'
    new = hub.download("someone/tiny")
    shutil.copytree(tiny_llama.path, paths.runs_dir() / "first-run")
    (run,) = [each for each in hub.local_checkpoints() if each.source == "run"]
    assert hub.freed(old) == len(checkpoint_files()["config.json"])
    together = hub.freed(old, new, run)
    # What two revisions share is freed once, when both go.
    assert together == new.size + len(checkpoint_files()["config.json"]) + run.size
    assert hub.delete(old, new, run) == together
    assert hub.local_checkpoints() == ()


def test_what_is_pinned_is_not_deleted(server: HubServer) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.add("someone/other", checkpoint_files(5000))
    made, other = hub.download("someone/tiny"), hub.download("someone/other")
    hub.pin(made)
    assert hub.pinned() == {str(made.path)}
    with pytest.raises(WorkbenchError, match="pinned"):
        hub.delete(other, made)
    assert len(hub.local_checkpoints()) == 2, "nothing is deleted when one of them may not be"
    hub.pin(made, False)
    hub.delete(other, made)
    assert hub.local_checkpoints() == ()


def test_a_run_that_is_being_trained_is_not_deleted(cache: Path, tiny_llama: Checkpoint) -> None:
    for name in ("going-on", "over"):
        shutil.copytree(tiny_llama.path, paths.runs_dir() / name)
    folder = RunFolder(paths.runs_dir() / "going-on", Silent())
    folder.take_up(0)
    going_on, over = sorted(hub.local_checkpoints(), key=lambda each: each.name)
    with pytest.raises(WorkbenchError, match="being trained") as refused:
        hub.delete(over, going_on)
    assert "Stop the run first" in refused.value.remedy
    assert over.path.exists() and going_on.path.exists(), "nothing is deleted when one of them may not be"
    folder.release()
    hub.delete(over, going_on)
    assert hub.local_checkpoints() == ()


def test_revisions_are_listed_with_their_branches(server: HubServer) -> None:
    repo = server.add("someone/tiny", checkpoint_files())
    old = hub.download("someone/tiny")
    repo.files["config.json"] = b'{"model_type": "bert"}'
    new = hub.download("someone/tiny")
    assert (hub.refs(new), hub.refs(old)) == (("main",), ())


def test_data_sets_of_the_cache_are_listed_and_deleted(cache: Path) -> None:
    root = cache / "datasets--someone--rows"
    folder = root / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (root / "blobs").mkdir()
    (root / "blobs" / "b").write_bytes(b"x" * 1000)
    (folder / "rows.csv").symlink_to("../../blobs/b")
    (found,) = hub.cached_data()
    assert (found.name, found.source, found.size, found.complete) == ("someone/rows", "dataset", 1000, True)
    assert hub.local_checkpoints() == ()
    assert hub.delete(found) == 1000 and hub.cached_data() == ()


def test_an_unfinished_newer_revision_stands_beside_the_whole_one(server: HubServer, cache: Path) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    part = cache / "models--someone--tiny" / "blobs" / ("c" * 64 + ".workbench.incomplete")
    part.write_bytes(b"x" * 500)
    whole, begun = hub.local_checkpoints()
    assert whole.complete and not begun.complete and begun.size == 500
    assert hub.freed(begun) == 500 == hub.delete(begun)
    assert made.path.exists() and not part.exists()


@pytest.mark.parametrize(
    ("head", "licence", "languages"),
    [
        ("license: mit\nlanguage: en", "mit", ("en",)),
        ("language:\n- en\n- no\n- zh-Hant\nlicense: apache-2.0\ntags: [a, b]", "apache-2.0", ("en", "no", "zh-Hant")),
        ("license: other\nlicense_name: my own\r\nlicense_link: LICENSE", "my own", ()),
        ("language:\n  - de\n  - fr\nmodel-index:\n- name: x", "", ("de", "fr")),
        ("license: [mit, gpl-3.0]", "mit", ()),
        ("license: {a: b}\nlanguage: 5", "", ()),
        ("license: 'unfinished", "", ()),
        ("license: " + "[" * 4000, "", ()),
        ("license: x" + "y" * 10_000, "x" + "y" * 59, ()),
        ("license: mit\x1b[31m\nlanguage: e\x07n", "", ()),
        ("language: &a [x, x]\nlicense: mit", "", ()),
        ("a: &a [lol]\nb: &b [*a,*a]\n<<: *b\nlicense: mit", "mit", ()),
        ("no: head of interest", "", ()),
    ],
)
def test_a_folders_card_says_licence_and_languages_as_far_as_they_can_be_read(
    tiny_llama: Checkpoint, tmp_path: Path, head: str, licence: str, languages: tuple[str, ...]
) -> None:
    folder = tmp_path / "with a card"
    shutil.copytree(tiny_llama.path, folder)
    (folder / "README.md").write_text(f"---\n{head}\n---\n# Seen\n", encoding="utf-8", newline="")
    seen = hub.look_local(Checkpoint("mine", folder))
    assert (seen.licence, seen.languages, seen.card) == (licence, languages, "# Seen\n")


def test_a_folder_without_a_card_names_no_licence(tiny_llama: Checkpoint) -> None:
    seen = hub.look_local(tiny_llama)
    assert (seen.licence, seen.languages, seen.card) == ("", (), "")


def test_a_starter_whose_card_names_no_licence_has_that_of_its_package(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "starter"
    shutil.copytree(tiny_llama.path, folder)
    (folder / "starter.json").write_text(json.dumps({"name": "Small", "licence": "Apache-2.0"}), encoding="utf-8")
    assert hub.look_local(Checkpoint("Small", folder, "starter")).licence == "apache-2.0"
    (folder / "starter.json").write_text("[1]", encoding="utf-8")
    assert hub.look_local(Checkpoint("Small", folder, "starter")).licence == ""


def test_a_head_without_an_end_is_looked_at_no_further_than_a_head_goes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\n" + b"x: y\n" * 200_000)
    assert hub.look_local(Checkpoint("mine", tmp_path)).licence == ""


def test_a_folder_opens_where_nothing_may_be_written(
    tiny_llama: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "taken" / "data"))
    opened = hub.open_folder(tiny_llama.path)
    assert (opened.path, opened.complete) == (tiny_llama.path, True)
    assert models.load(opened).generates
