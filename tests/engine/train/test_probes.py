"""Probes: what the model answers while it learns, kept beside the run, and never a change to what it learns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from tests.tiny import build_tiny_bert
from workbench.engine import models
from workbench.engine.task import Cancelled, Silent
from workbench.engine.train import fine_tune, probes, resume
from workbench.engine.values import Checkpoint, ProbeResult, TrainPoint, TrainSpec


class Listener(Silent):
    """Keeps points and answers; presses Stop when ``until`` says so."""

    def __init__(self, until: Callable[[Any], bool] = lambda part: False) -> None:
        self.points: list[TrainPoint] = []
        self.answers: list[ProbeResult] = []
        self.cancelled = False
        self._until = until

    def send(self, part: object) -> None:
        if isinstance(part, TrainPoint):
            self.points.append(part)
        if isinstance(part, ProbeResult):
            self.answers.append(part)
        self.cancelled |= self._until(part)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    @property
    def losses(self) -> list[tuple[int, float | None, float | None, float | None]]:
        return [(point.step, point.loss, point.grad_norm, point.eval_loss) for point in self.points]


@pytest.fixture
def write_on(classify: TrainSpec, tiny_llama: Checkpoint) -> TrainSpec:
    return replace(
        classify, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, max_length=16, batch_size=2,
        probes=("a wonderful", "the capital of"), probe_steps=3, probe_tokens=6,
    )  # fmt: skip


def _asked(spec: TrainSpec, probe: str, checkpoint: Checkpoint, head: str, labels: tuple[str, ...] = ()) -> Any:
    loaded = models.load(checkpoint, head=head, dtype="float32", device="cpu", labels=labels or None, seed=0)
    loaded.model.eval()
    with torch.no_grad():
        return loaded, probes.answer(loaded.model, loaded.tokenizer, spec, probe, 7, Silent())


@pytest.mark.parametrize("changes", [{}, {"gradient_accumulation_steps": 2, "batch_size": 4, "bf16": True}])
def test_probes_change_no_loss_of_a_classifier(classify: TrainSpec, tmp_path: Path, changes: dict[str, Any]) -> None:
    spec = replace(classify, **changes)
    with_probes, without = Listener(), Listener()
    fine_tune(spec, task=with_probes)
    fine_tune(replace(spec, output_dir=tmp_path / "plain", probes=()), task=without)
    assert with_probes.losses == without.losses
    assert len(without.losses) >= 12
    assert not without.answers


def test_probes_change_no_loss_of_a_language_model(write_on: TrainSpec, tmp_path: Path) -> None:
    with_probes, without = Listener(), Listener()
    fine_tune(write_on, task=with_probes)
    fine_tune(replace(write_on, output_dir=tmp_path / "plain", probes=()), task=without)
    assert with_probes.losses == without.losses
    assert all(answer.text or not answer.note for answer in with_probes.answers)


def test_they_are_asked_before_the_first_step_every_n_steps_and_after_the_last(classify: TrainSpec) -> None:
    heard = Listener()
    result = fine_tune(replace(classify, max_steps=10), task=heard)
    assert [(a.step, a.probe) for a in heard.answers] == [
        (step, probe) for step in (0, 4, 8, 10) for probe in classify.probes
    ]
    assert probes.read(result.checkpoint.path) == tuple(heard.answers)
    for answer in heard.answers:
        assert {name for name, _ in answer.labels} == {"good", "bad"}
        assert sum(share for _, share in answer.labels) == pytest.approx(1.0, abs=1e-6)


def test_one_watches_the_model_learn(classify: TrainSpec) -> None:
    heard = Listener()
    result = fine_tune(replace(classify, epochs=8.0), task=heard)
    last = {answer.probe: answer.labels[0][0] for answer in heard.answers[-2:]}
    assert last == {"a wonderful film": "good", "a terrible film": "bad"}
    loaded = models.load(result.checkpoint, dtype="float32", device="cpu")
    told = pipeline("text-classification", model=loaded.model, tokenizer=loaded.tokenizer, top_k=None)
    for answer in heard.answers[-2:]:
        (expected,) = told([answer.probe])
        assert [name for name, _ in answer.labels] == [each["label"] for each in expected]
        assert [share for _, share in answer.labels] == pytest.approx([each["score"] for each in expected], abs=1e-6)


def test_a_continuation_is_that_of_greedy_generation(write_on: TrainSpec, tiny_llama: Checkpoint) -> None:
    loaded, answer = _asked(write_on, "The capital of", tiny_llama, "AutoModelForCausalLM")
    ids = loaded.tokenizer("The capital of", return_tensors="pt")
    written = loaded.model.generate(**ids, do_sample=False, max_new_tokens=6)[0, ids["input_ids"].shape[1] :]
    assert answer.text == loaded.tokenizer.decode(written, skip_special_tokens=True)
    assert (answer.step, answer.note) == (7, "")


def test_a_chat_probe_is_written_as_a_users_turn(write_on: TrainSpec, tiny_llama: Checkpoint) -> None:
    spec = replace(write_on, task="chat")
    loaded, answer = _asked(spec, "Hello", tiny_llama, "AutoModelForCausalLM")
    text = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    )
    ids = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)
    written = loaded.model.generate(**ids, do_sample=False, max_new_tokens=6)[0, ids["input_ids"].shape[1] :]
    assert answer.text == loaded.tokenizer.decode(written, skip_special_tokens=True)


def test_fills_are_those_of_the_pipeline(classify: TrainSpec, tiny_bert: Checkpoint) -> None:
    spec = replace(classify, task="masked-lm" if "masked-lm" in probes.HEADS else "fill-mask")
    loaded, answer = _asked(spec, "the capital of [MASK] is", tiny_bert, "AutoModelForMaskedLM")
    told = pipeline("fill-mask", model=loaded.model, tokenizer=loaded.tokenizer, top_k=5)
    expected = told("the capital of [MASK] is")
    assert [name for name, _ in answer.labels] == [each["token_str"] for each in expected]
    assert [share for _, share in answer.labels] == pytest.approx([each["score"] for each in expected], abs=1e-6)
    assert answer.text == expected[0]["sequence"]
    _, none = _asked(spec, "no mask here", tiny_bert, "AutoModelForMaskedLM")
    assert none.labels == () and "[MASK]" in none.note


def test_tags_are_those_of_the_first_piece_of_each_word(classify: TrainSpec, tiny_bert_tagger: Checkpoint) -> None:
    spec = replace(classify, task="token-classification")
    loaded, answer = _asked(spec, "Angela Merkel in Berlin", tiny_bert_tagger, "AutoModelForTokenClassification")
    assert [word for word, _ in answer.tags] == ["Angela", "Merkel", "in", "Berlin"]
    told = pipeline("token-classification", model=loaded.model, tokenizer=loaded.tokenizer, ignore_labels=[])
    pieces = {piece["start"]: piece["entity"] for piece in told("Angela Merkel in Berlin")}
    assert [tag for _, tag in answer.tags] == [pieces[start] for start in (0, 7, 14, 17)]


def test_an_answer_to_a_question_stands_in_the_context(classify: TrainSpec, tmp_path: Path) -> None:
    spec = replace(classify, task="question-answering", max_length=64)
    checkpoint = build_tiny_bert(tmp_path / "qa", "AutoModelForQuestionAnswering")
    probe = "Who met? ||| Angela Merkel met Barack Obama in Berlin."
    _, answer = _asked(spec, probe, checkpoint, "AutoModelForQuestionAnswering")
    assert answer.text and answer.text in probe.partition("|||")[2]
    ((text, share),) = answer.labels
    assert text == answer.text and 0 < share < 1
    _, none = _asked(spec, "Who met?", checkpoint, "AutoModelForQuestionAnswering")
    assert "|||" in none.note


def test_a_probe_that_cannot_be_answered_says_why(classify: TrainSpec, tiny_bert: Checkpoint) -> None:
    _, answer = _asked(classify, "half a \ud83d", tiny_bert, "AutoModelForSequenceClassification", ("bad", "good"))
    assert answer.note.startswith("No answer: ")
    assert answer.labels == () and answer.text == ""


def test_a_resumed_run_keeps_the_answers_up_to_its_checkpoint_and_gives_the_others_again(classify: TrainSpec) -> None:
    spec = replace(classify, save_steps=5, output_dir=classify.output_dir.with_name("whole"))
    whole = Listener()
    fine_tune(spec, task=whole)

    stopped = Listener(until=lambda part: isinstance(part, TrainPoint) and part.step == 9)
    spec = replace(spec, output_dir=classify.output_dir)
    fine_tune(spec, task=stopped)
    with (spec.output_dir / probes.NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": 9, "probe": "cut sh"})[:-4])
    again = Listener()
    resume(spec.output_dir, task=again)
    assert [answer.step for answer in again.answers] == [0, 0, 4, 4, 8, 8, 12, 12]
    assert again.answers == whole.answers
    assert probes.read(spec.output_dir) == tuple(again.answers)


def test_stop_leaves_the_rest_of_the_probes(write_on: TrainSpec) -> None:
    heard = Listener(until=lambda part: isinstance(part, ProbeResult) and part.step == 3)
    spec = replace(write_on, probe_tokens=100)
    fine_tune(spec, task=heard)
    assert [(answer.step, answer.probe) for answer in heard.answers] == [
        (0, spec.probes[0]), (0, spec.probes[1]), (3, spec.probes[0]),
    ]  # fmt: skip
    assert max(point.step for point in heard.points) <= 4
