"""Every head that can be trained: what it makes of a row, what it refuses, and that its script loses the same."""

from __future__ import annotations

import contextlib
import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.train.rows import DATA, TAGGED, talk
from tests.engine.train.test_run import Recorder
from tests.tiny_tasks import build_tiny_vision
from workbench.engine import models
from workbench.engine.codegen.train import train as train_script
from workbench.engine.errors import CheckpointError, DataError, InputError, NotSupported
from workbench.engine.task import Silent
from workbench.engine.train import HEADS, evaluate, fine_tune
from workbench.engine.train.heads import divides_by_items, gathered
from workbench.engine.train.heads import head as every_head
from workbench.engine.train.heads.chat import chat_ids
from workbench.engine.train.heads.image_classification import as_picture, opened, unreadable
from workbench.engine.train.heads.question_answering import answer_metrics, as_answers
from workbench.engine.train.look import look, on_trial
from workbench.engine.train.metrics import answer_scores, multi_label_metrics, regression_metrics, span_metrics
from workbench.engine.train.rows import split_rows
from workbench.engine.values import Checkpoint, DataSource, TrainSpec

METRICS = {
    "text-classification": {"accuracy", "f1"},
    "pair": {"accuracy", "f1"},
    "multi-label-classification": {"f1", "macro_f1", "exact_match"},
    "text-regression": {"mse", "mae", "pearson"},
    "token-classification": {"f1", "precision", "recall", "accuracy"},
    "chat": {"token_accuracy", "perplexity"},
    "prompts": {"token_accuracy", "perplexity"},
    "text-generation": {"token_accuracy", "perplexity"},
    "fill-mask": {"token_accuracy", "perplexity"},
    "question-answering": {"f1", "exact_match"},
    "text2text-generation": {"token_accuracy", "exact_match", "perplexity"},
}


def _history(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [
        {name: value for name, value in entry.items() if "runtime" not in name and "per_second" not in name}
        for entry in entries
        if "loss" in entry or "eval_loss" in entry
    ]


def _by_script(spec: TrainSpec, folder: Path) -> str:
    code = train_script(replace(spec, output_dir=folder))
    compile(code, "script", "exec")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, {"__name__": "__main__"})
    return code


@pytest.mark.parametrize("kind", DATA)
def test_a_head_learns_saves_itself_and_loses_as_its_script_does(kind: str, spec_for: Any, tmp_path: Path) -> None:
    spec = spec_for(kind, gradient_accumulation_steps=2 if kind == "chat" else 1)
    result = fine_tune(spec)
    losses = [point.loss for point in result.points if point.loss is not None]
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)
    last = [point for point in result.points if point.eval_loss is not None][-1]
    assert set(last.metrics) == METRICS[kind]
    if "perplexity" in last.metrics:
        assert last.metrics["perplexity"] == math.exp(last.eval_loss or 0.0)

    _by_script(spec, tmp_path / "theirs")
    assert _history(result.checkpoint.path) == _history(tmp_path / "theirs")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (result.checkpoint.path, tmp_path / "theirs")]
    assert weights[0] == weights[1]

    loaded = models.load(result.checkpoint)
    assert loaded.head == HEADS[spec.task].auto_class
    assert loaded.missing == ()
    if result.labels:
        assert loaded.facts.labels == result.labels


