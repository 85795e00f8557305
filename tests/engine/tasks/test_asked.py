"""Models that are asked for a transcript write what their documentation has them write."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from tests import tiny_hearing, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import any_to_any, processors
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "automatic-speech-recognition"
KINDS = ("canary", "cohere_asr", "glmasr", "moss_transcribe_diarize", "qwen3_asr", "vibevoice_asr")
#: What is only given the sound, and writes a token for each moment or as the library's pipeline does.
GIVEN = ("moonshine", "moonshine_streaming")
#: What a language is called by each, and what its processor calls the setting.
LANGUAGE = {"canary": "source_language", "cohere_asr": "language", "qwen3_asr": "language"}


@pytest.fixture(scope="module")
def hears(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("asked")
    kinds = (*KINDS, *GIVEN, "kyutai")
    return {kind: load(tiny_hearing.build(folder / kind, kind), device="cpu") for kind in kinds}


def documented(kind: str, model: LoadedModel, path, language: str) -> tuple[list[list[int]], str]:
    """The new ids and the text by the processor's own request."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    samples, rate = soundfile.read(path, dtype="float32")
    told = {LANGUAGE[kind]: language} if language and kind in LANGUAGE else {}
    if kind == "cohere_asr":
        inputs = processor(samples, sampling_rate=rate, **({"language": "en"} | told))
    else:
        told |= {"return_tensors": "pt"} if kind == "moss_transcribe_diarize" else {}
        inputs = processor.apply_transcription_request(audio=samples, **told)
    places = inputs.pop("audio_chunk_index", None)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        ids = model.model.generate(**inputs, max_new_tokens=10, do_sample=False)
    asks = inputs["decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"]
    new = ids[:, asks.shape[1] :]
    if kind == "cohere_asr":
        more = {"audio_chunk_index": places, "language": language or "en"}
        return new.tolist(), processor.decode(new, skip_special_tokens=True, **more)[0]
    return new.tolist(), processor.decode(new[0], skip_special_tokens=True)


@pytest.mark.parametrize(("kind", "language", "seconds"), [
    *((kind, language, 1.0) for kind in KINDS for language in ("", "de") if not language or kind in LANGUAGE),
    ("cohere_asr", "", 5.0),
])  # fmt: skip
def test_a_transcript_is_what_the_documentation_asks_for(hears, tmp_path, kind, language, seconds, capsys) -> None:
    model, path = hears[kind], tiny_tasks.sound(tmp_path, seconds)
    options = TaskOptions(source_language=language, max_new_tokens=10)
    result = tasks.run(model, NAME, TaskInput(audio=path), options)
    ids, text = documented(kind, model, path, language)
    assert result.stages[2].tensors[0].values.tolist() == ids
    assert result.items == (text,)
    assert (len(ids) > 1) == (seconds > 2)
    names: dict = {"__name__": "__main__"}
    about = (model.checkpoint, NAME, TaskInput(audio=path), options, model.dtype, model.device, model.head)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(codegen.task(*about), names)
    assert names["result"]["text"] == text
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize("kind", GIVEN)
def test_what_is_only_given_the_sound_is_the_pipeline(hears, tmp_path, kind, capsys) -> None:
    from transformers import pipeline

    model, path = hears[kind], tiny_tasks.sound(tmp_path)
    options = TaskOptions(max_new_tokens=10)
    result = tasks.run(model, NAME, TaskInput(audio=path), options)
    parts = {"tokenizer": model.tokenizer, "feature_extractor": processors.feature_extractor(model)}
    expected = pipeline(NAME, model=model.model, device="cpu", **parts)(
        soundfile.read(path, dtype="float32")[0],
        generate_kwargs={"max_new_tokens": 10, "do_sample": False, "num_beams": 1},
    )
    assert result.items == (expected["text"],)
    assert tasks.infer(model.facts) == NAME


def test_what_writes_a_token_for_each_moment_writes_as_long_as_the_sound(hears, tmp_path, capsys) -> None:
    from transformers import AutoProcessor

    model = hears["kyutai"]
    path = tiny_tasks.sound(tmp_path, rate=24_000)
    assert tasks.infer(model.facts) == NAME and "max_new_tokens" not in tasks.applies(NAME, model)
    assert not tasks.supports(model, "any-to-any")
    result = tasks.run(model, NAME, TaskInput(audio=path), TaskOptions(max_new_tokens=2))
    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    with torch.inference_mode():
        samples = soundfile.read(path, dtype="float32")[0]
        ids = model.model.generate(**processor(audio=samples), do_sample=False)
    assert result.stages[1].tensors[0].values.tolist() == ids.tolist()
    assert result.items == (processor.batch_decode(ids, skip_special_tokens=True)[0],)
    assert result.items[0]
    names: dict = {"__name__": "__main__"}
    about = (TaskInput(audio=path), TaskOptions(), model.dtype, model.device, model.head)
    exec(codegen.task(model.checkpoint, NAME, *about), names)
    assert names["result"]["text"] == result.items[0]
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_is_inferred_and_its_languages_are_offered(hears, kind) -> None:
    model = hears[kind]
    assert tasks.infer(model.facts) == NAME and tasks.supports(model, NAME)
    offered = {name for name in tasks.applies(NAME, model) if name.endswith("language")}
    assert offered == ({"source_language"} if kind in LANGUAGE else set()) | (
        {"target_language"} if kind == "canary" else set()
    )
    wanted = "encoder-decoder" if kind in ("canary", "cohere_asr") else "decoder"
    assert tasks.architecture(model.facts)[0] == wanted


