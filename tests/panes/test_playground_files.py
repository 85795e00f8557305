"""What was written in Playground is kept in files, opens without a model and replays with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QLabel
from pytestqt.qtbot import QtBot

from workbench.engine import generate
from workbench.engine.models import LoadedModel
from workbench.engine.task import Silent
from workbench.engine.values import Sampling, Start, Step
from workbench.panes.playground.files import Files
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.beam_view import BeamRow, BeamView
from workbench.widgets.notice import NoticeCard
from workbench.widgets.pane_frame import PaneFrame

KNOBS = Sampling(temperature=1.2, top_k=0, max_new_tokens=8, seed=1)


@pytest.fixture
def frame(qtbot: QtBot) -> PaneFrame:
    frame = PaneFrame("playground", "Playground")
    qtbot.addWidget(frame)
    return frame


@pytest.fixture
def files(frame: PaneFrame, session: Session, runner: Runner, llama: LoadedModel) -> Files:
    session.set_model(llama)

    class Taker(Silent):
        def send(self, part: object) -> None:
            if isinstance(part, Start):
                self.key = session.begin(part)
            elif isinstance(part, Step):
                session.add_step(part)

    taker = Taker()
    reason = generate.run(llama, "The quick", (), KNOBS, task=taker).reason
    session.end(taker.key, reason)
    return Files(session, runner, frame, BeamView(frame))


@pytest.fixture
def settle(qtbot: QtBot, runner: Runner) -> Callable[[], None]:
    return lambda: qtbot.waitUntil(lambda: not runner.active, timeout=30_000)


def notice(frame: PaneFrame) -> str:
    return " ".join(label.text() for card in frame.findChildren(NoticeCard) for label in card.findChildren(QLabel))


def test_a_session_opens_without_a_model_and_replays_equal_with_one(
    files: Files, frame: PaneFrame, session: Session, llama: LoadedModel, settle: Callable[[], None], tmp_path: Path
) -> None:
    ids = [step.token_id for step in session.steps]
    path = tmp_path / "mine.twsession"
    files.save_session(path)
    settle()
    assert path.is_file()
    assert "is saved" in notice(frame)
    session.set_model(None)
    for branch in session.branches:
        session.prune(branch.key)
    files.open_session(path)
    settle()
    assert [step.token_id for step in session.steps] == ids
    assert session.vocabulary is not None
    assert session.vocabulary.spell(ids) != [""] * len(ids)
    assert all(step.logits is not None for step in session.steps)
    key = session.branches[-1].key
    session.set_model(llama)
    session.walk(key)
    files.replay()
    settle()
    assert "The replay is equal" in notice(frame)
    assert f"All {len(ids)} tokens" in notice(frame)


def test_a_replay_that_differs_says_where(
    files: Files, frame: PaneFrame, session: Session, settle: Callable[[], None]
) -> None:
    branch = session.branch
    assert branch is not None
    other = replace(branch, steps=(*branch.steps[:3], replace(branch.steps[3], token_id=5), *branch.steps[4:]))
    session.adopt([other], session.vocabulary)
    files.replay()
    settle()
    assert "step 4" in notice(frame)


def test_a_file_that_is_none_and_a_folder_that_is_gone_are_notices(
    files: Files, frame: PaneFrame, session: Session, settle: Callable[[], None], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.twsession"
    wrong.write_text("no session")
    before = session.branches
    files.open_session(wrong)
    settle()
    assert "Could not open wrong.twsession" in notice(frame)
    files.save_session(tmp_path / "gone" / "x.twsession")
    settle()
    assert "Could not finish: Save x.twsession" in notice(frame)
    assert session.branches == before


def test_text_and_steps_are_saved_from_the_menu(
    files: Files,
    frame: PaneFrame,
    session: Session,
    settle: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for action, name in (("playground.save_text", "text.txt"), ("playground.save_steps", "steps.json")):
        path = str(tmp_path / name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (path, ""))
        found = next(each for each in files.actions() + files.menu().actions() if each.objectName() == action)
        found.trigger()
        settle()
    beams = frame.findChild(BeamView)
    pictures = {each.objectName(): each for each in files.menu().actions() if "beams" in each.objectName()}
    files.menu().aboutToShow.emit()
    assert not any(action.isEnabled() for action in pictures.values()), "there are no beams"
    beams.set_steps([(BeamRow("a", -1.0),)])
    files.menu().aboutToShow.emit()
    for ending in ("png", "svg"):
        path = str(tmp_path / "beams")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, path=path: (path, ""))
        pictures[f"playground.save_beams_{ending}"].trigger()
        assert (tmp_path / f"beams.{ending}").stat().st_size > 100
    assert "Every step is saved" in notice(frame)
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == "".join(step.text for step in session.steps)
    document = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    assert [step["token_id"] for step in document["steps"]] == [step.token_id for step in session.steps]
