"""A class that several Auto classes load does the task that works with each, and nothing that never can is offered."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as t
from PIL import Image

from tests import tiny, tiny_captions, tiny_deciders, tiny_omni, tiny_pictured, tiny_readers, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, inside, tasks
from workbench.engine.errors import InputError, NotSupported, UnsafeRefused
from workbench.engine.facts import describe
from workbench.engine.generate import page
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import any_to_any, processors
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

ANYTHING, WRITTEN = "AutoModelForMultimodalLM", "image-text-to-text"
TABLE = "country,capital,people\nFrance,Paris,68\nItaly,Rome,59"


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict:
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names


def test_what_writes_about_one_picture_does_so_with_the_head_of_all_kinds(tmp_path, capsys) -> None:
    """BLIP's processor has no way for whatever is given; ``pipeline("any-to-any")`` needs torchvision, and is this."""
    model = load(tiny_captions.build(tmp_path / "blip", "blip"), device="cpu", head=ANYTHING)
    assert tasks.first(model) == WRITTEN and not tasks.supports(model, "any-to-any")
    given = TaskInput("a picture of", image=tiny_seq2seq.picture(tmp_path))
    options = TaskOptions(max_new_tokens=4)
    (said,) = tasks.run(model, WRITTEN, given, options).items
    made = t.pipeline(WRITTEN, model=model.model, processor=processors.processor(model), device="cpu")
    seen = {"images": Image.open(given.image).convert("RGB"), "generate_kwargs": {"max_new_tokens": 4}}
    (expected,) = made(text=given.text, **seen, return_full_text=False)
    assert said == expected["generated_text"] == script(model, WRITTEN, given, options)["result"]


def test_udop_reads_the_words_it_is_given_whichever_head_it_is_loaded_with(tmp_path, capsys) -> None:
    checkpoint = tiny_readers.udop(tmp_path / "udop")
    given = TaskInput("Question answering. What is it?", page.EXAMPLE, image=tiny_seq2seq.picture(tmp_path))
    options = TaskOptions(max_new_tokens=4)
    said = []
    for head in (ANYTHING, "AutoModelForImageTextToText"):
        model = load(checkpoint, device="cpu", head=head)
        assert tasks.first(model) == WRITTEN
        said += tasks.run(model, WRITTEN, given, options).items
        said.append(script(model, WRITTEN, given, options)["result"])
    assert len(set(said)) == 1


def test_blip_2_answers_after_its_prompt_where_it_was_loaded_to_answer_questions(tmp_path, workbench_data) -> None:
    model = load(
        tiny_captions.build(tmp_path / "blip", "blip-2"), device="cpu", head="AutoModelForVisualQuestionAnswering"
    )
    assert tasks.first(model) == WRITTEN and not tasks.supports(model, "visual-question-answering")
    given = dataclasses.replace(tasks.example(WRITTEN, model), image=tiny_seq2seq.picture(tmp_path))
    assert given.text == "Question: What colour is the roof? Answer:"
    (said,) = tasks.run(model, WRITTEN, given, TaskOptions(max_new_tokens=4)).items
    reader = processors.processor(model)
    inputs = reader(images=Image.open(given.image).convert("RGB"), text=given.text, return_tensors="pt")
    with torch.inference_mode():
        ids = model.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    decoded = reader.batch_decode(ids, skip_special_tokens=True)[0]
    assert said.strip() == decoded.partition("Answer:")[2].strip() or said.strip() == decoded.strip()


def test_what_reads_pages_is_asked_about_pages_alone(tmp_path) -> None:
    model = load(tiny_readers.lilt(tmp_path / "lilt", "QuestionAnswering"), device="cpu")
    assert tasks.first(model) == "document-question-answering"
    assert not tasks.supports(model, "question-answering")