@pytest.mark.parametrize("kind", DATA)
def test_rows_are_the_same_in_one_piece_and_in_many(kind: str, spec_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_for(kind)
    made = []
    for waiting in (4096, 5):
        monkeypatch.setattr(gathered, "_WAITING", waiting)
        monkeypatch.setattr(every_head, "_ENCODED_AT_ONCE", 3 if waiting == 5 else 256)
        with on_trial(spec, Silent()) as (trainer, _):
            made.append((trainer.train_dataset.features, trainer.train_dataset.to_list()))
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", DATA)
def test_accumulated_batches_lose_as_one_batch_does(kind: str, spec_for: Any, tmp_path: Path) -> None:
    # Without dropout, one step on 8 rows is one step on twice 4 rows; a loss scaled by accumulation would be twice it.
    spec = spec_for(kind, max_steps=1, batch_size=8)
    for checkpoint in (spec.checkpoint,):
        folder = tmp_path / "still"
        folder.mkdir()
        for file in checkpoint.path.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text())
        still = {name: 0.0 for name in config if "dropout" in name and isinstance(config[name], float)}
        (folder / "config.json").write_text(json.dumps({**config, **still}))
    spec = replace(spec, checkpoint=Checkpoint("still", folder))
    whole = fine_tune(spec).points[0]
    halves = fine_tune(
        replace(spec, batch_size=4, gradient_accumulation_steps=2, output_dir=tmp_path / "halves")
    ).points[0]
    # A masked share and the words of a row differ between the halves, so a mean of means is close, not equal.
    close = {"fill-mask": 0.2, "token-classification": 0.2, "text2text-generation": 0.02}.get(kind, 1e-3)
    assert whole.loss is not None and halves.loss == pytest.approx(whole.loss, rel=close)
    assert halves.grad_norm == pytest.approx(whole.grad_norm, rel=0.5 if close > 1e-3 else 1e-2)


# Chat: what is learned, and what is not.


def _encoded(spec: TrainSpec) -> tuple[Any, Any, Any, Recorder]:
    """Tokenizer, rows and encoded rows of the training part, and what was said."""
    task = Recorder()
    rows = split_rows(spec, task)
    loaded = models.load(spec.checkpoint, head=HEADS[spec.task].auto_class, labels=rows.labels or None)
    assert loaded.tokenizer is not None
    HEADS[spec.task].settle(loaded.model, loaded.tokenizer, spec)
    encoded = HEADS[spec.task].encode(rows.train, loaded.tokenizer, spec, rows.labels, task)
    return loaded.tokenizer, rows, encoded, task


def _learned(tokenizer: Any, row: dict[str, Any]) -> str:
    return str(tokenizer.decode([label for label in row["labels"] if label != -100]))


def test_only_the_assistants_turns_are_learned_and_each_with_its_end(spec_for: Any) -> None:
    tokenizer, rows, encoded, _ = _encoded(spec_for("chat"))
    talk = json.loads(rows.train[0]["messages"])
    assert (
        encoded[0]["input_ids"] == tokenizer.apply_chat_template(talk, return_dict=False)[: len(encoded[0]["labels"])]
    )
    assert _learned(tokenizer, encoded[0]) == f"Paris.<|im_end|>{talk[-1]['content']}<|im_end|>"
    assert all(
        label in (-100, token) for token, label in zip(encoded[0]["input_ids"], encoded[0]["labels"], strict=True)
    )


def test_only_the_last_turn_is_learned_on_wish(spec_for: Any) -> None:
    tokenizer, rows, encoded, _ = _encoded(spec_for("chat", head_options={"learn": "last"}))
    talk = json.loads(rows.train[0]["messages"])
    assert _learned(tokenizer, encoded[0]) == f"{talk[-1]['content']}<|im_end|>"


def test_prompt_and_completion_go_through_the_template_where_there_is_one(spec_for: Any, tmp_path: Path) -> None:
    from tests import tiny

    tokenizer, rows, encoded, _ = _encoded(spec_for("prompts"))
    row = rows.train[0]
    assert _learned(tokenizer, encoded[0]) == f"{row['completion']}<|im_end|>"
    assert tokenizer.decode(encoded[0]["input_ids"]).startswith(f"<|im_start|>user\n{row['prompt']}<|im_end|>")

    plain = tiny.build_tiny_llama(tmp_path / "plain", chat=False)
    tokenizer, rows, encoded, _ = _encoded(spec_for("prompts", checkpoint=plain))
    row = rows.train[0]
    assert tokenizer.decode(encoded[0]["input_ids"]) == f"{row['prompt']}{row['completion']}<|im_end|>"
    assert _learned(tokenizer, encoded[0]) == f"{row['completion']}<|im_end|>"


