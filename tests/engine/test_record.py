"""Recorded generations as files: what is saved comes back as it was, and replays to the same tokens."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.engine import generate, record
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import BeamStep, Branch, Sampling, Sequenced, Start, Step, Strategy

KNOBS = Sampling(temperature=1.3, top_k=40, top_p=0.9, max_new_tokens=12, seed=3)


class Mover(Silent):
    """Moves a knob after some tokens, as a hand would."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.start: Start | None = None
        self.count = 0

    def send(self, part: object) -> None:
        if isinstance(part, Start):
            self.start = part
        if isinstance(part, Step):
            self.count += 1
            if self.count == 5:
                self.knobs.current = replace(self.knobs.current, temperature=2.5, top_k=0)


@pytest.fixture(scope="module")
def family(llama: LoadedModel) -> tuple[Branch, ...]:
    """A run whose knobs moved, a branch of it, and a branch of that."""
    knobs = Knobs(KNOBS)
    mover = Mover(knobs)
    result = generate.run(llama, "The quick brown fox", (), knobs, task=mover)
    assert mover.start is not None
    first = Branch(1, "main", None, mover.start, result.steps, Strategy(), "tiny", result.reason)
    branches = [first]
    for key, (fork, token) in enumerate(((4, 300), (7, 200)), 2):
        parent = branches[-1]
        forced = generate.forced_step(parent.steps[fork], token, Vocabulary(llama.tokenizer))
        task = Mover(Knobs(KNOBS))
        more = generate.branch(llama, parent.start, parent.steps[:fork], token, task.knobs, task=task)
        assert task.start is not None
        steps = (*parent.steps[:fork], forced, *more.steps)
        branches.append(Branch(key, f"b{key}", parent.key, task.start, steps, Strategy(), "tiny", more.reason))
    return tuple(branches)


@pytest.fixture
def saved(family: tuple[Branch, ...], llama: LoadedModel, tmp_path: Path) -> Path:
    return record.save(tmp_path / "mine", family, Vocabulary(llama.tokenizer))


def test_what_is_saved_comes_back_as_it_was(saved: Path, family: tuple[Branch, ...], llama: LoadedModel) -> None:
    assert saved.name == "mine.twsession"
    found = record.read(saved)
    assert [replace(branch, steps=()) for branch in found.branches] != []
    for mine, theirs in zip(family, found.branches, strict=True):
        assert (mine.key, mine.name, mine.parent, mine.start, mine.strategy, mine.reason) == (
            theirs.key, theirs.name, theirs.parent, theirs.start, theirs.strategy, theirs.reason,
        )  # fmt: skip
        for before, after in zip(mine.steps, theirs.steps, strict=True):
            assert before.logits is not None and after.logits is not None
            np.testing.assert_array_equal(before.logits.float32(), after.logits.float32())
            assert repr(replace(before, logits=None)) == repr(replace(after, logits=None))
    ids = range(len(llama.tokenizer))
    assert found.vocabulary.spell(ids) == Vocabulary(llama.tokenizer).spell(ids)
    assert found.vocabulary.special == Vocabulary(llama.tokenizer).special


def test_steps_that_branches_share_are_written_once_and_shared_again(saved: Path) -> None:
    first, second, _ = record.read(saved).branches
    assert second.steps[0].logits is first.steps[0].logits
    with zipfile.ZipFile(saved) as archive:
        count = sum(name.endswith(".npy") for name in archive.namelist())
    assert count < sum(len(branch.steps) for branch in record.read(saved).branches)


def test_a_replay_gives_the_same_tokens_and_bits_though_knobs_moved_and_branches_grew(
    saved: Path, llama: LoadedModel
) -> None:
    branches = record.read(saved).branches
    replays = record.replay(llama, branches, 3)
    assert [each.branch for each in replays] == ["main", "b2", "b3"]
    assert all(each.equal for each in replays)
    assert [each.largest for each in replays] == [0.0, 0.0, 0.0]
    assert {step.sampling.temperature for step in branches[0].steps} == {1.3, 2.5}


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(num_return_sequences=3),
        Strategy(num_beams=3),
        Strategy(num_beams=3, num_return_sequences=2),
        Strategy(prompt_lookup_num_tokens=3),
        Strategy(assistant_early_exit=1, num_assistant_tokens=3),
        Strategy(guidance_scale=1.5),
    ],
)
def test_every_strategy_replays_equal_though_knobs_moved_and_whichever_sequence_it_is(
    llama: LoadedModel, strategy: Strategy
) -> None:
    knobs = Knobs(KNOBS)

    class Moves(Silent):
        def send(self, part: object) -> None:
            part = part.step if isinstance(part, Sequenced) else part
            if isinstance(part, (Step, BeamStep)) and part.index == 4:
                knobs.current = replace(KNOBS, temperature=2.5, top_k=0)

    made = generate.run(llama, "The quick brown fox", (), knobs, strategy=strategy, task=Moves())
    branches = [
        Branch(key, f"b{key}", 1 if key > 1 else None, made.start, steps, strategy, "tiny", beams=made.beams)
        for key, steps in enumerate(made.sequences or (made.steps,), 1)
    ]
    assert {step.sampling.temperature for step in made.steps} == {1.3, 2.5}
    for branch in branches:
        for replayed in record.replay(llama, branches, branch.key):
            assert replayed.equal
    last = branches[-1]
    wrong = replace(last.steps[-1], token_id=(last.steps[-1].token_id + 1) % 300)
    changed = replace(last, steps=(*last.steps[:-1], wrong))
    assert record.replay(llama, [*branches[:-1], changed], last.key)[-1].difference == len(last.steps) - 1


