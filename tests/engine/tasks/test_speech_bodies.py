"""Models of speech without their heads, and with those that speak, are run and looked into as the library does it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_speech, tiny_tasks
from tests.census import building, kinds
from tests.engine.tasks.test_bodies import compared
from workbench.engine import codegen, generate, inside, tasks
from workbench.engine.codegen.inside import Asked, lens, norms
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import hearing
from workbench.engine.inside.given import drawn, tensors
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Silent
from workbench.engine.values import Sampling, TaskInput

TEXT = "Hello there"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return tiny_tasks.sound(tmp_path)


def made(folder: Path, kind: str, head: str = "AutoModel") -> LoadedModel:
    """A checkpoint of the census."""
    entry = next(each for each in kinds.entries() if (each.kind, each.head) == (kind, head))
    return load(building.build(entry, folder)[0], device="cpu", head=head)


def looked(model: LoadedModel, asked: TaskInput) -> inside.Inside:
    """What is seen inside, after it was seen to be what the library returns and what the script gives."""
    given = inside.take(model, asked)
    found = inside.look(model, given)
    with torch.inference_mode(), drawn(model, Silent()):
        out = model.model(**tensors(model, given), output_hidden_states=True)
    for part in found.parts:
        for pick, state in zip(part.picks, part.states, strict=True):
            name, _, place = pick.rstrip("]").rpartition("[")
            np.testing.assert_allclose(out[name][int(place)].flatten(0, 1).numpy(), state, atol=1e-5)
        names: dict = {"__name__": "__main__"}
        exec(norms(Asked(model, given, inside.arguments(model, given)), part), names)
        np.testing.assert_allclose(names["norms"].detach(), part.norms, atol=1e-4)
    return found


def test_csm_is_shown_a_sound_with_what_was_said_in_it(tmp_path: Path, sound: Path, capsys) -> None:
    import transformers as t

    model = load(tiny_speech.build(tmp_path / "m", "csm"), device="cpu", head="AutoModel")
    found = compared(model, TaskInput(TEXT, audio=sound))
    samples = hearing.sounds.resampled(hearing.sounds.read(sound, task=Silent()), 24_000)
    own = t.AutoTokenizer.from_pretrained(model.checkpoint.path)
    extractor = t.AutoFeatureExtractor.from_pretrained(model.checkpoint.path)
    reader = t.CsmProcessor(extractor, own, chat_template=own.chat_template)
    turn = {"role": "0", "content": [{"type": "text", "text": TEXT}, {"type": "audio", "audio": samples}]}
    inputs = reader.apply_chat_template([turn], tokenize=True, return_dict=True, return_tensors="pt")
    assert (inputs["input_ids"] == model.model.config.audio_token_id).sum() > 1
    with torch.inference_mode():
        torch.testing.assert_close(found["logits"], model.model(**inputs).logits)
    seen = looked(model, TaskInput(TEXT, audio=sound))
    assert {"input_values", "input_values_cutoffs"} <= set(seen.given.made)
    # Its head answers with codes of the sound, which no token names.
    assert seen.lens is not None and seen.lens.spell([7, 16]) == ["7", "16"]
    capsys.readouterr()
    whole = Asked(model, seen.given, inside.arguments(model, seen.given))
    exec(lens(whole, seen.parts[0], 3), {"__name__": "__main__"})
    assert f"'{seen.lens.top_ids[-1, 3, 0]}'" in capsys.readouterr().out.splitlines()[-1]


def test_speecht5_without_its_ends_reads_vectors_and_the_one_that_speaks_begins_with_silence(tmp_path, capsys) -> None:
    body = made(tmp_path / "body", "speecht5")
    given = tasks.example("raw-outputs", body)
    assert given.beside is not None
    with np.load(given.beside) as file, torch.inference_mode():
        expected = body.model(**{name: torch.from_numpy(each) for name, each in file.items()})
    torch.testing.assert_close(compared(body, given)["last_hidden_state"], expected.last_hidden_state)
    assert [part.name for part in looked(body, given).parts] == ["encoder", "decoder"]
    speaks = made(tmp_path / "speaks", "speecht5", "AutoModelForTextToSpectrogram")
    assert [part.name for part in looked(speaks, TaskInput(TEXT)).parts] == ["encoder", "decoder"]


@pytest.mark.parametrize("kind", ["seamless", "seamless-v2"])
def test_the_decoder_of_a_model_that_speaks_begins_as_one_that_writes(kind: str, tmp_path: Path, capsys) -> None:
    model = load(tiny_speech.build(tmp_path / "m", kind), device="cpu")
    assert model.head == "AutoModelForTextToWaveform"
    found = looked(model, TaskInput("hello there"))
    start = model.model.config.decoder_start_token_id
    assert found.given.decoder_input_ids == (start,) == found.part("decoder").ids


def test_a_transducer_begins_with_its_blank_and_is_told_no_text(tmp_path: Path, sound: Path, capsys) -> None:
    model = made(tmp_path / "m", "parakeet_rnnt")
    assert inside.reads(model) == ("audio",)
    found = looked(model, TaskInput(audio=sound))
    assert found.given.decoder_start == (model.model.config.blank_token_id,)


def test_voxtral_realtime_is_given_a_token_for_each_moment_of_a_sound(tmp_path: Path, sound: Path, capsys) -> None:
    model = made(tmp_path / "m", "voxtral_realtime", "AutoModelForPreTraining")
    found = compared(model, TaskInput(audio=sound))
    extractor = tasks.processors.feature_extractor(model)
    samples = hearing.sounds.resampled(hearing.sounds.read(sound, task=Silent()), extractor.sampling_rate)
    features = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_features"]
    moments = features.shape[-1] // model.model.config.audio_length_per_tok
    pad = model.model.config.get_text_config().pad_token_id
    with torch.inference_mode():
        expected = model.model(
            input_ids=torch.full((1, moments), pad), input_features=features[..., : moments * 8], num_delay_tokens=None
        )
    torch.testing.assert_close(found["logits"], expected.logits)
    looked(model, TaskInput(audio=sound))
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(800, "float32"), 16_000)
    with pytest.raises(InputError, match="too short"):
        tasks.run(model, "raw-outputs", TaskInput(audio=short))


@pytest.mark.parametrize("kind", ["seamless-writes", "nemo_speechlm"])
def test_those_whose_generate_hands_all_on_are_watched_step_by_step(kind: str, tmp_path: Path, sound: Path) -> None:
    """SeamlessM4T's looks up a language and Nemotron Transcribe's the times of words where they are asked to."""
    hears = kind == "nemo_speechlm"
    if hears:
        model = made(tmp_path / "m", kind, "AutoModelForSeq2SeqLM")
    else:
        model = load(tiny_speech.build(tmp_path / "m", kind), device="cpu")
    greedy = Sampling(do_sample=False, max_new_tokens=4)
    sounds = [sound] if hears else []
    text = f"{hearing.mark_of(hearing.processor_of(model))} said?" if hears else "hello there"
    run = generate.run(model, text, (), greedy, sounds=sounds)
    if hears:
        samples, _ = soundfile.read(sound, dtype="float32")
        inputs = hearing.processor_of(model)(text=[text], audio=[samples], return_tensors="pt")
    else:
        inputs = model.tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        expected = model.model.generate(**inputs, max_new_tokens=4, do_sample=False)[0].tolist()
    assert expected[-len(run.ids) :] == list(run.ids)
    known = (model.dtype, model.device)
    source = codegen.generate(
        model.checkpoint, run.start.encoding.text, None, greedy, *known, head=model.head, sounds=sounds, steps=run.steps
    )
    names: dict = {"__name__": "__main__"}
    exec(source, names)
    assert list(names["new_ids"]) == list(run.ids)


def test_a_decoder_that_nothing_says_how_to_begin_is_told_of_in_words(tmp_path: Path, sound: Path) -> None:
    model = made(tmp_path / "m", "speech-encoder-decoder", "AutoModelForSpeechSeq2Seq")
    for config in (model.model.generation_config, model.model.config):
        config.decoder_start_token_id = config.bos_token_id = None
    with pytest.raises(NotSupported, match="can't begin a text") as caught:
        tasks.run(model, "automatic-speech-recognition", TaskInput(audio=sound))
    assert "decoder_start_token_id" in caught.value.remedy


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="Phi-4's pictures need torchvision")
def test_phi4_is_looked_into_with_a_picture_after_it_has_run(tmp_path: Path, sound: Path, capsys) -> None:
    """It asks what sees for one of its layers in each pass; asked for all, the library would list those twice."""
    from tests import tiny_seq2seq

    model = made(tmp_path / "m", "phi4_multimodal", "AutoModelForCausalLM")
    asked = TaskInput("a house", image=tiny_seq2seq.picture(tmp_path, size=(97, 61)), audio=sound)
    before = tasks.run(model, "any-to-any", asked).items
    found = looked(model, asked)
    assert [part.name for part in found.parts] == ["model"]
    assert inside.attend(model, found.given).kinds
    assert tasks.run(model, "any-to-any", asked).items == before


@pytest.mark.skipif(importlib.util.find_spec("mistral_common") is not None, reason="mistral-common is installed")
def test_voxtral_says_that_its_tokenizer_is_missing(tmp_path: Path, sound: Path) -> None:
    model = made(tmp_path / "m", "voxtral")
    with pytest.raises(NotSupported, match="voxtral") as caught:
        tasks.run(model, "raw-outputs", TaskInput(TEXT, audio=sound))
    assert "mistral-common" in caught.value.why and "mistral-common" in caught.value.remedy
    assert tasks.run(model, "raw-outputs", TaskInput(TEXT)).stages


def test_a_codec_without_maps_names_the_part_that_has_some(tmp_path: Path, sound: Path) -> None:
    model = made(tmp_path / "m", "xcodec")
    asked = TaskInput(audio=sound)
    with pytest.raises(NotSupported, match="no attention") as caught:
        inside.attend(model, inside.take(model, asked))
    assert caught.value.remedy.startswith("Choose semantic_model as the submodel.")
    assert inside.attend(model, inside.take(model, asked, submodel="semantic_model")).kinds


@pytest.mark.skipif(
    any(importlib.util.find_spec(package) is None for package in ("torchvision", "timm")),
    reason="Perception Encoder's films need torchvision and timm",
)
@pytest.mark.parametrize(
    ("kind", "gives"),
    [
        ("pe_audio_video_encoder", {"last_hidden_state", "audio_model_output.last_hidden_state"}),
        ("pe_audio_video", {"audio_embeds", "video_embeds", "audio_video_embeds"}),
    ],
)
def test_a_model_that_hears_a_film_as_it_sees_it_is_given_both(
    tmp_path: Path, sound: Path, kind: str, gives: set[str], capsys
) -> None:
    model = made(tmp_path / "m", kind)
    assert inside.reads(model) == ("audio", "video")
    given = TaskInput(audio=sound, video=tasks.example("raw-outputs", model).video)
    assert gives <= set(compared(model, given))
    if kind == "pe_audio_video":
        # The library returns no states of the whole, so its layers are watched.
        assert inside.look(model, inside.take(model, given)).parts
    else:
        looked(model, given)
