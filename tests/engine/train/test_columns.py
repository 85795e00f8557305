"""What the columns of usual data become: instructions with an input, answers apart, objects, and what is left aside."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.engine import codegen, models
from workbench.engine.data import guess_roles, read
from workbench.engine.errors import DataError, InputError
from workbench.engine.models import describe
from workbench.engine.task import Silent
from workbench.engine.tokens import load_tokenizer
from workbench.engine.train import HEADS, fine_tune, fitting_task, remarks
from workbench.engine.train.heads.chat import chat_ids
from workbench.engine.train.heads.prompt_form import WITH_INPUT, WITHOUT_INPUT, written_prompt
from workbench.engine.train.heads.question_answering import as_answers, unlearnable
from workbench.engine.train.look import on_trial
from workbench.engine.train.probes import answer
from workbench.engine.train.rows import split_rows
from workbench.engine.train.settings import check
from workbench.engine.values import Checkpoint, DataSource, TrainSpec

ALPACA = [
    {"instruction": f"Add {n}.", "input": "" if n % 2 else f"One and {n}", "output": f"It is {n}."} for n in range(12)
]
OWN = {"with_input": "{instruction} <{input}>", "without_input": "Just {instruction}"}
ROLES = {"prompt": "instruction", "input": "input", "completion": "output"}


def _read(spec: TrainSpec) -> list[tuple[str, str]]:
    """What the model reads, and what is learned of it, for each row of the training part."""
    spec = replace(spec, max_length=2000)
    tokenizer = load_tokenizer(spec.checkpoint)
    encoded = HEADS[spec.task].encode(split_rows(spec, Silent()).train, tokenizer, spec, (), Silent())
    told = ([label for label in row["labels"] if label != -100] for row in encoded)
    learned = tokenizer.batch_decode(list(told), skip_special_tokens=True)
    return list(zip(tokenizer.batch_decode(list(encoded["input_ids"])), learned, strict=True))


def _same_losses(spec: TrainSpec, folder: Path) -> None:
    """The run and its script lose the same, and the script is laid out as ruff lays it out."""
    result = fine_tune(spec)
    code = codegen.train(replace(spec, output_dir=folder))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, {"__name__": "__main__"})
    states = [json.loads((made / "trainer_state.json").read_text()) for made in (result.checkpoint.path, folder)]
    losses = [[entry["loss"] for entry in state["log_history"] if "loss" in entry] for state in states]
    assert losses[0] == losses[1]
    assert losses[0]
    _well_laid_out(code)


def _well_laid_out(code: str) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    for command in (
        [*ruff, "check", "--isolated", "--select", "E,F,W,I", "--line-length", "120", "-"],
        [*ruff, "format", "--isolated", "--line-length", "120", "--diff", "-"],
    ):
        done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_instruction_with_its_input_is_written_as_alpaca_was_taught(spec_for: Any, tmp_path: Path) -> None:
    spec = spec_for("prompts", ALPACA, columns=ROLES, max_length=96, max_steps=1)
    for read_, learned in _read(spec):
        number = learned.removeprefix("It is ").removesuffix(".")
        row = ALPACA[int(number)]
        form = WITH_INPUT if row["input"] else WITHOUT_INPUT
        asked = form.replace("{instruction}", row["instruction"]).replace("{input}", row["input"])
        # A chat template may leave out the blank at the end of a turn.
        assert asked.strip() in read_
        assert learned == row["output"]
    _well_laid_out(codegen.train(spec))
    _same_losses(replace(spec, head_options=OWN), tmp_path / "theirs")


def test_the_form_of_a_prompt_can_be_changed(spec_for: Any) -> None:
    spec = spec_for("prompts", ALPACA, columns=ROLES, head_options=OWN)
    seen = " ".join(read_ for read_, _ in _read(spec))
    assert "Below is" not in seen
    assert any(f"Add {n}. <One and {n}>" in seen for n in (0, 2, 4))
    assert any(f"Just Add {n}." in seen for n in (1, 3, 5))
    broken = replace(spec, head_options={"with_input": "{instruction} alone"})
    with pytest.raises(InputError, match=r"must hold \{input\}"):
        check(broken, describe(spec.checkpoint))


def test_a_probe_is_written_in_the_form_too(spec_for: Any, tiny_llama: Checkpoint) -> None:
    loaded = models.load(tiny_llama)
    plain = spec_for("prompts", probe_tokens=8)
    formed = replace(plain, columns=ROLES, head_options={"with_input": "{instruction} <{input}>"})
    told = [
        answer(loaded.model, loaded.tokenizer, spec, probe, 0, Silent())
        for spec, probe in ((formed, "the dog ||| a fox"), (plain, "the dog <a fox>"), (plain, "the dog ||| a fox"))
    ]
    assert [one.note for one in told] == [""] * 3
    assert told[0].text == told[1].text


def test_a_cell_that_spells_a_place_stays_as_it_is() -> None:
    assert written_prompt("say {input}", "x", "{instruction}: {input}", "") == "say {input}: x"
    assert written_prompt("{a} {}", " ", "", "<{instruction}>") == "<{a} {}>"


def test_a_prompt_and_a_completion_made_of_messages_are_one_conversation(spec_for: Any) -> None:
    rows = [
        {
            "prompt": [
                {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": f"What is {n}?"},
            ],
            "completion": [{"role": "assistant", "content": f"It is {n}."}],
        }
        for n in range(12)
    ]
    spec = spec_for("prompts", rows)
    for read_, learned in _read(spec):
        assert "Yes?" in read_
        assert '"role"' not in read_
        assert learned.startswith("It is ")
        assert "Yes?" not in learned


def test_messages_without_a_template_are_refused_in_words(spec_for: Any) -> None:
    class Bare:
        chat_template = None

    row = {"prompt": '[{"role": "user", "content": "a"}]', "completion": "b"}
    with pytest.raises(LookupError, match="chat template"):
        chat_ids(Bare(), row, only_last=False)


@pytest.mark.parametrize("cell", ["[]", "[1, 2]", '["a"]', "[broken"])
def test_a_completion_that_is_a_list_of_something_else_is_text(cell: str, spec_for: Any) -> None:
    spec = spec_for("prompts")
    assert not HEADS["chat"].problem({"prompt": "a list", "completion": cell}, spec)


def _table(path: Path, rows: list[dict[str, Any]]) -> Any:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read(DataSource(path))


def test_a_translation_inside_an_object_is_learned(spec_for: Any, tmp_path: Path) -> None:
    rows = [{"id": n, "translation": {"en": f"the dog {n}", "fr": f"the fox {n}"}} for n in range(12)]
    columns = {"source": "translation.en", "target": "translation.fr"}
    _same_losses(spec_for("text2text-generation", rows, columns=columns, max_steps=1), tmp_path / "theirs")


def test_answers_that_are_objects_of_their_own_are_read() -> None:
    told = [{"text": "Rome", "answer_start": 3}, {"text": "in"}]
    assert as_answers(told, "in Rome") == [{"text": "Rome", "start": 3}, {"text": "in", "start": 0}]
    assert not unlearnable("Where?", "in Rome", json.dumps(told))


def test_a_card_tells_in_which_form_its_prompts_are_written(spec_for: Any) -> None:
    spec = spec_for("prompts", ALPACA, columns=ROLES, max_length=96, max_steps=1, head_options=OWN)
    card = (fine_tune(spec).checkpoint.path / "README.md").read_text(encoding="utf-8")
    assert "````\n{instruction} <{input}>\n````\n\n````\nJust {instruction}\n````" in card
    assert "head_options" not in card
    assert "pipeline_tag: text-generation" in card


def test_a_column_of_few_different_values_beside_texts_is_labels(tmp_path: Path) -> None:
    rows = [{"subject": f"Re {n}", "body": f"the meeting {n}", "folder": "ab"[n % 2]} for n in range(12)]
    table = _table(tmp_path / "mail.jsonl", rows)
    assert fitting_task(table, HEADS) == "text-classification"
    assert guess_roles(table, HEADS["text-classification"].roles) == {"text": "body", "label": "folder"}


def test_a_column_that_is_nowhere_inside_is_told(spec_for: Any) -> None:
    rows = [{"translation": {"en": "a dog"}}] * 6
    spec = spec_for("text2text-generation", rows, columns={"source": "translation.en", "target": "translation.fr"})
    with pytest.raises(DataError, match=r"no column “translation\.fr”"), on_trial(spec, Silent()):
        pass


TALK = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]


@pytest.mark.parametrize(
    ("row", "task", "columns", "said"),
    [
        ({"instruction": "a", "input": "b", "output": "c", "id": 1}, "chat", ROLES, "Not used: “id”."),
        ({"translation": {"en": "a b", "fr": "c d"}}, "text2text-generation",
         {"source": "translation.en", "target": "translation.fr"}, ""),
        ({"question": "a", "context": "b", "answers": {"text": ["b"], "answer_start": [0]}}, "question-answering",
         {"question": "question", "context": "context", "answers": "answers"}, ""),
        ({"prompt": "a", "completion": "b", "who": {"name": "n", "age": 3}}, "chat",
         {"prompt": "prompt", "completion": "completion"}, "Not used: “who”."),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "chat",
         {"prompt": "prompt", "completion": "chosen"}, "DPO"),
        ({"prompt": "a", "chosen": TALK, "rejected": TALK}, "chat", {"messages": "chosen"}, "DPO"),
        ({"prompt": TALK[:1], "chosen": TALK[1:], "rejected": TALK[1:]}, "chat",
         {"prompt": "prompt", "completion": "chosen"}, "DPO"),
        ({"chosen": "a b", "rejected": "c d"}, "text-generation", {"text": "chosen"}, "“rejected”"),
        ({"prompt": "a", "messages": TALK}, "chat", {"messages": "messages"}, "Not used: “prompt”."),
    ],
)  # fmt: skip
def test_usual_data_suggest_what_they_are_made_for(
    row: dict[str, Any], task: str, columns: dict[str, str], said: str, tmp_path: Path
) -> None:
    table = _table(tmp_path / "rows.jsonl", [row] * 4)
    assert fitting_task(table, HEADS) == task
    guessed = guess_roles(table, HEADS[task].roles)
    assert guessed == columns
    assert not HEADS[task].lacks(guessed)
    told = " ".join(remarks(table, guessed))
    assert said in told
    assert bool(told) == bool(said)