def test_the_json_of_a_guided_text_lists_what_it_was_drawn_from(llama: LoadedModel) -> None:
    strategy = Strategy(guidance_scale=3.0)
    made = generate.run(llama, "The quick brown fox", (), KNOBS, strategy=strategy)
    branch = Branch(1, "main", None, made.start, made.steps, strategy, "tiny")
    rows = json.loads(record.as_json(branch, Vocabulary(llama.tokenizer), alternatives=384))["steps"]
    for step, row in zip(made.steps, rows, strict=True):
        chosen = next(one for one in row["alternatives"] if one["token_id"] == step.token_id)
        assert chosen["after"] == pytest.approx(step.after, abs=1e-6)
        assert chosen["probability"] == pytest.approx(step.probability, abs=1e-6)


def test_a_replay_says_where_it_differs(saved: Path, llama: LoadedModel) -> None:
    branch = record.read(saved).branches[0]
    changed = (*branch.steps[:6], replace(branch.steps[6], token_id=5), *branch.steps[7:])
    (result,) = record.replay(llama, [replace(branch, steps=changed)], 1)
    assert not result.equal
    assert result.difference == 6


def test_a_replay_of_what_was_stopped_ends_where_the_record_ends(saved: Path, llama: LoadedModel) -> None:
    branch = record.read(saved).branches[0]
    (result,) = record.replay(llama, [replace(branch, steps=branch.steps[:4], reason="stopped")], 1)
    assert (result.equal, result.tokens) == (True, 4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no zip"),
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: _rewrite(path, lambda document: document.update(branches=[{"key": "x"}])),
        lambda path: _rewrite(path, lambda document: document["branches"][0]["steps"][0].update(token_id="five")),
        lambda path: _rewrite(path, lambda document: document["branches"][0]["steps"][0].update(logits=["x", 0])),
        lambda path: _rewrite(path, lambda document: document.pop("format")),
    ],
)
def test_a_damaged_file_is_refused_in_words(saved: Path, spoil: Any) -> None:
    spoil(saved)
    with pytest.raises(InputError, match="damaged"):
        record.read(saved)


def test_a_file_of_a_newer_program_says_so(saved: Path) -> None:
    _rewrite(saved, lambda document: document.update(format=99))
    with pytest.raises(InputError, match="format 99"):
        record.read(saved)


def test_pickled_logits_are_not_opened(saved: Path) -> None:
    marker = saved.parent / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (marker,)

    array = np.empty(1, dtype=object)
    array[0] = Evil()
    evil = saved.parent / "evil.npy"
    np.save(evil, array, allow_pickle=True)
    with zipfile.ZipFile(saved) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    first = next(name for name in inside if name.endswith("/0.npy"))
    with zipfile.ZipFile(saved, "w") as archive:
        for name, data in inside.items():
            archive.writestr(name, evil.read_bytes() if name == first else data)
    with pytest.raises(InputError, match="damaged"):
        record.read(saved)
    assert not marker.exists()


def test_json_holds_every_step_and_null_for_what_is_not_known(family: tuple[Branch, ...], llama: LoadedModel) -> None:
    branch = family[1]
    dropped = replace(branch, steps=(replace(branch.steps[0], logits=None), *branch.steps[1:]))
    document = json.loads(record.as_json(dropped, Vocabulary(llama.tokenizer)))
    assert [step["token_id"] for step in document["steps"]] == [step.token_id for step in branch.steps]
    assert "alternatives" not in document["steps"][0]
    top = document["steps"][1]["alternatives"]
    assert len(top) == 10 and top[0]["probability"] >= top[-1]["probability"]
    assert [step["forced"] for step in document["steps"]].count(True) == 1
    json.dumps(document, allow_nan=False)


def test_a_lone_surrogate_survives_the_json(family: tuple[Branch, ...]) -> None:
    branch = replace(family[0], name="half \ud83d")
    text = record.as_json(branch, None)
    text.encode("utf-8")
    assert json.loads(text)["name"] == "half \ud83d"


def _rewrite(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(inside["session.json"])
    change(document)
    inside["session.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in inside.items():
            archive.writestr(name, data)
