"""Models that read pictures with text in ways of their own do in Tasks and in the Playground what the library does."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests import tiny, tiny_pictured, tiny_seq2seq
from workbench.engine import codegen, forward, generate, inside, processors, tasks
from workbench.engine.codegen import inside as looked
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent
from workbench.engine.tasks import batch
from workbench.engine.tasks.processors import processor as reader_of
from workbench.engine.values import Message, Sampling, Step, TaskInput, TaskOptions

NAME = "image-text-to-text"
OPTIONS = TaskOptions(max_new_tokens=6)
GREEDY = Sampling(do_sample=False, max_new_tokens=6)
DRAWN = Sampling(do_sample=True, temperature=1.3, top_k=9, repetition_penalty=1.2, max_new_tokens=6, seed=5)
MARKS = {"diffusion_gemma": "<|image|>", "gemma4": "<|image|>", "janus": "<image>", "t5gemma2": "<|boi|>"}
"""What stands for the picture in the text, where it is not put there by the processor."""
TOLD = {
    kind: "" if kind == "got_ocr2" else "What is it?\n" for kind in (*tiny_pictured.KINDS, *tiny_pictured.OTHERS)
}  # fmt: skip
WITHOUT = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed, so nothing is left out"
)
CHAT = (
    "{% for turn in messages %}{{ turn.role }}: {% for part in turn.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }}{% endfor %}\n{% endfor %}assistant:"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], LoadedModel]:
    return tiny.kept(tmp_path_factory.mktemp("pictured"), tiny_pictured.build)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def opened(picture: Path) -> Image.Image:
    with Image.open(picture) as image:
        return image.convert("RGB")


def documented(model: LoadedModel, kind: str, picture: Path) -> tuple[list[int], list[int]]:
    """The ids of the prompt, and those that ``generate()`` gives behind them, by the documentation's snippet."""
    reader, image, text = model.processor, opened(picture), TOLD[kind]
    if kind == "idefics":
        inputs = reader(text=[[image, text]], return_tensors="pt")
    elif kind == "got_ocr2":
        inputs = reader(image, return_tensors="pt")
    else:
        inputs = reader(images=image, text=MARKS.get(kind, "") + text, return_tensors="pt")
    prompt = inputs["input_ids"][0].tolist()
    ids = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0].tolist()
    return prompt, ids[1 if model.encoder_decoder else len(prompt) :]


def script(model: LoadedModel, text: str, sampling: Sampling, **more: Any) -> list[int]:
    turns = more.pop("messages", None)
    written = codegen.generate(
        model.checkpoint, text, turns, sampling, model.dtype, model.device, head=model.head, **more
    )
    names = {"__name__": "__main__"}
    exec(written, names)
    return names["new_ids"]


def task_script(model: LoadedModel, given: TaskInput, name: str = NAME) -> str:
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, OPTIONS, model.dtype, model.device, model.head), names)
    return names["result"]


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
@pytest.mark.parametrize("kind", tiny_pictured.KINDS)
def test_what_tasks_writes_is_what_the_pipeline_writes(made, picture, kind, capsys) -> None:
    from transformers import pipeline

    model, text = made(kind), TOLD[kind]
    given = TaskInput(text, image=picture)
    assert tasks.infer(model.facts) == NAME and not model.missing
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    if kind == "got_ocr2":
        # Its processor writes the prompt, and the pipeline wants one.
        expected = model.tokenizer.decode(documented(model, kind, picture)[1], skip_special_tokens=True)
    else:
        asks = pipeline(NAME, model=model.model, processor=model.processor, device="cpu")
        settings = {"max_new_tokens": 6, "do_sample": False}
        (found,) = asks(
            images=opened(picture),
            text=MARKS.get(kind, "") + text,
            generate_kwargs=settings,
            return_full_text=False,
        )
        expected = found["generated_text"]
    assert written == expected != ""
    assert task_script(model, given) == written
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", tiny_pictured.KINDS)
def test_the_playground_records_each_step_of_generate(made, picture, kind, capsys) -> None:
    model, text = made(kind), TOLD[kind]
    prompt, new = documented(model, kind, picture)
    found = generate.run(model, text, (), GREEDY, images=[picture])
    assert list(found.start.encoding.input_ids) == prompt and list(found.ids) == new
    assert int(forward.next_token(model, found.start).float32().argmax()) == new[0]
    shown = found.start.encoding.text
    assert script(model, shown, GREEDY, images=[picture], steps=found.steps) == new
    shorter = dataclasses.replace(GREEDY, max_new_tokens=4)
    branch = generate.branch(model, found.start, found.steps[:2], None, shorter)
    assert list(branch.ids) == new[2:]
    assert script(model, shown, shorter, images=[picture], prefix=new[:2], steps=branch.steps) == new[2:]
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["gemma4", "idefics", "janus"])
def test_knobs_that_were_moved_are_in_the_code(made, picture, kind, capsys) -> None:
    class Moves(Silent):
        def send(self, part: object) -> None:
            if isinstance(part, Step) and part.index == 2:
                knobs.current = dataclasses.replace(DRAWN, temperature=3.0, top_k=30, min_new_tokens=5)

    knobs = Knobs(DRAWN)
    model = made(kind)
    found = generate.run(model, TOLD[kind], (), knobs, images=[picture], task=Moves())
    assert len({step.sampling for step in found.steps}) == 2
    assert script(model, found.start.encoding.text, DRAWN, images=[picture], steps=found.steps) == list(found.ids)


