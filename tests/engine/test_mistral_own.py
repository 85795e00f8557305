"""Mistral's own tokenizer (mistral-common) is looked into as far as it says what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_extras import _tekken, mistral
from workbench.engine import codegen, forward, generate, tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tokens import chat, template
from workbench.engine.tokens.added import try_token
from workbench.engine.tokens.browse import entries
from workbench.engine.tokens.stages import Workings
from workbench.engine.tokens.template import Talk, Turn, messages_of, write
from workbench.engine.tokens.versus import measure
from workbench.engine.values import Checkpoint, Message, Sampling

pytest.importorskip("mistral_common")

FOX = "The 🦊 café"
TURNS = (Turn("system", "Be brief."), Turn("user", "Hi 🦊"), Turn("assistant", "Hello"), Turn("user", "Bye"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tekken")
    _tekken(made)
    (made / "config.json").write_text('{"model_type": "mistral"}')
    return made


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return tokens.load_tokenizer(Checkpoint("tekken", folder))


def test_each_byte_is_told_and_no_replacement_character(tokenizer: Any) -> None:
    made = tokens.encode(tokenizer, FOX).tokens
    assert [each.id for each in made] == tokenizer(FOX)["input_ids"]
    assert b"".join(each.bytes or b"" for each in made) == FOX.encode()
    fox = made[5:9]
    assert [(each.bytes, each.text) for each in fox] == [(b"\xf0", ""), (b"\x9f", ""), (b"\xa6", ""), (b"\x8a", "🦊")]
    assert not any("\N{REPLACEMENT CHARACTER}" in each.piece + each.text for each in made)
    model, finished = Workings(tokenizer).stages(FOX)[2:4]
    assert [part.id for part in model.parts] == [each.id for each in made[1:]]
    assert model.parts[4].text == finished.parts[5].text == "‹F0›"
    (cut,) = (each.pieces for each in measure(tokenizer, "x", FOX).split if each.word == "🦊")
    assert cut == ("‹F0›", "‹9F›", "‹A6›", "‹8A›")


def test_the_vocabulary_is_listed_and_takes_no_token(tokenizer: Any) -> None:
    listed = entries(tokenizer)
    assert len(listed) == len(tokenizer) == 296
    assert (listed.face(280), listed.face(124), listed.kind(1)) == ("‹F0›", "T", "special")
    with pytest.raises(NotSupported, match=r"Mistral's own"):
        try_token(tokenizer, "fox", FOX)


def test_a_conversation_is_what_its_own_program_writes(tokenizer: Any) -> None:
    made = write(tokenizer, Talk(TURNS, add_generation_prompt=True))
    ids = tokenizer.apply_chat_template(messages_of(TURNS), return_dict=False)
    assert list(made.encoding.input_ids) == ids
    assert made.encoding.text == tokenizer.decode(ids, skip_special_tokens=False)
    assert "no generation prompt" in made.notes[-1]
    goes_on = write(tokenizer, Talk(TURNS[:3], continue_final_message=True)).encoding
    ids = tokenizer.apply_chat_template(messages_of(TURNS[:3]), return_dict=False, continue_final_message=True)
    assert list(goes_on.input_ids) == ids
    with pytest.raises(NotSupported, match="has no chat template"):
        template.source(tokenizer)
    with pytest.raises(InputError, match="refused this conversation"):
        write(tokenizer, Talk((Turn("assistant", "Hello"), Turn("assistant", "Hello"))))


def test_the_scripts_run(folder: Path, tokenizer: Any, capsys: pytest.CaptureFixture) -> None:
    checkpoint = Checkpoint("tekken", folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.vocabulary(checkpoint, "T"), names)
    assert names["found"] == [id_ for id_ in range(296) if "T" in tokenizer.convert_ids_to_tokens(id_)]
    exec(codegen.stages(checkpoint, FOX), names)
    exec(codegen.chat_template(checkpoint, Talk(TURNS)), names)
    assert names["encoded"]["input_ids"] == tokenizer.apply_chat_template(messages_of(TURNS), return_dict=False)
    assert capsys.readouterr().out


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(mistral(tmp_path_factory.mktemp("mistral")), device="cpu")


@pytest.mark.parametrize("end", ["user", "assistant"])
def test_the_playground_answers_as_generate_behind_its_own_program(model, end, capsys) -> None:
    # What a person writes as a special token stays text; read again from the prompt's text it would not.
    said = (Message("system", "Be brief."), Message("user", "Hi 🦊 [/INST]"))
    said = said if end == "user" else (*said, Message("assistant", "Hello, "))
    greedy = Sampling(do_sample=False, max_new_tokens=4)
    inputs = model.tokenizer.apply_chat_template(
        [{"role": each.role, "content": each.content} for each in said],
        return_tensors="pt",
        **{"add_generation_prompt" if end == "user" else "continue_final_message": True},
    )
    prompt = inputs["input_ids"][0].tolist()
    new = model.model.generate(**inputs, max_new_tokens=4, do_sample=False)[0, len(prompt) :].tolist()
    found = generate.run(model, "", said, greedy)
    assert list(found.start.encoding.input_ids) == prompt and list(found.ids) == new
    assert chat.rendered(model.tokenizer, said).encoding.input_ids == tuple(prompt)
    assert int(forward.next_token(model, found.start).float32().argmax()) == new[0]
    kept, shorter = found.steps[:2], Sampling(do_sample=False, max_new_tokens=2)
    branch = generate.branch(model, found.start, kept, None, shorter)
    assert list(branch.ids) == new[2:]
    for sampling, prefix, steps in ((greedy, (), found.steps), (shorter, new[:2], branch.steps)):
        names: dict[str, Any] = {"__name__": "__main__"}
        written = codegen.generate(
            model.checkpoint, "", said, sampling, model.dtype, model.device, prefix=prefix, steps=steps
        )
        exec(written, names)
        assert names["inputs"]["input_ids"][0].tolist() == [*prompt, *prefix]
        assert names["new_ids"] == [step.token_id for step in steps]


def test_whom_its_own_program_lets_speak_is_offered(model) -> None:
    assert chat.roles(model.tokenizer) == ("user", "assistant"), "a system message comes first or not at all"
    with pytest.raises(InputError, match="refused this conversation"):
        chat.rendered(model.tokenizer, (Message("tool", "7"),))
