"""The session: echo loops end, what no longer holds is dropped, memory stays bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Encoding, Logits, Sampling, Step, Token
from workbench.runtime import session as session_module
from workbench.runtime.session import Session


def _encoding(length: int) -> Encoding:
    return Encoding(
        "x" * length, tuple(Token(i, i, "x", "x", b"x", (i, i + 1), i, 1, None, False) for i in range(length))
    )


def _step(index: int, size: int = 8) -> Step:
    return Step(index, 1, "x", Logits(np.zeros(size, np.uint16), "bfloat16"), Sampling(), 0.1, 0.5, 1)


def test_setting_the_same_value_announces_nothing(qtbot: QtBot) -> None:
    session = Session()
    session.set_prompt("a")
    for setter, value, signal in (
        (session.set_prompt, "a", session.prompt_changed),
        (session.set_sampling, Sampling(), session.sampling_changed),
        (session.set_offline, False, session.offline_changed),
        (session.set_selection, None, session.selection_changed),
    ):
        with qtbot.assertNotEmitted(signal):
            setter(value)


def test_a_new_encoding_drops_the_steps_and_the_selection(qtbot: QtBot) -> None:
    session = Session()
    session.set_encoding(_encoding(3))
    session.add_step(_step(0))
    session.set_selection(3)
    assert session.selected_step is session.steps[0]
    with qtbot.waitSignals([session.steps_reset, session.encoding_changed, session.selection_changed]):
        session.set_encoding(_encoding(4))
    assert not session.steps
    assert session.selection is None


@pytest.mark.parametrize("position", [-1, 4, 99])
def test_a_position_outside_the_sequence_is_not_selected(position: int) -> None:
    session = Session()
    session.set_encoding(_encoding(3))
    session.add_step(_step(0))
    session.set_selection(position)
    assert session.selection is None


def test_logits_stay_within_the_budget_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LOGITS_BUDGET", 64)
    session = Session()
    session.set_encoding(_encoding(1))
    for index in range(10):
        session.add_step(_step(index))
    assert [step.logits is not None for step in session.steps] == [False] * 6 + [True] * 4
    assert [step.probability for step in session.steps] == [0.5] * 10, "only the logits are dropped"


def _loaded(name: str) -> LoadedModel:
    """A model's record without its weights: the session looks at nothing else."""
    facts: Any = None
    return LoadedModel(
        Checkpoint(name, Path(name)), facts, None, facts, "AutoModel", "float32", "cpu", 1, 4, (), (), 0.0
    )  # fmt: skip


def test_a_new_model_takes_the_place_of_the_one_in_use_and_a_known_one_leaves_it(qtbot: QtBot) -> None:
    session = Session()
    one, two, three = map(_loaded, ("one", "two", "three"))
    session.set_model(one)
    session.set_second(two)
    session.add_model(three)
    session.add_model(three)
    assert session.models == (one, two, three)
    with qtbot.waitSignals([session.model_changed, session.models_changed]):
        session.set_model(three)
    assert (session.model, session.second, session.models) == (three, two, (one, two, three))
    four = _loaded("four")
    session.set_model(four)
    assert session.models == (one, two, four), "what it took the place of is out of memory"
    session.set_second(None)
    assert session.models == (one, four)
    with qtbot.assertNotEmitted(session.model_changed), qtbot.waitSignal(session.models_changed):
        session.drop_model(one)
    session.drop_model(four)
    assert (session.model, session.second, session.models) == (None, None, ())


def test_a_model_with_two_parts_leaves_memory_with_the_last_of_them() -> None:
    session = Session()
    one = _loaded("one")
    session.set_model(one)
    session.set_second(one)
    session.set_model(None)
    assert session.models == (one,)
    session.set_second(None)
    assert session.models == ()