def test_a_text_with_the_mark_in_it_says_where_the_picture_is(made, picture, capsys) -> None:
    model = made("idefics")
    text = "This <image> is what?"
    inputs = model.processor(text=[["This ", opened(picture), " is what?"]], return_tensors="pt")
    ids = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    found = generate.run(model, text, (), GREEDY, images=[picture])
    assert list(found.ids) == ids.tolist() == script(model, text, GREEDY, images=[picture])
    given = TaskInput(text, image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    assert written == model.tokenizer.decode(ids, skip_special_tokens=True) == task_script(model, given)


def test_idefics_takes_several_pictures_and_none(made, picture, tmp_path, capsys) -> None:
    model, other = made("idefics"), tiny_seq2seq.picture(tmp_path, "other.png", size=(50, 70))
    pieces = [opened(picture), "and", opened(other), "differ?"]
    for pictures, text, told in (
        ([picture, other], "<image>and<image>differ?", pieces), ([], "Once upon", ["Once upon"]), ([], "", []),
    ):  # fmt: skip
        inputs = model.processor(text=[told], return_tensors="pt")
        ids = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        found = generate.run(model, text, (), GREEDY, images=pictures)
        assert list(found.ids) == ids.tolist() == script(model, text, GREEDY, images=pictures)


def test_a_template_that_the_tokenizer_alone_has_is_used(tmp_path, picture, capsys) -> None:
    checkpoint = tiny_pictured.build(tmp_path / "chat", "idefics")
    (checkpoint.path / "chat_template.jinja").write_text(CHAT)
    model = load(checkpoint, device="cpu")
    assert getattr(model.processor, "chat_template", None) is None
    inputs = model.processor(text=[["user: ", opened(picture), "What?\nassistant:"]], return_tensors="pt")
    ids = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    turns = (Message("user", "What?", (picture,)),)
    found = generate.run(model, "", turns, GREEDY)
    assert list(found.ids) == ids.tolist() == script(model, "", GREEDY, messages=turns)
    given = TaskInput("What?", image=picture)
    (written,) = tasks.run(model, NAME, given, OPTIONS).items
    assert written == model.tokenizer.decode(ids, skip_special_tokens=True) == task_script(model, given)


def test_fuyu_says_that_it_wants_one_picture_and_a_prompt(made, picture) -> None:
    model = made("fuyu")
    for pictures, text, why in (
        ([], "What?", "one picture"), ([picture, picture], "What?", "one picture"), ([picture], " ", "no prompt"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=why):
            generate.run(model, text, (), GREEDY, images=pictures)
    assert tasks.example(NAME, model).text == "Generate a coco-style caption.\n"


def test_any_to_any_puts_the_mark_of_the_picture_in_front_where_there_is_no_template(made, picture, capsys) -> None:
    model, given = made("gemma4"), TaskInput(TOLD["gemma4"], image=picture)
    (written,) = tasks.run(model, "any-to-any", given, OPTIONS).items
    new = documented(model, "gemma4", picture)[1]
    assert written == model.tokenizer.decode(new, skip_special_tokens=True) != ""
    assert task_script(model, given, "any-to-any") == written
    told = dataclasses.replace(given, text=MARKS["gemma4"] + given.text)
    assert tasks.run(model, "any-to-any", told, OPTIONS).items == (written,)


@pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torch loads its compiler for it, for seconds; see extras"
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
def test_what_draws_many_tokens_at_once_draws_them_by_the_seed(made, picture, capsys) -> None:
    model, text = made("diffusion_gemma"), TOLD["diffusion_gemma"]
    given = TaskInput(text, image=picture)
    result = tasks.run(model, NAME, given, OPTIONS)
    inputs = model.processor(images=opened(picture), text=MARKS["diffusion_gemma"] + text, return_tensors="pt")
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(OPTIONS.seed)
        made_of = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)
    (new,) = (view.values.tolist() for view in result.stages[2].tensors)
    assert new == made_of.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    assert task_script(model, given) == result.items[0]
    with pytest.raises(NotSupported, match="can't be watched step by step"):
        generate.run(model, text, (), GREEDY, images=[picture])


def test_what_the_library_has_among_those_that_write_and_that_writes_nothing_says_so(made, picture) -> None:
    model = made("pi0")
    with pytest.raises(NotSupported, match="has no generate") as caught:
        tasks.run(model, NAME, TaskInput("What is it?", image=picture))
    with pytest.raises(NotSupported, match="has no generate"):
        generate.run(model, "What is it?", (), GREEDY)
    assert all(sentence.endswith(".") for sentence in (caught.value.what, caught.value.why, caught.value.remedy))


@pytest.mark.parametrize("kind", ["gemma4", "idefics"])
def test_the_script_of_the_inside_is_given_the_picture_in_the_same_way(made, picture, kind, capsys) -> None:
    model = made(kind)
    given = inside.take(model, TaskInput("What is it?", image=picture))
    part = inside.look(model, given).parts[0]
    names = {"__name__": "__main__"}
    exec(looked.norms(looked.Asked(model, given, inside.arguments(model, given)), part), names)
    assert names["norms"].numpy() == pytest.approx(part.norms, rel=1e-4)


def test_policies_are_judged_as_the_documentation_has_it(made, picture, tmp_path, capsys) -> None:
    model, name, given = made("shieldgemma2"), "image-classification", TaskInput(image=picture)
    assert tasks.infer(model.facts) == name
    found = tasks.run(model, name, given).items
    reader = reader_of(model)
    with torch.inference_mode():
        yes = model.model(**reader(images=[opened(picture)], return_tensors="pt")).probabilities[:, 0].tolist()
    expected = sorted(zip(reader.policy_definitions, yes, strict=True), key=lambda pair: pair[1], reverse=True)
    assert [(label.label, pytest.approx(label.score)) for label in found] == expected and len(found) == 3
    assert task_script(model, given, name) == expected
    others = [given, TaskInput(image=tiny_seq2seq.picture(tmp_path, "other.png"))]
    rows = batch.run(model, name, others, batch_size=2)
    assert [line["label"] for line in rows[0].lines] == [label.label for label in found]
    assert not rows[1].error and rows[1].lines != rows[0].lines


def test_a_chart_becomes_a_table_without_a_word(made, picture, capsys) -> None:
    from transformers import pipeline

    model, given = made("pp_chart2table"), TaskInput(image=picture)
    asks = pipeline(NAME, model=model.model, processor=model.processor, device="cpu")
    turns = [{"role": "user", "content": [{"type": "image", "image": opened(picture)}]}]
    settings = {"max_new_tokens": 6, "do_sample": False}
    (found,) = asks(text=turns, generate_kwargs=settings, return_full_text=False)
    for name in (NAME, "any-to-any"):
        (written,) = tasks.run(model, name, given, OPTIONS).items
        assert written == found["generated_text"] == task_script(model, given, name) != ""
    assert tasks.example(NAME, model).text == ""


def test_a_plain_prompt_is_given_the_place_of_the_picture_that_the_template_writes(made, picture, capsys) -> None:
    model = made("pp_chart2table")
    text = "<img>" + "<imgpad>" * 256 + "</img>Chart to table"
    inputs = model.processor(text=[text], images=[opened(picture)], return_tensors="pt")
    new = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    found = generate.run(model, "Chart to table", (), GREEDY, images=[picture])
    assert list(found.ids) == new == script(model, found.start.encoding.text, GREEDY, images=[picture])
    turns = (Message("user", "a", (picture,)), Message("assistant", "b"), Message("user", "c"))
    with pytest.raises(InputError, match="2 times, for one picture"):
        generate.run(model, "", turns, GREEDY)


def test_the_mark_of_a_picture_stands_between_those_of_its_ends_where_the_processor_wants_them(
    made, picture, capsys
) -> None:
    model, given = made("hunyuan_vl"), TaskInput("What is it?", image=picture)
    text = "<begin><picture><end>What is it?"
    inputs = model.processor(text=[text], images=[opened(picture)], return_tensors="pt")
    new = model.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    found = generate.run(model, given.text, (), GREEDY, images=[picture])
    assert list(found.ids) == new == script(model, found.start.encoding.text, GREEDY, images=[picture])
    for name in (NAME, "any-to-any"):
        (written,) = tasks.run(model, name, given, OPTIONS).items
        assert written == task_script(model, given, name) == model.tokenizer.decode(new, skip_special_tokens=True)


def test_what_became_of_each_picture_is_no_state_of_a_layer(made, picture, capsys) -> None:
    model, given = made("deepseek_ocr2"), TaskInput("What is it?", image=picture)
    read = inside.take(model, given)
    (part,) = inside.look(model, read).parts
    inputs = model.processor(text=["<image>What is it?"], images=[[opened(picture)]], return_tensors="pt")
    with torch.inference_mode():
        states = model.model(**inputs, output_hidden_states=True).hidden_states
    assert part.norms == pytest.approx(torch.stack(states)[:, 0].norm(dim=-1).numpy(), rel=1e-4)
    names = {"__name__": "__main__"}
    exec(looked.norms(looked.Asked(model, read, inside.arguments(model, read)), part), names)
    assert names["norms"].numpy() == pytest.approx(part.norms, rel=1e-4)


def test_the_writer_inside_a_judge_of_pictures_has_its_weights_and_reads_what_is_asked(made, picture, capsys) -> None:
    import transformers as t

    whole = made("shieldgemma2")
    writer = load(whole.checkpoint, head="AutoModelForImageTextToText", device="cpu")
    weights = whole.model.model.state_dict()
    assert not writer.missing and type(writer.model).__name__ == "Gemma3ForConditionalGeneration"
    assert all(torch.equal(each, weights[name]) for name, each in writer.model.state_dict().items())
    # The judge's own processor takes no words: it asks of every policy whether the picture breaks it.
    reader = t.Gemma3Processor.from_pretrained(whole.checkpoint.path)
    given = TaskInput("What is it?", image=picture)
    content = [{"type": "image", "image": opened(picture)}, {"type": "text", "text": given.text}]
    asked = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "add_generation_prompt": True}
    with torch.inference_mode():
        inputs = reader.apply_chat_template([{"role": "user", "content": content}], **asked)
        expected = writer.model.generate(**inputs, max_new_tokens=6, do_sample=False)
    assert tasks.run(writer, NAME, given, OPTIONS).stages[1].tensors[0].values.tolist() == expected.tolist()
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.task(writer.checkpoint, NAME, given, OPTIONS, writer.dtype, writer.device, writer.head), names)
    assert names["sequences"].tolist() == expected.tolist()
    assert inside.look(writer, inside.take(writer, given)).parts and capsys.readouterr().out


