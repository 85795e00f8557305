"""Bad data, bad settings, bad luck: the pane says what and what to do, and nothing is lost."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from tests.panes.trainer.person import Find, click, notices, show_tab, train
from workbench.engine import hub, models, paths
from workbench.engine.task import Silent
from workbench.engine.train import checkpoints
from workbench.engine.train.folder import RunFolder
from workbench.engine.values import Checkpoint
from workbench.panes.trainer import TrainerPane
from workbench.panes.trainer.share import ShareDialog
from workbench.runtime.jobs import Runner

pytestmark = pytest.mark.usefixtures("workbench_data")

Open = Callable[[Path], None]


@pytest.fixture
def open_file(qtbot: QtBot, pane: TrainerPane, find: Find) -> Open:
    """Opens a data file, waits until all of it was read, and sets a short run up."""

    def open_file(path: Path) -> None:
        pane.open_data(path)
        qtbot.waitUntil(
            lambda: find("dataset").currentText() == path.name and find("start").isEnabled(), timeout=60_000
        )
        settings = {"rows": 0, "eval_fraction": 0.25, "batch_size": 4, "max_length": 24, "threads": 1, "max_steps": 4}
        for name, value in settings.items():
            find(name).setValue(value)
        find("bf16").setChecked(False)

    return open_file


def _rows(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _nothing_is_left() -> bool:
    return not paths.runs_dir().exists() or not list(paths.runs_dir().glob("*"))


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (lambda n: "", "40 are left out, the first, rows.jsonl, line 1, because the label is empty"),
        (lambda n: "same", "“same”"),
    ],
    ids=["no label", "one label"],
)
def test_rows_that_teach_nothing_are_refused(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path, label: Callable[[int], str], told: str
) -> None:
    open_file(_rows(tmp_path / "rows.jsonl", *({"text": f"a film {n}", "label": label(n)} for n in range(40))))
    find("task").setCurrentIndex(find("task").findData("text-classification"))
    find("text_column").setCurrentText("text")
    find("label_column").setCurrentText("label")
    train(qtbot, find)
    assert told in notices(pane)
    assert _nothing_is_left()


def test_zero_rows_after_filtering_are_told_with_their_places(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path
) -> None:
    open_file(_rows(tmp_path / "empty.jsonl", *({"text": "  ", "label": "ab"[n % 2]} for n in range(12))))
    find("text_column").setCurrentText("text")
    find("label_column").setCurrentText("label")
    show_tab(find, "views", "Data")
    qtbot.waitUntil(lambda: "0 can be used" in find("data_summary").text(), timeout=20_000)
    assert find("unused_rows").row(0) == ("empty.jsonl, line 1", "the text is empty")
    train(qtbot, find)
    assert "12 are left out, the first, empty.jsonl, line 1, because the text is empty" in notices(pane)
    assert _nothing_is_left()


def test_a_label_never_trained_on_is_told_and_the_run_goes_on(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    _rows(folder / "train.jsonl", *({"text": f"film {n}", "label": "ab"[n % 2]} for n in range(24)))
    _rows(folder / "test.jsonl", {"text": "film", "label": "a"}, {"text": "book", "label": "never seen"})
    open_file(folder)
    show_tab(find, "views", "Data")
    qtbot.waitUntil(lambda: "never seen" in find("data_warnings").text(), timeout=20_000)
    train(qtbot, find)
    assert find("status").text().startswith("Finished"), notices(pane)
    assert pane.result is not None and (pane.result.train_rows, pane.result.eval_rows) == (24, 2)
    assert find("metrics").row(0)[3] in ("0 %", "50 %"), "what was never trained on counts as wrong"


def test_ragged_tags_are_left_out_and_named(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path
) -> None:
    good = [{"tokens": ["Ada", "wrote"], "tags": ["B-PER", "O"]} for _ in range(20)]
    open_file(_rows(tmp_path / "tags.jsonl", *good, {"tokens": ["Ada", "wrote"], "tags": ["B-PER"]}))
    assert find("task").currentData() == "token-classification"
    show_tab(find, "views", "Data")
    qtbot.waitUntil(lambda: "20 can be used, 1 left out" in find("data_summary").text(), timeout=20_000)
    place, why = find("unused_rows").row(0)
    assert place == "tags.jsonl, line 21"
    assert "2" in why and "1" in why
    train(qtbot, find)
    assert find("status").text().startswith("Finished"), notices(pane)


def test_other_encodings_and_mixed_line_endings_are_read_as_they_were_meant(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path
) -> None:
    path = tmp_path / "western.csv"
    path.write_bytes("text,label\r\ncafé,a\nnaïve,b\rfaçade,a\r\n".encode("cp1252"))
    open_file(path)
    table = find("preview")
    at = table.columns.index("text")
    assert [table.row(row)[at] for row in range(table.model().rowCount())] == ["café", "naïve", "façade"]


def test_a_line_of_100_mb_is_told_and_leaves_what_was_there(
    qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path
) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"a film " * (2**20 // 7))
        file.write(b'", "label": "a"')
    before = pane.spec()
    pane.open_data(path)
    qtbot.waitUntil(lambda: "long.jsonl" in notices(pane), timeout=60_000)
    assert "line 1" in notices(pane)
    assert pane.spec() == before


def test_a_column_of_mixed_types_is_counted(
    qtbot: QtBot, pane: TrainerPane, find: Find, open_file: Open, tmp_path: Path
) -> None:
    mixed: list[object] = [1, "two", 3.5, "two", 1, "two", 1, "two"]
    open_file(_rows(tmp_path / "mixed.jsonl", *({"text": f"film {n}", "label": each} for n, each in enumerate(mixed))))
    find("label_column").setCurrentText("label")
    show_tab(find, "views", "Data")
    qtbot.waitUntil(lambda: "values of several kinds" in find("data_warnings").text(), timeout=20_000)
    assert "4 × text" in find("data_warnings").text()


def test_a_tokenizer_without_a_padding_token_trains_in_batches(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    bare = tmp_path / "no-padding"
    shutil.copytree(tiny_llama.path, bare)
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        if (bare / name).exists():
            told = json.loads((bare / name).read_text())
            (bare / name).write_text(json.dumps({key: each for key, each in told.items() if "pad_token" not in key}))
    checkpoint = Checkpoint("no-padding", bare, "folder")
    loaded = models.load(checkpoint)
    assert loaded.tokenizer is not None and loaded.tokenizer.pad_token is None
    pane._model.choose("text-classification", checkpoint, {})
    find("max_steps").setValue(3)
    train(qtbot, find)
    assert find("status").text().startswith("Finished"), notices(pane)
    assert all(math.isfinite(loss) for _, loss in find("loss_plot").points("train"))


def test_a_head_that_does_not_fit_the_data_says_what_it_wants(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None
) -> None:
    find("task").setCurrentIndex(find("task").findData("token-classification"))
    train(qtbot, find)
    assert "60 are left out, the first, reviews.csv, line 2, because there are 4 words and 1 tags" in notices(pane)
    find("task").setCurrentIndex(find("task").findData("question-answering"))
    train(qtbot, find)
    assert "No column is chosen for the answers" in notices(pane)
    assert _nothing_is_left()


def test_a_learning_rate_of_ten_is_drawn_as_badly_as_it_goes(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None
) -> None:
    find("learning_rate").setValue(10.0)
    find("warmup_steps").setValue(0)
    train(qtbot, find)
    losses = [loss for _, loss in find("loss_plot").points("train")]
    assert len(losses) == 6
    assert max(losses) > 5 > losses[0] > 0
    assert find("status").text().startswith("Finished")


def test_a_disk_full_at_the_second_checkpoint_is_told_and_the_run_ends_well(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, kept, saves = checkpoints.seal, [], []

    def full(folder: Path, *rest: object) -> object:
        saves.append(folder)
        if len(saves) == 2:
            kept.extend(each.name for each in checkpoints.complete(spec.output_dir))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(folder, *rest)

    monkeypatch.setattr(checkpoints, "seal", full)
    find("epochs").setValue(3)
    spec = pane.spec()
    assert spec is not None
    train(qtbot, find)
    assert "Could not write the checkpoint of step 12; the training goes on." in notices(pane)
    assert kept == ["checkpoint-6"], "the one before is whole"
    assert find("status").text().startswith("Finished")
    assert pane.result is not None
    assert models.load(pane.result.checkpoint).missing == ()


def test_a_name_that_is_taken_is_numbered_and_the_folder_in_use_is_left_alone(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None
) -> None:
    find("run_name").setText("mine")
    find("max_steps").setValue(2)
    first = pane.spec()
    assert first is not None
    train(qtbot, find)
    before = {file.name: file.read_bytes() for file in first.output_dir.iterdir() if file.is_file()}
    second = pane.spec()
    assert second is not None
    assert second.output_dir.name == "mine-2"
    used = RunFolder(first.output_dir, Silent())
    used.take_up(2)
    try:
        pane.start_run(first, resume=first.output_dir)
        qtbot.waitUntil(lambda: bool(notices(pane)), timeout=20_000)
        assert "A run goes on in its folder already" in notices(pane)
    finally:
        used.release()
    for name in ("model.safetensors", "run.toml", "config.json"):
        assert (first.output_dir / name).read_bytes() == before[name]


def test_a_folder_that_cannot_be_written_to_is_told(
    qtbot: QtBot, pane: TrainerPane, find: Find, ready: None, workbench_data: Path
) -> None:
    runs = paths.runs_dir()
    runs.mkdir(parents=True, exist_ok=True)
    line = ["mount", "-t", "tmpfs", "-o", "size=50m,ro", "tmpfs", str(runs)]
    if os.name != "posix" or subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("a disk that can't be written to can't be mounted here")
    try:
        train(qtbot, find)
        assert "Permission was denied" in notices(pane)
    finally:
        subprocess.run(["umount", str(runs)], check=True)
    assert _nothing_is_left()


@pytest.fixture
def share(qtbot: QtBot, runner: Runner, tiny_bert_classifier: Checkpoint) -> ShareDialog:
    """The dialog that pushes, with a name filled in."""
    dialog = ShareDialog(tiny_bert_classifier, runner)
    qtbot.addWidget(dialog)
    dialog.open()
    dialog.findChild(QLineEdit, "trainer.repository").setText("me/tuned")
    return dialog


def _push(qtbot: QtBot, dialog: ShareDialog) -> str:
    push = dialog.findChild(QPushButton, "trainer.push")
    qtbot.waitUntil(push.isEnabled, timeout=20_000)
    click(qtbot, push)
    status = dialog.findChild(QLabel, "trainer.share_status")
    qtbot.waitUntil(lambda: "Could not push" in status.text(), timeout=60_000)
    qtbot.waitUntil(push.isEnabled, timeout=20_000)
    return status.text()


def test_a_network_unplugged_before_a_push_leaves_the_folder_ready(
    qtbot: QtBot, share: ShareDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    # Nobody listens there.
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    said = _push(qtbot, share)
    assert "me/tuned" in said
    (ready,) = hub.waiting()
    assert (ready.folder / "model.safetensors").stat().st_size > 0


class _Refusing(BaseHTTPRequestHandler):
    """Answers everything with 403."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"error": "You don\'t have the rights to create a model under the namespace me"}'
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Hub on which the token may nothing."""
    from huggingface_hub import constants

    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{listening.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setenv("HF_TOKEN", "hf_reads_only")
    yield
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_a_token_without_rights_is_told_and_the_folder_stays_ready(
    qtbot: QtBot, refusing: None, share: ShareDialog
) -> None:
    said = _push(qtbot, share)
    assert "may not write" in said
    assert "hf_reads_only" not in said
    assert len(hub.waiting()) == 1