def test_an_end_token_that_pads_too_is_still_learned(spec_for: Any, tmp_path: Path, tiny_llama: Checkpoint) -> None:
    from transformers import AutoTokenizer

    folder = tmp_path / "without pad"
    folder.mkdir()
    for file in tiny_llama.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama.path)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).pad_token is None

    spec = spec_for("chat", checkpoint=Checkpoint("without pad", folder), max_steps=1)
    tokenizer, _, encoded, _ = _encoded(spec)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    loaded = models.load(spec.checkpoint)
    rows = sorted(encoded, key=lambda row: len(row["input_ids"]))
    batch = HEADS["chat"].collator(tokenizer, loaded.model, spec)([rows[0], rows[-1]])
    padded = int((batch["attention_mask"][0] == 0).sum())
    assert padded > 0
    assert batch["labels"][0][-padded:].tolist() == [-100] * padded
    assert (batch["labels"][0] == tokenizer.eos_token_id).sum() == 2
    assert fine_tune(spec).points


def test_a_conversation_where_the_assistant_is_cut_off_is_left_out_and_named(spec_for: Any) -> None:
    long = [{"role": "user", "content": "word " * 200}, {"role": "assistant", "content": "Yes."}]
    spec = spec_for("chat", [*DATA["chat"], {"messages": long}], eval_fraction=0.08)
    _, _, encoded, task = _encoded(spec)
    assert len(encoded) == 22
    assert "  chat.jsonl, line 25: the assistant speaks only after 96 tokens" in task.lines
    assert any("1 of 23 rows are left out" in line for line in task.lines)
    with pytest.raises(DataError, match="the assistant speaks within 4 tokens"):
        _encoded(spec_for("chat", max_length=4))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "there are no messages"),
        ([{"role": "user", "content": "Hello"}], "the assistant says nothing"),
        ("Hello", "the messages can't be read"),
        ([{"content": "Hello"}], "the messages can't be read: a message without a role"),
    ],
)
def test_conversations_without_an_answer_are_left_out_and_named(messages: Any, why: str, spec_for: Any) -> None:
    rows = split_rows(spec_for("chat", [*DATA["chat"], {"messages": messages}]), Silent())
    assert [unused.place for unused in rows.unused] == ["chat.jsonl, line 25"]
    assert why in rows.unused[0].why


def test_from_and_value_are_read_as_role_and_content(spec_for: Any) -> None:
    told = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Good day."}]
    tokenizer, _, encoded, _ = _encoded(spec_for("chat", [{"messages": told}] * 8))
    assert _learned(tokenizer, encoded[0]) == "Good day.<|im_end|>"


def test_a_template_that_refuses_a_row_says_so(spec_for: Any, tmp_path: Path, tiny_llama: Checkpoint) -> None:
    from transformers import AutoTokenizer

    folder = tmp_path / "strict"
    folder.mkdir()
    for file in tiny_llama.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama.path)
    rule = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system, please') }}{% endif %}"
    tokenizer.chat_template = rule + str(tokenizer.chat_template)
    tokenizer.save_pretrained(folder)
    with pytest.raises(DataError, match="No system, please"):
        fine_tune(spec_for("chat", checkpoint=Checkpoint("strict", folder)))


def test_a_template_that_rewrites_earlier_turns_asks_for_the_last_only(tiny_llama: Checkpoint) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama.path)
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{{ m['content'] if loop.last or m['role'] == 'user' else 'dropped' }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    row = {"messages": json.dumps(talk(1)[1:])}
    with pytest.raises(ValueError, match="turn 2 in another way"):
        chat_ids(tokenizer, row, False)
    assert _learned(tokenizer, chat_ids(tokenizer, row, True)) == "It is Rome 1.<|im_end|>"


def test_messages_need_a_template(spec_for: Any, tmp_path: Path) -> None:
    from tests import tiny

    plain = tiny.build_tiny_llama(tmp_path / "plain", chat=False)
    with pytest.raises(CheckpointError, match="no chat template"):
        fine_tune(spec_for("chat", checkpoint=plain))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"prompt": "prompt"}, "nor for the completion"),
        ({}, "nor for the prompt and the completion"),
        ({"messages": "prompt", "completion": "completion"}, "use one or the other"),
    ],
)
def test_the_columns_of_a_conversation_are_checked(columns: dict[str, str], why: str, spec_for: Any) -> None:
    with pytest.raises(InputError, match=why):
        fine_tune(spec_for("prompts", columns=columns))