def test_what_the_library_has_among_those_that_see_and_that_reads_text_alone_says_so(made, picture) -> None:
    model = made("mistral4")
    with pytest.raises(NotSupported, match="reads text alone"):
        generate.run(model, "What is it?", (), GREEDY, images=[picture])
    with pytest.raises(NotSupported, match=r"Mistral4ForCausalLM, which wants other inputs.* Choose any-to-any"):
        tasks.run(model, NAME, TaskInput("What is it?", image=picture), OPTIONS)
    assert not model.takes_images and not tasks.supports(model, NAME) and tasks.first(model) == "any-to-any"
    assert inside.look(model, inside.take(model, inside.example(model))).parts
    written = generate.run(model, "What is it?", (), GREEDY)
    (answer,) = tasks.run(model, "any-to-any", "What is it?", TaskOptions(max_new_tokens=len(written.ids))).items
    assert model.tokenizer is not None and answer == model.tokenizer.decode(written.ids, skip_special_tokens=True)


@WITHOUT
@pytest.mark.parametrize("kind", ["Llama4", "MiniCPMV4_6"])
def test_a_processor_that_wants_torchvision_for_pictures_says_so(tmp_path, picture, kind) -> None:
    checkpoint = tiny_pictured.build(tmp_path / kind, "gemma4")
    described = {"processor_class": f"{kind}Processor", "image_processor_type": f"{kind}ImageProcessor"}
    (checkpoint.path / "preprocessor_config.json").write_text(json.dumps(described))
    model = load(checkpoint, device="cpu")
    assert not model.takes_images and "with torchvision alone" in model.notes[0]
    with pytest.raises(NotSupported, match="with torchvision alone") as caught:
        generate.run(model, "What is it?", (), GREEDY, images=[picture])
    assert "install it" in caught.value.remedy


def test_a_package_that_a_processor_names_in_another_way_is_named() -> None:
    said = ImportError(
        "Package `num2words` is required to run SmolVLM processor. Install it with `pip install num2words`."
    )
    refusal = processors.missing("SmolVLM can't read pictures.", said)
    assert "num2words alone" in refusal.why and "transformers-workbench[vision]" in refusal.remedy