@pytest.fixture(scope="module")
def tapas(tmp_path_factory) -> LoadedModel:
    """TAPAS with the head that it was trained with."""
    folder = tmp_path_factory.mktemp("tapas")
    checkpoint = tiny_tasks.build_tiny_other(folder, "table-question-answering")
    config = t.AutoConfig.from_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        t.TapasForMaskedLM(config).save_pretrained(folder)
    return load(checkpoint, device="cpu", head="AutoModelForMaskedLM")


def test_a_mask_beside_a_table_is_filled_as_the_documentation_has_it(tapas, capsys) -> None:
    import pandas

    name = "fill-mask"
    assert tasks.first(tapas) == name and tasks.spec(name, tapas).takes == ("text", "second")
    given, options = tasks.example(name, tapas), TaskOptions(top_k=3)
    result = tasks.run(tapas, name, given, options)
    header, *rows = (line.split(",") for line in given.second.splitlines())
    inputs = tapas.tokenizer(pandas.DataFrame(rows, columns=header), given.text, return_tensors="pt")
    with torch.inference_mode():
        logits = tapas.model(**inputs).logits
    (place,) = (inputs["input_ids"][0] == tapas.tokenizer.mask_token_id).nonzero().flatten().tolist()
    top = logits[0, place].softmax(dim=-1).topk(3)
    assert [(item.token_id, pytest.approx(item.score)) for item in result.items] == list(
        zip(top.indices.tolist(), top.values.tolist(), strict=True)
    )
    found = script(tapas, name, given, options)["result"]
    assert [(token, pytest.approx(score, rel=1e-4)) for _, token, score in found] == [
        (item.token_id, item.score) for item in result.items
    ]


def test_rows_of_the_table_that_do_not_fit_beside_a_mask_are_left_out(tapas, capsys) -> None:
    given, options = tasks.example("fill-mask", tapas), TaskOptions(top_k=3, max_length=64)
    result = tasks.run(tapas, "fill-mask", given, options)
    assert result.truncated and result.stages[0].tensors[0].shape[1] <= 64
    assert [
        (token, pytest.approx(score)) for _, token, score in script(tapas, "fill-mask", given, options)["result"]
    ] == [(item.token_id, item.score) for item in result.items]


@pytest.mark.parametrize(("text", "table", "says"), [
    ("It is [MASK].", TABLE, "only where there are spaces around it"),
    ("It is Paris", TABLE, "There is no [MASK]"),
    ("It is [MASK]", "country,capital", "there is none below it"),
    ("It is [MASK]", " ", "The table is empty"),
])  # fmt: skip
def test_a_mask_that_is_not_found_beside_a_table_is_told(tapas, text, table, says) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(tapas, "fill-mask", TaskInput(text, table))
    assert says in caught.value.why


def test_splinter_is_given_the_mark_it_asks_with(tmp_path, capsys) -> None:
    model = load(tiny_readers.splinter(tmp_path / "splinter"), device="cpu", head="AutoModelForPreTraining")
    name = tasks.first(model)
    given = tasks.example(name, model)
    assert name == "raw-outputs" and given.text.endswith("[QUESTION]")
    outputs = {view.name: view.values for view in tasks.run(model, name, given).stages[1].tensors}
    with torch.inference_mode():
        expected = model.model(**model.tokenizer(given.text, return_tensors="pt"))
    np.testing.assert_allclose(outputs["start_logits"], expected.start_logits.numpy(), atol=1e-5)
    looked = inside.look(model, inside.take(model, inside.example(model)))
    assert [len(part.states) for part in looked.parts] == [model.model.config.num_hidden_layers + 1]