# Tags.


def test_the_first_token_of_a_word_has_its_tag_and_the_others_none(spec_for: Any) -> None:
    tokenizer, rows, encoded, _ = _encoded(spec_for("token-classification"))
    assert rows.labels == ("O", "B-LOC", "B-PER", "I-PER")
    for row, told in zip(rows.train, encoded, strict=True):
        words = tokenizer(row["tokens"], is_split_into_words=True).word_ids()
        seen: set[int | None] = {None}
        for word, label in zip(words, told["labels"], strict=True):
            assert label == (-100 if word in seen else rows.labels.index(row["tags"][word]))
            seen.add(word)
        assert len(seen) == len(row["tokens"]) + 1


def test_ragged_tags_are_left_out_and_named_by_line(spec_for: Any) -> None:
    broken = [{"tokens": ["one", "two"], "tags": ["O"]}, {"tokens": [], "tags": []}, {"tokens": '["a', "tags": "O"}]
    rows = split_rows(spec_for("token-classification", [*DATA["token-classification"], *broken]), Silent())
    assert [(unused.place, unused.why) for unused in rows.unused] == [
        ("token-classification.jsonl, line 25", "there are 2 words and 1 tags"),
        ("token-classification.jsonl, line 26", "there are no words"),
    ]


def test_words_with_blanks_between_them_are_words(spec_for: Any) -> None:
    rows = [{"tokens": " ".join(row["tokens"]), "tags": " ".join(row["tags"])} for row in DATA["token-classification"]]
    split = split_rows(spec_for("token-classification", rows), Silent())
    assert {tuple(words) for words in split.train["tokens"]} == {tuple(words) for words, _ in TAGGED}


def test_a_tagger_keeps_the_order_of_its_tags(spec_for: Any, tiny_bert_tagger: Checkpoint) -> None:
    tags = [["O", "B-PER", "I-PER"], ["B-LOC", "I-LOC", "O"]]
    rows = [{"tokens": ["one", "two", "three"], "tags": tags[n % 2]} for n in range(12)]
    spec = spec_for("token-classification", rows)
    assert split_rows(spec, Silent()).labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    known = replace(spec, checkpoint=tiny_bert_tagger)
    assert split_rows(known, Silent()).labels == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    assert 'known = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]' in train_script(known)


def test_a_decoder_tags_too(spec_for: Any, tiny_llama: Checkpoint) -> None:
    result = fine_tune(spec_for("token-classification", checkpoint=tiny_llama))
    assert models.load(result.checkpoint).facts.labels == ("O", "B-LOC", "B-PER", "I-PER")


# Labels and numbers.


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ('["b", "a"]', ["a", "b"]), ("a|b", ["a", "b"]), ("a; b", ["a", "b"]), ("b,a,a", ["a", "b"]),
        ("a b", ["a b"]), ("['a', 'b']", ["a", "b"]),
        ("", []), ("[]", []),
    ],
)  # fmt: skip
def test_several_labels_of_a_cell(cell: str, labels: list[str]) -> None:
    assert HEADS["multi-label-classification"].value("label", cell) == labels


def test_the_kind_of_problem_is_saved(spec_for: Any) -> None:
    for number, kind in enumerate(("multi-label-classification", "text-regression")):
        spec = spec_for(kind)
        result = fine_tune(replace(spec, output_dir=spec.output_dir.with_name(str(number)), max_steps=1))
        config = models.load(result.checkpoint).model.config
        assert config.problem_type == HEADS[kind].problem_type
        assert list(config.id2label.values()) == (["x", "y", "z"] if number == 0 else ["label"])


def test_a_number_that_is_none_is_left_out_and_named(spec_for: Any) -> None:
    rows = split_rows(spec_for("text-regression", [*DATA["text-regression"], {"text": "x", "label": "many"}]), Silent())
    assert [unused.why for unused in rows.unused] == ["“many” is no number"]


