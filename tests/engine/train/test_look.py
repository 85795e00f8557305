"""What the trainer really sees before the start is what it is given then; three steps on trial tell what it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.train.test_run import Recorder
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.train import HEADS, fine_tune
from workbench.engine.train.batch_lengths import positions, seconds_of, steps_of_an_epoch, usual
from workbench.engine.train.look import look, on_trial
from workbench.engine.train.seeds import seed_epoch
from workbench.engine.train.trial import dry_run


@pytest.mark.parametrize("kind", ["text-classification", "chat", "fill-mask"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_first_batches_are_those_of_the_run(
    kind: str, grouped: bool, spec_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_for(kind, group_by_length=grouped)
    head, made = type(HEADS[spec.task]), []
    collator = head.collator

    def recording(self: Any, *given: Any) -> Any:
        collate = collator(self, *given)

        def record(rows: Any) -> Any:
            made.append(collate(rows))
            return {name: tensor.clone() for name, tensor in made[-1].items()}

        return record

    monkeypatch.setattr(head, "collator", recording)
    seen = look(spec)
    shown = made[:3]
    made.clear()
    fine_tune(spec)
    assert len(seen.batches) == 3
    for one, other in zip(shown, made, strict=False):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert [[[piece.id for piece in row.pieces] for row in batch] for batch in seen.batches] == [
        batch["input_ids"].tolist() for batch in shown
    ]


def test_padding_and_what_is_cut_are_counted(spec_for: Any) -> None:
    rows = [{"text": "a " * (2 + n % 3 * 10), "label": "ab"[n % 2]} for n in range(24)]
    spec = spec_for("text-classification", rows, max_length=20, eval_fraction=0.25)
    seen = look(spec)
    pieces = [piece for batch in seen.batches for row in batch for piece in row.pieces]
    # 18 rows of 4, 14 or 24 tokens; 5 batches, of which 3 are shown.
    assert (seen.rows, seen.measured, seen.width) == (18, 5, 20)
    assert {row.label for batch in seen.batches for row in batch} == {"a", "b"}
    assert seen.padding is not None and 0.1 < seen.padding < 0.7
    assert any(piece.padding and not piece.learned for piece in pieces)
    assert seen.learned is None
    lengths = [len(row["text"].split()) + 2 for row in rows]
    assert seen.cut is not None and seen.lost is not None
    assert abs(seen.cut - sum(n > 20 for n in lengths) / 24) < 0.2
    assert seen.lost == pytest.approx(seen.cut * 18 * 4 / (18 * seen.cut * 24 + 0), abs=0.2)


def test_only_what_the_assistant_says_is_marked_as_learned(spec_for: Any) -> None:
    seen = look(spec_for("chat"))
    row = seen.batches[0][0]
    said = "".join(piece.text for piece in row.pieces if piece.learned)
    assert said.startswith("Paris.<|im_end|>It is Rome") and said.endswith("<|im_end|>")
    assert all(piece.label == piece.text for piece in row.pieces if piece.learned)
    assert not any(piece.learned for piece in row.pieces if piece.padding)
    assert seen.learned is not None and 0.05 < seen.learned < 0.6


def test_tags_stand_at_the_first_piece_of_a_word(spec_for: Any) -> None:
    seen = look(spec_for("token-classification"))
    rows = [row for batch in seen.batches for row in batch]
    row = next(row for row in rows if any(piece.label == "B-PER" for piece in row.pieces))
    told = [(piece.text, piece.label) for piece in row.pieces if not piece.padding]
    assert told[0] == ("[CLS]", "") and told[-1] == ("[SEP]", "")
    assert all(not label for text, label in told if text.startswith("##"))
    assert [label for _, label in told if label].count("I-PER") == 2


def test_masks_show_what_they_hide(spec_for: Any) -> None:
    seen = look(spec_for("fill-mask", head_options={"mlm_probability": 0.5}))
    pieces = [piece for batch in seen.batches for row in batch for piece in row.pieces]
    hidden = [piece for piece in pieces if piece.text == "[MASK]"]
    assert hidden and all(piece.learned and piece.label not in ("", "[MASK]") for piece in hidden)


def test_several_labels_and_numbers_are_named(spec_for: Any) -> None:
    rows = [row for batch in look(spec_for("multi-label-classification")).batches for row in batch]
    assert {row.label for row in rows} <= {"x", "x, y", "z", "no label"}
    numbers = [row for batch in look(spec_for("text-regression")).batches for row in batch]
    assert all(float(row.label) >= 0 for row in numbers)


def test_a_look_draws_and_leaves_nothing(spec_for: Any) -> None:
    spec = spec_for("fill-mask")
    before = torch.random.get_rng_state()
    look(spec)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not spec.output_dir.exists()


def test_a_look_can_be_stopped(spec_for: Any) -> None:
    with pytest.raises(Cancelled):
        look(spec_for("chat"), task=Recorder(until=lambda part: getattr(part, "note", "") == "Encoding"))


def test_three_steps_tell_the_time_and_the_memory_of_the_run(spec_for: Any) -> None:
    spec = spec_for("text-classification", max_steps=-1, epochs=2.0, gradient_accumulation_steps=2)
    told = dry_run(spec)
    whole = fine_tune(spec)
    assert told.steps == max(point.step for point in whole.points) == 6
    assert told.evaluations == len([point for point in whole.points if point.eval_loss is not None]) == 2
    # The first step has a learning rate of its own in a schedule of three, but the same rows and the same dropout.
    assert told.losses[0] == whole.points[0].loss
    assert len(told.losses) == 3
    assert 0 < told.step_seconds < 60 and 0 < told.evaluation_seconds < 60
    assert told.total_seconds == 6 * told.step_seconds + 2 * told.evaluation_seconds
    assert 50e6 < told.memory < told.total_memory


@pytest.mark.parametrize(
    ("changes", "steps", "evaluations"),
    [({"max_steps": 7, "eval_steps": 3}, 7, 3), ({"max_steps": -1, "epochs": 1.5}, 8, 2), ({"max_steps": 7}, 7, 2)],
)
def test_the_length_of_a_run_is_known_before(
    changes: dict[str, Any], steps: int, evaluations: int, spec_for: Any
) -> None:
    spec = spec_for("text-classification", **changes)
    told = dry_run(spec)
    points = fine_tune(spec).points
    assert (told.steps, told.evaluations) == (steps, evaluations)
    assert max(point.step for point in points) == steps
    assert len([point for point in points if point.eval_loss is not None]) == evaluations


@pytest.mark.parametrize("grouped", [True, False])
def test_the_length_of_every_batch_is_known_before(spec_for: Any, grouped: bool) -> None:
    rows = [{"text": "very " * (n % 13) + f"good {n}", "label": "ab"[n % 2]} for n in range(44)]
    changes = {"group_by_length": grouped, "gradient_accumulation_steps": 2, "max_steps": -1}
    spec = spec_for("text-classification", rows, **changes)
    with on_trial(spec, Silent()) as (trainer, _):
        steps = steps_of_an_epoch(trainer)
        sizes = positions(trainer, steps)
        seed_epoch(trainer.args, trainer.state)
        real = [batch["input_ids"].numel() for batch in trainer.get_train_dataloader()]
    assert sizes == [sum(real[at : at + 2]) for at in range(0, len(real), 2)]
    assert len(steps) == 5
    picked = usual(sizes, 2)
    assert min(sizes) < sizes[picked[0]] <= sizes[picked[1]] <= max(sizes)


def test_a_trial_tells_the_time_of_all_batches_not_of_the_longest() -> None:
    # 10 ms for a step and 1 ms a position: what the longest ones took says little of the others.
    sizes = [100, 90, 80, 20, 10, 10]
    told = seconds_of(sizes, [(size, 0.01 + size / 1000) for size in (90, 80, 20, 10)])
    assert told == pytest.approx([0.01 + size / 1000 for size in sizes])
    assert seconds_of([5, 5], [(5, 0.3)]) == [0.3, 0.3]
    # On a machine that was interrupted a shorter step may take longer; nothing is ever told to take less than nothing.
    assert all(seconds >= 0 for seconds in seconds_of([1, 1000], [(100, 1.0), (900, 0.1)]))
    assert seconds_of([50], [(100, 1.0), (200, 9.0)])[0] >= 0


def test_a_trial_of_grouped_rows_times_usual_batches_too(spec_for: Any) -> None:
    rows = [{"text": "very " * (n % 13) + f"good {n}", "label": "ab"[n % 2]} for n in range(64)]
    spec = spec_for("text-classification", rows, group_by_length=True, max_steps=-1)
    seen: list[Progress] = []

    class Hearing(Silent):
        def report(self, progress: Progress) -> None:
            seen.append(progress)

    told = dry_run(spec, task=Hearing())
    whole = fine_tune(spec)
    assert [(each.done, each.total) for each in seen if each.note == "On trial"][1::2] == [(n, 5) for n in range(1, 6)]
    assert told.losses[0] == whole.points[0].loss, "and its first steps are those of the run"
    assert len(told.losses) == 3
    assert told.steps == max(point.step for point in whole.points)


def test_a_trial_keeps_nothing_and_can_be_stopped(spec_for: Any, tmp_path: Path) -> None:
    spec = spec_for("text-classification")
    with pytest.raises(Cancelled):
        dry_run(spec, task=Recorder(until=lambda part: getattr(part, "note", "") == "On trial"))
    assert not spec.output_dir.exists()
    assert not list((tmp_path / "runs").glob("*"))
    assert json.dumps(replace(spec, head_options={}).head_options) == "{}"
