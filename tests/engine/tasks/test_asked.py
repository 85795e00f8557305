"""Models that are asked for a transcript write what their documentation has them write."""

from __future__ import annotations

import dataclasses

import pytest
import soundfile
import torch

from tests import tiny_hearing, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Silent
from workbench.engine.tasks import any_to_any, processors
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "automatic-speech-recognition"
KINDS = ("canary", "cohere_asr", "qwen3_asr", "vibevoice_asr")
#: What a language is called by each, and what its processor calls the setting.
LANGUAGE = {"canary": "source_language", "cohere_asr": "language", "qwen3_asr": "language"}


@pytest.fixture(scope="module")
def hears(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("asked")
    return {kind: load(tiny_hearing.build(folder / kind, kind), device="cpu") for kind in KINDS}


def documented(kind: str, model: LoadedModel, path, language: str) -> tuple[list[list[int]], str]:
    """The new ids and the text by the processor's own request."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    samples, rate = soundfile.read(path, dtype="float32")
    told = {LANGUAGE[kind]: language} if language and kind in LANGUAGE else {}
    if kind == "cohere_asr":
        inputs = processor(samples, sampling_rate=rate, **({"language": "en"} | told))
    else:
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
    *((kind, language, 1.0) for kind in KINDS for language in ("", "de")), ("cohere_asr", "", 5.0),
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


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_is_inferred_and_its_languages_are_offered(hears, kind) -> None:
    model = hears[kind]
    assert tasks.infer(model.facts) == NAME and tasks.supports(model, NAME)
    offered = {name for name in tasks.applies(NAME, model) if name.endswith("language")}
    assert offered == {"source_language"} - ({"source_language"} if kind == "vibevoice_asr" else set()) | (
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


def test_what_answers_in_speech_besides_writes_its_answer(tmp_path) -> None:
    """Its processor is read with torchvision alone, so that the steps after it are seen here."""
    model = load(tiny_hearing.build(tmp_path / "omni", "omni"), device="cpu")
    assert tasks.infer(model.facts) == "any-to-any"
    assert tasks.supports(model, "any-to-any") and not tasks.supports(model, "text-to-audio")
    request = Request(model, TaskInput("hello there"), TaskOptions(max_new_tokens=5), Silent())
    inputs = Inputs(dict(model.tokenizer("hello there", return_tensors="pt")))
    outputs = any_to_any.forward(request, inputs)
    with torch.random.fork_rng(), torch.inference_mode():
        ids = model.model.generate(
            **inputs.tensors, generation_mode="text", thinker_max_new_tokens=5, do_sample=False, pad_token_id=0
        )
    assert outputs["sequences"].tolist() == ids.tolist()
    (text,) = any_to_any.postprocess(request, inputs, outputs).items
    assert text == model.tokenizer.decode(ids[0, inputs.tensors["input_ids"].shape[1] :], skip_special_tokens=True)
    source = codegen.task(model.checkpoint, "any-to-any", request.given, request.options, "auto", "cpu", model.head)
    assert 'generation_mode="text"' in source and "thinker_max_new_tokens=5" in source