def test_the_language_that_is_written_is_asked_for_besides(hears, tmp_path) -> None:
    model, path = hears["canary"], tiny_tasks.sound(tmp_path)
    tokens = model.tokenizer.convert_tokens_to_ids(["<|de|>", "<|fr|>"])
    options = TaskOptions(source_language="German", target_language="fr", max_new_tokens=2)
    result = tasks.run(model, NAME, TaskInput(audio=path), options)
    shown = {view.name: view.values for view in result.stages[0].tensors}
    assert shown["decoder_input_ids"][0, -2:].tolist() == tokens


@pytest.mark.parametrize("kind", ["canary", "cohere_asr", "qwen3_asr"])
def test_a_language_that_the_model_does_not_know_is_refused(hears, tmp_path, kind) -> None:
    given = TaskInput(audio=tiny_tasks.sound(tmp_path))
    with pytest.raises(InputError, match="xyz") as caught:
        tasks.run(hears[kind], NAME, given, TaskOptions(source_language="xyz"))
    assert "language" in caught.value.remedy
    with pytest.raises(InputError, match="No file"):
        tasks.run(hears[kind], NAME, TaskInput())


@pytest.mark.skipif(importlib.util.find_spec("torchaudio") is not None, reason="torchaudio is installed")
def test_a_processor_that_needs_a_package_names_it(hears, tmp_path) -> None:
    """Granite Speech's is read with torchaudio alone, Voxtral's tokenizer with mistral-common."""
    folder = tmp_path / "granite"
    folder.mkdir()
    (folder / "preprocessor_config.json").write_text('{"feature_extractor_type": "GraniteSpeech5FeatureExtractor"}')
    model = dataclasses.replace(hears["canary"], checkpoint=Checkpoint("granite", folder))
    object.__setattr__(model, "model", load(hears["canary"].checkpoint, device="cpu").model)
    with pytest.raises(NotSupported) as caught:
        processors.feature_extractor(model)
    assert "torchaudio" in caught.value.why and "torchaudio" in caught.value.remedy


@pytest.fixture(scope="module")
def omni(tmp_path_factory) -> LoadedModel:
    """What writes and speaks its answer, to a text with a picture or a sound."""
    return load(tiny_hearing.build(tmp_path_factory.mktemp("omni"), "omni"), device="cpu")


def asked_omni(tmp_path, kind: str) -> TaskInput:
    parts = {"image": lambda: tiny_seq2seq.picture(tmp_path), "audio": lambda: tiny_tasks.sound(tmp_path)}
    return TaskInput("hello there", **({kind: parts[kind]()} if kind else {}))


@pytest.mark.parametrize("kind", ["", "image", "audio"])
@pytest.mark.parametrize("speaks", [False, True])
def test_what_can_speak_writes_its_answer_and_says_it_where_it_is_told(
    omni, tmp_path, monkeypatch, kind, speaks
) -> None:
    monkeypatch.setattr(any_to_any, "SAID", 4)
    given, options = asked_omni(tmp_path, kind), TaskOptions(max_new_tokens=4, speaks=speaks, seed=3)
    result = tasks.run(omni, "any-to-any", given, options)
    # Without torchvision the processor is one without its part for films.
    content = [{"type": "text", "text": given.text}]
    if kind == "image":
        content.insert(0, {"type": "image", "image": Image.open(given.image).convert("RGB")})
    if kind == "audio":
        content.insert(0, {"type": "audio", "audio": soundfile.read(given.audio, dtype="float32")[0]})
    turns, told = [{"role": "user", "content": content}], {"add_generation_prompt": True, "tokenize": True}
    inputs = processors.processor(omni).apply_chat_template(turns, **told, return_dict=True, return_tensors="pt")
    begins = inputs["input_ids"].shape[1]
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(3)
        thinks = {"thinker_max_new_tokens": 4, "thinker_do_sample": False}
        if not speaks:
            ids = omni.model.generate(**inputs, **thinks, generation_mode="text")
        else:
            if kind == "image":
                inputs["thinker_pixel_values"] = inputs.pop("pixel_values")
            ids, sound = omni.model.generate(**inputs, **thinks, talker_max_new_tokens=16)
            np.testing.assert_allclose(result.items[1].samples, sound.numpy(), atol=1e-6)
            assert result.items[1].rate == 24_000 and len(sound) == 8 * 16
    assert result.items[0] == omni.tokenizer.decode(ids[0, begins:], skip_special_tokens=True)
    assert len(result.items) == 1 + speaks
    source = codegen.task(omni.checkpoint, "any-to-any", given, options, "auto", "cpu", omni.head)
    compile(source, "shown", "exec")
    assert "thinker_max_new_tokens=4" in source
    assert ('generation_mode="audio"' in source) == speaks and ('"answer.wav"' in source) == speaks


def test_only_what_can_speak_is_asked_whether_to(omni, hears) -> None:
    assert tasks.infer(omni.facts) == "any-to-any"
    assert tasks.supports(omni, "any-to-any") and not tasks.supports(omni, "text-to-audio")
    assert "speaks" in tasks.applies("any-to-any", omni)
    assert "speaks" not in tasks.applies("any-to-any", hears["glmasr"])