def test_a_pair_is_encoded_as_a_pair(spec_for: Any) -> None:
    tokenizer, rows, encoded, _ = _encoded(spec_for("pair"))
    row = rows.train[0]
    assert encoded[0]["input_ids"] == tokenizer(row["text"], row["pair"])["input_ids"]
    assert set(encoded[0]["token_type_ids"]) == {0, 1}


# Masks.


def test_the_same_batch_is_masked_the_same_and_another_otherwise(spec_for: Any) -> None:
    spec = spec_for("fill-mask", head_options={"mlm_probability": 0.3})
    tokenizer, _, encoded, _ = _encoded(spec)
    collate = HEADS["fill-mask"].collator(tokenizer, None, spec)
    state = torch.random.get_rng_state()
    one, again, other = collate(list(encoded)[:8]), collate(list(encoded)[:8]), collate(list(encoded)[1:9])
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(one["labels"], again["labels"]) and torch.equal(one["input_ids"], again["input_ids"])
    assert not torch.equal(one["labels"][1:], other["labels"][:7])
    share = float((one["labels"] != -100).sum() / (one["attention_mask"].sum() - 16))
    assert 0.1 < share < 0.5


def test_there_is_a_mask_in_every_batch(spec_for: Any) -> None:
    spec = spec_for("fill-mask", [{"text": "film"}] * 8, head_options={"mlm_probability": 0.02})
    tokenizer, _, encoded, _ = _encoded(spec)
    batch = HEADS["fill-mask"].collator(tokenizer, None, spec)([encoded[0]])
    assert (batch["labels"] != -100).any()


def test_texts_the_tokenizer_knows_nothing_of_are_left_out(spec_for: Any) -> None:
    with pytest.raises(DataError, match="knows nothing"):
        fine_tune(spec_for("fill-mask", [{"text": "日本"}] * 8))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mlm_probability": 2.0}, "must lie between 0.01 and 0.9"),
        ({"mlm_probability": "much"}, "must be a number"),
        ({"stride": 3}, "has no setting “stride”"),
    ],
)
def test_settings_of_a_head_are_checked(options: dict[str, Any], why: str, spec_for: Any) -> None:
    with pytest.raises(InputError, match=why):
        fine_tune(spec_for("fill-mask", head_options=options))


# Answers.


def _question(answers: Any, context: str = "The capital of France is Paris, of Italy Rome.") -> dict[str, Any]:
    return {"question": "What is the capital of Italy?", "context": context, "answers": answers}


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("Rome", [("Rome", 41)]),
        ({"text": ["Rome"], "answer_start": [41]}, [("Rome", 41)]),
        ('{"text": ["Rome"], "answer_start": [41]}', [("Rome", 41)]),
        ({"text": [], "answer_start": []}, []),
        (["Paris", "Rome"], [("Paris", 25), ("Rome", 41)]),
        ("", []),
        (None, []),
        ({"text": "Rome", "answer_start": "41"}, [("Rome", 41)]),
    ],
)
def test_answers_are_read_as_people_write_them(cell: Any, told: list[tuple[str, int]]) -> None:
    context = _question(None)["context"]
    assert [(answer["text"], answer["start"]) for answer in as_answers(cell, context)] == told


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ("Berlin", "the answer “Berlin” does not stand in the context"),
        ({"text": ["Rome"], "answer_start": [7]}, "the answer “Rome” does not stand in the context at 7"),
        ({"text": ["Rome"], "answer_start": ["x"]}, "the answer “Rome” does not stand in the context"),
        ([" "], "an answer is empty"),
    ],
)
def test_answers_that_are_not_there_are_left_out_and_named(answers: Any, why: str, spec_for: Any) -> None:
    rows = split_rows(spec_for("question-answering", [_question("Rome")] * 8 + [_question(answers)]), Silent())
    assert [(unused.place, unused.why) for unused in rows.unused] == [("question-answering.jsonl, line 9", why)]


