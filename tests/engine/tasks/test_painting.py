"""A picture drawn by a model that writes: the library's own loop and decoder, finished by either image processor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_pictured, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.tasks import batch
from workbench.engine.values import TaskInput, TaskOptions

NAME, GIVEN = "any-to-any", TaskInput("A dog in the rain.")
DRAWN = TaskOptions(paints=True)
CHAT = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}{{ part.text }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}\nassistant:{% endif %}"
)


@pytest.fixture(scope="module")
def janus(tmp_path_factory) -> LoadedModel:
    """Without a chat template."""
    folder = tmp_path_factory.mktemp("janus")
    return load(tiny_pictured.build(folder, "janus"), device="cpu", head="AutoModelForMultimodalLM")


def documented(model: LoadedModel, text: str, options: TaskOptions) -> tuple[torch.Tensor, np.ndarray]:
    """The codes of a picture and its pixels: Janus' documented calls, and its processor's arithmetic by hand.

    What the documentation and the pipeline finish with, ``processor.postprocess(…, "PIL.Image.Image")``, fails in
    transformers 5.23 with both of its image processors.
    """
    inputs = model.processor(text=text, generation_mode="image", return_tensors="pt")
    told = {"temperature": options.temperature, "top_k": options.draw_top_k} if options.do_sample else {}
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(options.seed)
        codes = model.model.generate(**inputs, generation_mode="image", do_sample=options.do_sample, **told)
        pixels = model.model.decode_image_tokens(codes)[0]
    pictures = model.processor.image_processor
    colors = pixels * torch.tensor(pictures.image_std) + torch.tensor(pictures.image_mean)
    return codes, (colors * 255).clamp(0, 255).numpy()


def drawn_by_script(model: LoadedModel, given: TaskInput, options: TaskOptions) -> np.ndarray:
    names: dict[str, object] = {}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    return np.asarray(Image.open("made.png"))


@pytest.mark.parametrize("sample", [False, True])
def test_a_picture_is_the_one_that_the_library_draws_and_so_is_that_of_the_script(
    janus, tmp_path, monkeypatch, capsys, sample
) -> None:
    monkeypatch.chdir(tmp_path)
    options = TaskOptions(paints=True, do_sample=sample, temperature=2.0, draw_top_k=6, seed=5)
    result = tasks.run(janus, NAME, GIVEN, options)
    codes, colors = documented(janus, GIVEN.text, options)
    boxes = [{tensor.name: tensor.values for tensor in stage.tensors} for stage in result.stages]
    (picture,) = result.items
    assert boxes[1]["image_tokens"].tolist() == codes.tolist()
    assert picture.dtype == np.uint8 and picture.shape == (2, 2, 3)
    # A number with a point is cut, not rounded, at its end; how it is multiplied out before differs by a rounding.
    np.testing.assert_allclose(picture, np.floor(colors), atol=1)
    assert (boxes[2]["picture"] == picture).all() and boxes[1]["first_logits"].shape == (2, 8)
    begin = janus.processor.tokenizer.boi_token_id
    assert boxes[0]["input_ids"][0, -1] == begin and boxes[1]["pixels"].shape == (1, 2, 2, 3)
    assert (drawn_by_script(janus, GIVEN, options) == picture).all()


def test_with_a_chat_template_the_picture_begins_behind_the_turn(janus, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = tiny_pictured.build(tmp_path / "chat", "janus")
    (checkpoint.path / "chat_template.jinja").write_text(CHAT)
    model = load(checkpoint, device="cpu", head="AutoModelForMultimodalLM")
    result = tasks.run(model, NAME, GIVEN, DRAWN)
    codes, _ = documented(model, f"user: {GIVEN.text}\nassistant:", DRAWN)
    assert result.stages[1].tensors[0].values.tolist() == codes.tolist()
    assert (drawn_by_script(model, GIVEN, DRAWN) == result.items[0]).all()


def test_it_writes_where_no_picture_is_asked_for_and_others_are_not_asked(janus, tmp_path) -> None:
    (text,) = tasks.run(janus, NAME, GIVEN, TaskOptions(max_new_tokens=3)).items
    assert isinstance(text, str)
    assert "paints" in tasks.applies(NAME, janus) and "speaks" not in tasks.applies(NAME, janus)
    other = load(tiny_pictured.build(tmp_path, "gemma4"), device="cpu", head="AutoModelForMultimodalLM")
    assert "paints" not in tasks.applies(NAME, other)


def test_drawing_stops_within_a_code_and_says_how_far_it_is(janus) -> None:
    heard: list[Progress] = []

    class Stops(Silent):
        def check(self) -> None:
            if len(heard) == 2:
                raise Cancelled

        def report(self, progress: Progress) -> None:
            if progress.unit == "codes":
                heard.append(progress)

    with pytest.raises(Cancelled):
        tasks.run(janus, NAME, GIVEN, DRAWN, task=Stops())
    assert [(each.done, each.total) for each in heard] == [(0, 4), (1, 4)]


def test_what_can_not_be_drawn_is_refused_in_words(janus, tmp_path) -> None:
    given = TaskInput(GIVEN.text, image=tiny_seq2seq.picture(tmp_path))
    with pytest.raises(InputError, match="after another"):
        tasks.run(janus, NAME, given, DRAWN)
    with pytest.raises(NotSupported, match="many rows"):
        batch.run(janus, NAME, [GIVEN], DRAWN)
    checkpoint = tiny_pictured.build(tmp_path / "bare", "janus")
    _forget(checkpoint.path / "generation_config.json", "generation_kwargs")
    with pytest.raises(NotSupported, match="begin a picture"):
        tasks.run(load(checkpoint, device="cpu", head="AutoModelForMultimodalLM"), NAME, GIVEN, DRAWN)


def _forget(file: Path, name: str) -> None:
    settings = json.loads(file.read_text())
    del settings[name]
    file.write_text(json.dumps(settings))