def writer(folder: Path) -> Checkpoint:
    """A Qwen2 that writes, with room in its vocabulary for the marks of a decision model."""
    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.save_pretrained(folder)
    config = t.Qwen2Config(
        vocab_size=len(tokenizer) + 8, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        t.Qwen2ForCausalLM(config).save_pretrained(folder)
    return Checkpoint("decider", folder)


@pytest.mark.parametrize("put", [tiny_deciders.beside, tiny_deciders.with_adapter])
def test_a_head_beside_the_weights_is_what_a_checkpoint_was_trained_for(tmp_path, put, capsys) -> None:
    """Decision models are published as the config and the weights of what writes, and a head beside them.

    JEV has an adapter besides, which the pipeline puts on.
    """
    checkpoint = writer(tmp_path / "decider")
    assert describe(checkpoint).trained_head == "AutoModelForCausalLM"
    put(checkpoint.path)
    model = load(checkpoint, device="cpu")
    assert model.head == "AutoModelForDecision" and tasks.first(model) == "decision"
    given = TaskInput("I was charged twice.", "What is it about?", ("billing", "praise"))
    result = tasks.run(model, "decision", given)
    made = t.pipeline("decision", model=str(checkpoint.path), device="cpu")
    asked = {"type": "choice", "instructions": given.second, "criteria": dict.fromkeys(given.labels)}
    expected = made({"state": given.text, "questions": {"about": asked}})["about"]["probabilities"]
    assert type(made.model).__name__ == "JevForDecision"
    assert {item.label: pytest.approx(item.score, rel=1e-4) for item in result.items} == expected
    assert script(model, "decision", given, TaskOptions())["result"] == [
        (item.label, pytest.approx(item.score, rel=1e-4)) for item in result.items
    ]
    assert any("adapter" in note for note in model.notes) == (put is tiny_deciders.with_adapter)


@pytest.mark.parametrize(("name", "says"), [
    ("../adapter", "not in its folder"), ("none", "not in its folder"), ("adapter", "pickled"),
])  # fmt: skip
def test_an_adapter_of_a_decision_model_that_is_missing_or_pickled_is_refused(tmp_path, name, says) -> None:
    checkpoint = writer(tmp_path / "decider")
    tiny_deciders.with_adapter(checkpoint.path)
    (checkpoint.path / "adapter" / "adapter_model.safetensors").rename(
        checkpoint.path / "adapter" / "adapter_model.bin"
    )
    file = checkpoint.path / "judge_config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"adapter_subfolder": name}), "utf-8")
    with pytest.raises((NotSupported, UnsafeRefused)) as caught:
        load(checkpoint, device="cpu")
    assert says in caught.value.why


@pytest.mark.filterwarnings("ignore:Passing `repetition_penalty` with `inputs_embeds`")
@pytest.mark.parametrize("shown", [False, True])
def test_qwen3_omni_says_what_it_writes(tmp_path, monkeypatch, shown) -> None:
    monkeypatch.setattr(any_to_any, "SAID", 4)
    model = load(tiny_omni.qwen3(tmp_path / "omni"), device="cpu", head=ANYTHING)
    given = TaskInput("hello there", image=tiny_seq2seq.picture(tmp_path) if shown else None)
    options = TaskOptions(max_new_tokens=3, speaks=True, seed=3)
    result = tasks.run(model, "any-to-any", given, options)
    content = [{"type": "image", "image": Image.open(given.image).convert("RGB")}] if shown else []
    turns = [{"role": "user", "content": [*content, {"type": "text", "text": given.text}]}]
    told = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processors.processor(model).apply_chat_template(turns, **told)
    begins = inputs["input_ids"].shape[1]
    if shown:
        inputs["thinker_pixel_values"] = inputs.pop("pixel_values")
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(3)
        thinks = {"thinker_max_new_tokens": 3, "thinker_do_sample": False}
        ids, sound = model.model.generate(**inputs, **thinks, talker_max_new_tokens=12, generation_mode="audio")
    assert result.items[0] == model.tokenizer.decode(ids[0, begins:], skip_special_tokens=True)
    np.testing.assert_allclose(result.items[1].samples, sound.reshape(-1).numpy(), atol=1e-6)


def test_got_ocr_without_a_picture_is_looked_into_as_what_writes(tmp_path) -> None:
    checkpoint = tiny_pictured.build(tmp_path / "got", "got_ocr2")
    model = load(checkpoint, device="cpu", head="AutoModelForCausalLM")
    assert inside.look(model, inside.take(model, inside.example(model))).parts