def test_a_long_context_becomes_windows_that_overlap_and_one_holds_the_answer(spec_for: Any) -> None:
    context = "The quick brown fox jumps over the lazy dog. " * 6 + "The capital of Italy is Rome."
    spec = spec_for("question-answering", [_question("Rome", context)] * 8, max_length=40, head_options={"stride": 12})
    tokenizer, rows, encoded, task = _encoded(spec)
    windows = [row for row in encoded if row["told"] == encoded[0]["told"]]
    assert len(encoded) > 3 * len(rows.train)
    assert any("windows of up to 40 tokens" in line for line in task.lines)
    spans = {
        context[row["offsets"][row["start_positions"]][0] : row["offsets"][row["end_positions"]][1]]
        for row in windows
        if row["start_positions"]
    }
    assert spans == {"Rome"}
    assert any(not row["start_positions"] and not row["end_positions"] for row in windows)
    assert tokenizer.decode(windows[0]["input_ids"]).startswith("[CLS] what is the capital of italy [UNK] [SEP]")


def test_a_question_that_leaves_no_room_is_told(spec_for: Any) -> None:
    with pytest.raises(DataError, match="find no room beside it"):
        fine_tune(spec_for("question-answering", [_question("Rome")] * 8, max_length=16))


def test_right_logits_give_right_answers(spec_for: Any) -> None:
    from transformers import EvalPrediction

    rows = [_question("Rome"), _question(""), _question("Paris")] * 4
    _, _, encoded, _ = _encoded(spec_for("question-answering", rows))
    logits = [
        np.stack([np.eye(96)[place] for place in encoded[name]])[:, : len(encoded[0]["input_ids"])]
        for name in ("start_positions", "end_positions")
    ]
    told = answer_metrics(EvalPrediction((logits[0], logits[1]), None), encoded)
    assert told == {"f1": 1.0, "exact_match": 1.0}
    wrong = answer_metrics(EvalPrediction((logits[1] * 0, logits[0] * 0), None), encoded)
    assert wrong["exact_match"] < 1.0


