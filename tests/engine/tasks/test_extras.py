"""What the library does with packages of the extras alone is done as it does it, where they are installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_extras, tiny_hearing, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, generate, inside, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors, transcribing
from workbench.engine.tokens import encode, load_tokenizer
from workbench.engine.values import Sampling, TaskInput, TaskOptions

ASR = "automatic-speech-recognition"
OPTIONS = TaskOptions(max_new_tokens=6)
MASKS = TaskOptions(points_per_side=3, threshold=0.0, stability=0.0)

#: The packages say what they think of the versions beside them.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model of a kind, built when it is asked for and its packages are there."""
    folder, kept = tmp_path_factory.mktemp("extras"), {}

    def made(kind: str) -> LoadedModel:
        for package in tiny_extras.NEEDS[kind]:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed (an extra of this program brings it)")
        if kind not in kept:
            kept[kind] = load(tiny_extras.build(folder / kind, kind), device="cpu")
        return kept[kind]

    return made


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> Any:
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


def requested(kind: str, processor: Any, samples: np.ndarray, path: Path) -> Any:
    """What the model's documentation asks for a transcript with."""
    if kind == "granite_speech":
        said = f"{processor.audio_token}{transcribing.QUESTION}"
        prompt = processor.tokenizer.apply_chat_template(
            [{"role": "user", "content": said}], tokenize=False, add_generation_prompt=True
        )
        return processor(prompt, torch.from_numpy(samples)[None], return_tensors="pt")
    if kind == "voxtral":
        return processor.apply_transcription_request(audio=str(path), model_id="tiny", language="de")
    if kind == "voxtral_realtime":
        return processor(samples, return_tensors="pt")
    return processor.apply_transcription_request(audio=samples, language="English")


@pytest.mark.parametrize("kind", ["granite_speech", "fun_asr_nano", "voxtral", "voxtral_realtime"])
def test_a_transcript_is_what_the_documentation_asks_for(made, tmp_path, kind, capsys) -> None:
    from transformers import AutoProcessor

    model, path = made(kind), tiny_tasks.sound(tmp_path)
    language = {"voxtral": "de", "fun_asr_nano": "English"}.get(kind, "")
    options = TaskOptions(max_new_tokens=6, source_language=language)
    result = tasks.run(model, ASR, TaskInput(audio=path), options)
    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    inputs = requested(kind, processor, soundfile.read(path, dtype="float32")[0], path)
    most = {} if kind == "voxtral_realtime" else {"max_new_tokens": 6}
    with torch.inference_mode():
        ids = model.model.generate(**inputs, do_sample=False, **most)[:, inputs["input_ids"].shape[1] :]
    assert result.stages[2].tensors[0].values.tolist() == ids.tolist()
    assert result.items == (processor.tokenizer.decode(ids[0], skip_special_tokens=True),)
    assert tasks.infer(model.facts) == ASR
    assert script(model, ASR, TaskInput(audio=path), options)["text"] == result.items[0]
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["granite_speech", "fun_asr_nano", "voxtral"])
@pytest.mark.parametrize("heard", [True, False])
def test_what_hears_answers_a_question_too(made, tmp_path, kind, heard, capsys) -> None:
    model = made(kind)
    given = TaskInput("What is this?", audio=tiny_tasks.sound(tmp_path) if heard else None)
    result = tasks.run(model, "any-to-any", given, OPTIONS)
    assert len(result.stages[2].tensors[0].values) == 6
    assert any(view.name == "input_features" for view in result.stages[0].tensors) == heard
    assert script(model, "any-to-any", given, OPTIONS) == result.items[0]
    assert capsys.readouterr().out


def test_letters_of_granite_are_the_pipelines(made, tmp_path, capsys) -> None:
    from transformers import pipeline

    model, path = made("granite_speech5"), tiny_tasks.sound(tmp_path)
    result = tasks.run(model, ASR, TaskInput(audio=path))
    parts = {"tokenizer": model.tokenizer, "feature_extractor": processors.feature_extractor(model)}
    heard = pipeline(ASR, model=model.model, device="cpu", **parts)(soundfile.read(path, dtype="float32")[0])
    assert result.items == (heard["text"],) and heard["text"]
    assert script(model, ASR, TaskInput(audio=path), TaskOptions())["text"] == heard["text"]
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["neucodec", "xcodec2"])
def test_the_codes_of_a_sound_are_the_models(made, tmp_path, kind, capsys) -> None:
    model, path = made(kind), tiny_tasks.sound(tmp_path)
    result = tasks.run(model, "raw-outputs", TaskInput(audio=path))
    samples, rate = soundfile.read(path, dtype="float32")
    with torch.inference_mode():
        output = model.model(**processors.feature_extractor(model)(samples, sampling_rate=rate, return_tensors="pt"))
    shown = {view.name: view.values for view in result.stages[1].tensors}
    np.testing.assert_array_equal(shown["audio_codes"], output.audio_codes.numpy())
    np.testing.assert_array_equal(shown["audio_values"], output.audio_values.numpy())
    found = script(model, "raw-outputs", TaskInput(audio=path), TaskOptions())
    np.testing.assert_array_equal(found["audio_codes"].numpy(), shown["audio_codes"])
    assert capsys.readouterr().out


def test_notes_for_a_song_are_the_processors(made, tmp_path, capsys) -> None:
    model, path = made("pop2piano"), tiny_extras.song(tmp_path)
    import pretty_midi
    from transformers import AutoProcessor

    options = TaskOptions(max_new_tokens=60)
    result = tasks.run(model, ASR, TaskInput(audio=path), options)
    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    samples, rate = soundfile.read(path, dtype="float32")
    inputs = processor(audio=samples, sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        ids = model.model.generate(input_features=inputs["input_features"], max_new_tokens=60, do_sample=False)
    ended = torch.nn.functional.pad(ids, (0, 1), value=1)
    notes = processor.batch_decode(ended, feature_extractor_output=inputs)["notes"]
    expected = [(pretty_midi.note_number_to_name(note.pitch), note.start, note.end) for note in notes]
    text, *chunks = result.items
    assert [(chunk.text, chunk.start, chunk.end) for chunk in chunks] == expected
    assert expected and text.split() == [name for name, *_ in expected]
    assert script(model, ASR, TaskInput(audio=path), options) == expected
    assert tasks.applies(ASR, model) == ("max_new_tokens",)
    assert capsys.readouterr().out


def test_a_model_of_timm_classifies_as_the_pipeline(made, tmp_path, capsys) -> None:
    from transformers import pipeline

    model, picture = made("timm"), TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    assert tasks.infer(model.facts) == "image-classification" and not model.missing
    result = tasks.run(model, "image-classification", picture)
    parts = {"image_processor": processors.image_processor(model)}
    expected = pipeline("image-classification", model=model.model, device="cpu", **parts)(str(picture.image))
    assert [(item.label, item.score) for item in result.items] == [
        (each["label"], pytest.approx(each["score"])) for each in expected
    ]
    assert {each["label"] for each in expected} == {"fox", "house", "sun"}
    assert script(model, "image-classification", picture, TaskOptions())[0][0] == expected[0]["label"]
    assert capsys.readouterr().out


def test_masks_of_edgetam_are_the_pipelines(made, tmp_path, capsys) -> None:
    from transformers import pipeline

    model, picture = made("edgetam"), TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    result = tasks.run(model, "mask-generation", picture, MASKS)
    parts = {"image_processor": processors.image_processor(model)}
    expected = pipeline("mask-generation", model=model.model, device="cpu", **parts)(
        str(picture.image), points_per_crop=3, pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    assert [item.score for item in result.items] == pytest.approx(expected["scores"].tolist())
    np.testing.assert_array_equal([item.mask for item in result.items], np.stack(expected["masks"]))
    assert len(script(model, "mask-generation", picture, MASKS)) == len(result.items) > 0
    assert capsys.readouterr().out


def test_lines_of_text_are_found_as_the_pipeline_finds_them(made, tmp_path) -> None:
    from transformers import pipeline

    model, picture = made("pp_ocr"), TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    options = TaskOptions(threshold=0.0)
    result = tasks.run(model, "object-detection", picture, options)
    parts = {"image_processor": processors.image_processor(model)}
    expected = pipeline("object-detection", model=model.model, device="cpu", **parts)(str(picture.image), threshold=0.0)
    assert [(item.label, item.xmin, item.ymin, item.xmax, item.ymax) for item in result.items] == [
        (each["label"], *each["box"].values()) for each in expected
    ]
    assert [item.score for item in result.items] == pytest.approx([each["score"] for each in expected])
    assert script(model, "object-detection", picture, options) is not None


def test_the_tokenizer_of_mistral_is_one_like_others(made) -> None:
    """It does not say whether it is a fast one, which everything that reads a text asks for."""
    model = made("voxtral")
    whole = encode(load_tokenizer(model.checkpoint), "a fox")
    assert whole.input_ids == tuple(model.tokenizer.encode("a fox"))
    written = generate.run(model, "a fox", (), Sampling(do_sample=False, max_new_tokens=5))
    ids = torch.tensor([written.start.context_ids])
    with torch.inference_mode():
        expected = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
    assert list(written.ids) == expected[0, ids.shape[1] :].tolist()
    looked = inside.take(model, TaskInput("a fox"))
    assert tuple(token.id for token in looked.tokens) == whole.input_ids


@pytest.mark.parametrize("kind", ["granite_speech", "fun_asr_nano", "voxtral"])
def test_what_is_asked_runs_without_its_head_too(made, tmp_path, kind, capsys) -> None:
    model = load(tiny_hearing.bodies(tmp_path / "body", made(kind).checkpoint), device="cpu")
    given = TaskInput("What is it?", audio=tiny_tasks.sound(tmp_path))
    assert tasks.infer(model.facts) == "raw-outputs"
    result = tasks.run(model, "raw-outputs", given, OPTIONS)
    found = {view.name: view.values for view in result.stages[1].tensors}
    heard = tasks.run(made(kind), "any-to-any", given, OPTIONS)
    shown = {view.name: view.values for view in heard.stages[0].tensors}
    assert found["last_hidden_state"].shape[1] == shown["input_ids"].shape[1]
    np.testing.assert_allclose(
        script(model, "raw-outputs", given, OPTIONS)["last_hidden_state"], found["last_hidden_state"], atol=1e-5
    )
    capsys.readouterr()