@pytest.mark.parametrize(
    ("guessed", "right", "match", "f1"),
    [
        # The scores that the SQuAD script of its authors gives.
        ("Denver Broncos", ["Denver Broncos", "the Denver Broncos!"], 1.0, 1.0),
        ("The Denver Broncos", ["Denver Broncos"], 1.0, 1.0),
        ("Broncos of Denver", ["Denver Broncos"], 0.0, 0.8),
        ("in 1066", ["1066"], 0.0, 2 / 3),
        ("nothing", ["1066"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("something", [], 0.0, 0.0),
        ("", ["1066"], 0.0, 0.0),
    ],
)
def test_answers_score_as_squad_scores_them(guessed: str, right: list[str], match: float, f1: float) -> None:
    assert answer_scores(guessed, right) == (match, pytest.approx(f1))


# Text to text.


def test_a_prefix_stands_before_every_source_and_targets_end(spec_for: Any) -> None:
    spec = spec_for("text2text-generation", head_options={"prefix": "fox: ", "max_target_length": 8})
    tokenizer, rows, encoded, task = _encoded(spec)
    row = rows.train[0]
    assert encoded[0]["input_ids"] == tokenizer("fox: " + row["source"])["input_ids"][:24]
    assert encoded[0]["labels"] == tokenizer(row["target"], truncation=True, max_length=8)["input_ids"]
    assert any("fill all 8 tokens" in line for line in task.lines)


def test_a_head_that_does_not_fit_is_refused(spec_for: Any, tiny_bert: Checkpoint, tiny_llama: Checkpoint) -> None:
    for kind, checkpoint, head in (
        ("text2text-generation", tiny_bert, "AutoModelForSeq2SeqLM"),
        ("fill-mask", tiny_llama, "AutoModelForMaskedLM"),
        ("chat", tiny_bert, "AutoModelForCausalLM"),
    ):
        with pytest.raises(NotSupported, match=f"no {head}"):
            fine_tune(spec_for(kind, checkpoint=checkpoint))


# Which models divide their loss.


@pytest.mark.parametrize(
    ("model_type", "head", "divides"),
    [
        ("llama", "AutoModelForCausalLM", True), ("gpt2", "AutoModelForCausalLM", True),
        ("bart", "AutoModelForCausalLM", False), ("xlnet", "AutoModelForCausalLM", False),
        ("bert", "AutoModelForMaskedLM", False), ("no such type", "AutoModelForCausalLM", False),
    ],
)  # fmt: skip
def test_the_source_of_a_model_tells_whether_it_divides_its_loss(model_type: str, head: str, divides: bool) -> None:
    assert divides_by_items(model_type, head) is divides


def test_a_decoder_that_does_not_divide_is_told_so(spec_for: Any, tiny_llama: Checkpoint) -> None:
    assert "model_accepts_loss_kwargs" not in train_script(spec_for("chat"))
    assert "trainer.model_accepts_loss_kwargs = False" in train_script(spec_for("fill-mask"))


# Metrics against known values.


def test_spans_score_as_conlleval_scores_them() -> None:
    from transformers import EvalPrediction

    labels = ["O", "B-PER", "I-PER", "B-LOC"]
    # Right: one person of two words and a place; guessed: the person's first word only, and the place.
    right = np.array([[1, 2, 0, 3, -100], [0, -100, 0, 0, -100]])
    guessed = np.array([[1, 0, 0, 3, 1], [0, 1, 0, 0, 1]])
    told = span_metrics(EvalPrediction(guessed, right), labels)
    assert told == {"f1": 0.5, "precision": 0.5, "recall": 0.5, "accuracy": 6 / 7}
    single = span_metrics(EvalPrediction(guessed, right), ["NOUN", "VERB", "ADJ", "ADV"])
    assert single["accuracy"] == 6 / 7
    assert set(single) == {"f1", "accuracy"}


def test_metrics_equal_those_of_the_libraries() -> None:
    from scipy.stats import pearsonr
    from sklearn.metrics import f1_score, hamming_loss, mean_squared_error
    from transformers import EvalPrediction

    draw = np.random.default_rng(0)
    right, guessed = draw.normal(size=(2, 30))
    told = regression_metrics(EvalPrediction(guessed[:, None], right))
    assert told["mse"] == pytest.approx(mean_squared_error(right, guessed))
    assert told["pearson"] == pytest.approx(pearsonr(right, guessed).statistic)
    assert "pearson" not in regression_metrics(EvalPrediction(np.zeros((30, 1)), right))

    hits, guesses = (draw.random((2, 30, 4)) > 0.5).astype(float)
    several = multi_label_metrics(EvalPrediction(guesses.astype(int), hits))
    assert several["f1"] == f1_score(hits, guesses, average="micro")
    assert 0 <= several["exact_match"] <= 1 - hamming_loss(hits, guesses)


# Pictures.


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 12 pictures, red ones and blue ones, with a table beside them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file_name,colour"]
    for n in range(12):
        colour = ("red", "blue")[n % 2]
        Image.new("RGB", (20 + n, 16), colour).save(folder / f"{n}.png")
        lines.append(f"{n}.png,{colour}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "table.csv"


@pytest.fixture
def see(pictures: Path, tmp_path: Path) -> TrainSpec:
    return TrainSpec(
        task="image-classification",
        checkpoint=build_tiny_vision(tmp_path / "tiny-vit", "image-classification"),
        data=DataSource(pictures),
        columns={"image": "file_name", "label": "colour"},
        output_dir=tmp_path / "runs" / "ours",
        eval_fraction=0.25,
        batch_size=4,
        max_steps=3,
        learning_rate=1e-3,
        threads=1,
    )


def test_pictures_are_learned_and_their_script_loses_the_same(see: TrainSpec, tmp_path: Path) -> None:
    result = fine_tune(see)
    assert result.labels == ("blue", "red")
    assert set(next(point.metrics for point in reversed(result.points) if point.metrics)) == {"accuracy", "f1"}
    _by_script(see, tmp_path / "theirs")
    assert _history(result.checkpoint.path) == _history(tmp_path / "theirs")
    loaded = models.load(result.checkpoint)
    assert (loaded.head, loaded.missing) == ("AutoModelForImageClassification", ())
    assert loaded.facts.labels == ("blue", "red")
    assert (result.checkpoint.path / "preprocessor_config.json").is_file()
    batch = look(replace(see, output_dir=tmp_path / "look")).batches[0]
    assert {row.label for row in batch} <= {"blue", "red"}
    assert {len(row.picture) for row in batch} == {3}


def test_pictures_are_not_scaled_by_accumulation(see: TrainSpec, tmp_path: Path) -> None:
    whole = fine_tune(replace(see, max_steps=1, batch_size=8)).points[0]
    halves = fine_tune(replace(see, max_steps=1, gradient_accumulation_steps=2, output_dir=tmp_path / "halves")).points[
        0
    ]
    assert whole.loss is not None and halves.loss == pytest.approx(whole.loss, rel=1e-3)


def test_what_is_no_picture_is_left_out_and_named(see: TrainSpec, pictures: Path) -> None:
    (pictures.parent / "broken.png").write_text("no picture", encoding="utf-8")
    with pictures.open("a", encoding="utf-8") as file:
        file.write("broken.png,red\nabsent.png,red\n1.png,\n")
    rows = split_rows(see, Silent())
    assert [(unused.place, unused.why) for unused in rows.unused] == [
        ("table.csv, line 14", "broken.png is no picture that can be read"),
        ("table.csv, line 15", "there is no picture absent.png"),
        ("table.csv, line 16", "the label is empty"),
    ]


def test_pictures_can_stand_in_the_data_themselves(pictures: Path) -> None:
    held = (pictures.parent / "1.png").read_bytes()
    text = as_picture({"bytes": held, "path": None})
    assert unreadable(text, "") == ""
    assert opened(text, "").convert("RGB").getpixel((0, 0)) == (0, 0, 255)
    assert as_picture({"bytes": None, "path": "1.png"}) == "1.png"


@pytest.mark.parametrize("kind", DATA)
def test_the_evaluation_after_a_run_gives_the_metrics_of_its_last_one(kind: str, spec_for: Any) -> None:
    spec = spec_for(kind, batch_size=8, group_by_length=True)
    result = fine_tune(spec)
    last = [point for point in result.points if point.eval_loss is not None][-1]
    told = evaluate(spec, result.checkpoint)
    assert told.metrics == pytest.approx({"loss": last.eval_loss, **last.metrics}, rel=1e-4)
    assert told.rows >= 2


def test_pictures_are_evaluated_after_a_run(see: TrainSpec) -> None:
    result = fine_tune(see)
    told = evaluate(see, result.checkpoint)
    assert told.metrics["accuracy"] == [point for point in result.points if point.metrics][-1].metrics["accuracy"]
    assert told.labels == ("blue", "red")


# The scripts.

UNUSABLE: dict[str, list[dict[str, Any]]] = {
    "chat": [{"messages": "Hello"}, {"messages": [{"role": "user", "content": "Hello"}]}, {"messages": None}],
    "prompts": [{"prompt": " ", "completion": "Yes"}, {"prompt": "Yes?", "completion": None}],
    "token-classification": [{"tokens": ["one", "two"], "tags": ["O"]}, {"tokens": None, "tags": []}],
    "question-answering": [_question("Berlin"), _question("Rome", "")],
    "multi-label-classification": [{"text": "", "label": ["x"]}],
    "text-regression": [{"text": "so many", "label": "many"}, {"text": "none", "label": None}],
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_script_leaves_out_the_rows_that_the_run_leaves_out(kind: str, spec_for: Any, tmp_path: Path) -> None:
    rows = [*UNUSABLE[kind], *DATA[kind]]
    spec = spec_for(kind, rows, max_steps=1)
    assert len(split_rows(spec, Silent()).unused) == len(UNUSABLE[kind])
    result = fine_tune(spec)
    _by_script(spec, tmp_path / "theirs")
    assert _history(result.checkpoint.path) == _history(tmp_path / "theirs")


@pytest.mark.parametrize("kind", DATA)
def test_a_script_is_laid_out_as_ruff_does_and_names_nothing_it_lacks(kind: str, spec_for: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(train_script(spec_for(kind)), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    lint = [*ruff, "check", "--isolated", "--select", "E,F,W,I", "--ignore", "E501", str(script)]
    layout = [*ruff, "format", "--isolated", "--line-length", "120", "--diff", str(script)]
    for command in (lint, layout):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
