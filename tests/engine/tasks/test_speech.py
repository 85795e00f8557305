"""Speech that takes more than a text is what the library's pipeline makes of it, or what the documentation does."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests import tiny_speech, tiny_tasks
from workbench.engine import codegen, facts, inside, tasks
from workbench.engine.codegen.inside import Asked, norms
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.processors import tokenizer_of
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tasks import processors, translation, vocoders
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

SPEAKS = ("bark", "csm", "dia", "seamless", "seamless-v2")
PHONEMES = ("fastspeech2", "fastspeech2-hifigan")
HEARS = ("seamless-hears", "seamless-v2-hears")
ASR = "automatic-speech-recognition"
TOKENS = 30


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("speech")
    return {kind: load(tiny_speech.build(folder / kind, kind), device="cpu") for kind in (*SPEAKS, *PHONEMES, *HEARS)}


def given(kind: str) -> TaskInput:
    return TaskInput("HH AH0 L OW1 W ER1 L D ." if kind in PHONEMES else "hello there")


def pipeline(model: LoadedModel, **parts):
    from transformers import pipeline as make

    return make("text-to-audio", model=model.model, tokenizer=model.tokenizer, device="cpu", **parts)


def expected(kind: str, model: LoadedModel, text: str) -> dict:
    """What the pipeline says, told the same of length and language."""
    from transformers import BarkProcessor, DiaFeatureExtractor, DiaProcessor

    parts, told = {}, {"generate_kwargs": {"max_new_tokens": TOKENS}}
    if kind == "bark":
        parts, told = {"processor": BarkProcessor(model.tokenizer)}, {"semantic_max_new_tokens": TOKENS}
    elif kind == "dia":
        hears = DiaFeatureExtractor.from_pretrained(model.checkpoint.path)
        parts = {"processor": DiaProcessor(hears, model.tokenizer, vocoders.vocoder(model))}
    elif kind.startswith("seamless"):
        told = {"tgt_lang": "fra", "text_max_new_tokens": TOKENS}
    forward = told if "generate_kwargs" not in told else {}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return pipeline(model, **parts)(text, forward_params=forward, **({} if forward else told))


@pytest.mark.filterwarnings("ignore:`max_length` is ignored")
@pytest.mark.parametrize("kind", SPEAKS)
def test_speech_is_the_pipeline(speech, kind) -> None:
    model = speech[kind]
    (sound,) = tasks.run(model, "text-to-audio", given(kind), TaskOptions(seed=3, max_new_tokens=TOKENS)).items
    made = expected(kind, model, "hello there")
    np.testing.assert_array_equal(sound.samples, made["audio"])
    assert sound.rate == made["sampling_rate"]
    assert len(sound.samples) > 50 and np.abs(sound.samples).max() > 0


@pytest.mark.parametrize("kind", PHONEMES)
def test_phonemes_are_spoken_as_the_documentation_does(speech, kind) -> None:
    model = speech[kind]
    result = tasks.run(model, "text-to-audio", given(kind))
    ids = [tiny_speech.PHONEMES.index(each) for each in [*given(kind).text.split(), "<sos/eos>"]]
    assert result.stages[0].tensors[0].values.tolist() == [ids]
    with torch.inference_mode():
        output = model.model(torch.tensor([ids]), return_dict=True)
        waveform = output["waveform"] if "hifigan" in kind else vocoders.vocoder(model)(output["spectrogram"])
    (sound,) = result.items
    np.testing.assert_allclose(sound.samples, waveform[0].numpy(), atol=1e-7)
    assert sound.rate == 22_050
    assert [view.name for view in result.stages[1].tensors] == ["spectrogram", "durations", "waveform"]


@pytest.mark.parametrize("kind", ["bark", *PHONEMES])
def test_what_speaks_speaks_without_a_head_too_where_the_class_is_the_same(speech, tmp_path, kind, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, asked = speech[kind], TaskOptions(seed=3, max_new_tokens=TOKENS)
    bare = load(model.checkpoint, head="AutoModel", device="cpu")
    assert type(bare.model) is type(model.model) and tasks.first(bare) == "text-to-audio"
    assert tasks.supports(bare, "raw-outputs") == (kind != "bark") and not tasks.supports(bare, "feature-extraction")
    sounds = [tasks.run(each, "text-to-audio", given(kind), asked).items[0].samples for each in (model, bare)]
    np.testing.assert_array_equal(*sounds)
    names: dict = {"__name__": "__main__"}
    made = codegen.task(bare.checkpoint, "text-to-audio", given(kind), asked, bare.dtype, bare.device, bare.head)
    exec(made, names)
    np.testing.assert_allclose(names["samples"], sounds[1], atol=1e-5)
    if kind == "bark":
        return
    assert tasks.example("raw-outputs", bare).text == inside.example(bare).text == given(kind).text
    result = tasks.run(bare, "raw-outputs", given(kind))
    found = {view.name: view.values for view in result.stages[1].tensors}
    ids = torch.from_numpy(result.stages[0].tensors[0].values)
    with torch.inference_mode():
        expected = bare.model(ids)
    np.testing.assert_allclose(found["spectrogram"], expected.spectrogram, rtol=1e-5)
    taken = inside.take(bare, inside.example(bare))
    part = inside.look(bare, taken).parts[0]
    exec(norms(Asked(bare, taken, inside.arguments(bare, taken)), part), names)
    np.testing.assert_allclose(names["norms"], part.norms, rtol=1e-4)


def test_what_is_no_phoneme_is_named_with_what_would_spell_it(speech) -> None:
    with pytest.raises(InputError, match="“HELLO”") as caught:
        tasks.run(speech["fastspeech2"], "text-to-audio", "hello there")
    assert "g2p-en" in caught.value.why and "HH AH0" in caught.value.remedy
    (label,) = dict(tasks.spec("text-to-audio", speech["fastspeech2"]).inputs).values()
    assert label.startswith("Phonemes")


def test_a_text_is_spelled_where_the_package_for_it_is_installed(speech, tmp_path, monkeypatch) -> None:
    from transformers.utils import import_utils

    package = tmp_path / "g2p_en.py"
    package.write_text("class G2p:\n    def __call__(self, text):\n        return {'HELLO': ['HH', 'AH0']}[text]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(import_utils.BACKENDS_MAPPING, "g2p_en", (lambda: True, ""))
    model = load(speech["fastspeech2"].checkpoint, device="cpu")
    assert dict(tasks.spec("text-to-audio", model).inputs) == {"text": "Text"}
    spelled = tasks.run(model, "text-to-audio", "hello").items[0].samples
    np.testing.assert_array_equal(spelled, tasks.run(speech["fastspeech2"], "text-to-audio", "HH AH0").items[0].samples)


@pytest.mark.parametrize("kind", HEARS)
def test_what_is_heard_is_written_in_a_language_as_the_pipeline_does(speech, tmp_path, kind) -> None:
    from transformers import pipeline as make

    model, path = speech[kind], tiny_tasks.sound(tmp_path)
    hears = processors.feature_extractor(model)
    made = make(ASR, model=model.model, tokenizer=model.tokenizer, feature_extractor=hears, device="cpu")
    said = {}
    for language in tiny_speech.LANGUAGES:
        options = TaskOptions(target_language=language, max_new_tokens=12)
        said[language] = tasks.run(model, ASR, TaskInput(audio=path), options).items[0]
        heard = {"raw": soundfile.read(path, dtype="float32")[0], "sampling_rate": tiny_tasks.RATE}
        told = {"tgt_lang": language, "max_new_tokens": 12, "num_beams": 1}
        assert said[language] == made(heard, generate_kwargs=told)["text"] != ""
    own = tasks.run(model, ASR, TaskInput(audio=path), TaskOptions(max_new_tokens=12)).items[0]
    assert own == said["eng"]


def documented(kind: str, model: LoadedModel, text: str, path: Path | None) -> np.ndarray:
    """What the processor and ``generate()`` of a model of conversations make of a text, with a voice to speak like."""
    import transformers as t

    folder = model.checkpoint.path
    parts = [t.AutoFeatureExtractor.from_pretrained(folder), t.AutoTokenizer.from_pretrained(folder)]
    if kind == "vibevoice":
        processor = t.VibeVoiceProcessor(*parts, chat_template=parts[1].chat_template)
    elif kind == "higgs_audio_v2":
        codec = t.HiggsAudioV2TokenizerModel.from_pretrained(folder / "vocoder")
        processor = t.HiggsAudioV2Processor(*parts, codec, chat_template=parts[1].chat_template)
    else:
        codec = t.PocketTTSAudioTokenizerModel.from_pretrained(folder / "vocoder")
        processor = t.PocketTTSProcessor(*parts, audio_tokenizer=codec, chat_template=parts[1].chat_template)
    content = [{"type": "text", "text": text}]
    if path is not None:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == parts[0].sampling_rate
        content.append({"type": "audio", "audio": samples})
    turn = {"role": "0" if kind == "vibevoice" else "user", "content": content}
    asks = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processor.apply_chat_template([turn], **asks)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(3)
        made = model.model.generate(**inputs, max_new_tokens=TOKENS, return_dict_in_generate=True)
        if kind == "vibevoice":
            waveform = made.audio[0]
        else:
            waveform = processor.decode(made.audio_sequences if kind == "higgs_audio_v2" else made.audio_latents[0])
    return waveform.numpy().squeeze()


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize(("kind", "package"), [
    ("pocket_tts", ""), ("gradium_phonon_tts", ""), ("higgs_audio_v2", "torchaudio"), ("vibevoice", "diffusers"),
])  # fmt: skip
def test_a_conversation_is_spoken_as_the_documentation_does(tmp_path, monkeypatch, kind, package, heard) -> None:
    if package:
        pytest.importorskip(package, reason=f"The library speaks with {kind} only where {package} is installed.")
    monkeypatch.chdir(tmp_path)
    model = load(tiny_speech.build(tmp_path / kind, kind), device="cpu")
    path = tiny_tasks.sound(tmp_path, 0.1, 24_000) if heard else None
    given, options = TaskInput("hello there", audio=path), TaskOptions(seed=3, max_new_tokens=TOKENS)
    assert tasks.infer(model.facts) == "text-to-audio" and tasks.architecture(model.facts)[0] == "decoder"
    assert tasks.spec("text-to-audio", model).takes == ("text", "audio")
    model = load(model.checkpoint, head="AutoModelForTextToWaveform", device="cpu")
    (sound,) = tasks.run(model, "text-to-audio", given, options).items
    np.testing.assert_allclose(sound.samples, documented(kind, model, given.text, path), atol=1e-7)
    assert sound.rate == 24_000 and len(sound.samples) > 20
    names: dict = {"__name__": "__main__"}
    with torch.random.fork_rng():
        source = codegen.task(model.checkpoint, "text-to-audio", given, options, model.dtype, model.device, model.head)
        exec(source, names)
    np.testing.assert_allclose(names["samples"].numpy(), sound.samples, atol=1e-6)
    assert names["rate"] == sound.rate


@pytest.mark.parametrize(("kind", "package"), [("higgs_audio_v2", "torchaudio"), ("vibevoice", "diffusers")])
def test_a_package_that_speech_needs_is_named(tmp_path, kind, package) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here.")
    model = load(tiny_speech.build(tmp_path / kind, kind), device="cpu")
    with pytest.raises(NotSupported, match=package) as caught:
        tasks.run(model, "text-to-audio", "hello")
    assert caught.value.remedy.startswith("Install")


@pytest.mark.parametrize("kind", ["seamless-writes", "seamless-v2-writes"])
def test_a_text_is_translated_into_a_language_that_is_told_by_name(tmp_path, kind, capsys) -> None:
    model = load(tiny_speech.build(tmp_path / kind, kind), device="cpu")
    assert tasks.infer(model.facts) == "translation"
    for source, target in (("", ""), ("", "eng"), ("fra", "eng")):
        options = TaskOptions(source_language=source, target_language=target, max_new_tokens=8)
        result = tasks.run(model, "translation", "hello", options)
        tokenizer = tiny_speech.tokenizer_of(model, source)
        with torch.random.fork_rng(), torch.inference_mode():
            inputs = tokenizer("hello", return_tensors="pt")
            ids = model.model.generate(**inputs, tgt_lang=target or "fra", max_new_tokens=8)
        assert result.stages[1].tensors[0].values.tolist() == ids.tolist()
        assert result.items == (tokenizer.decode(ids[0], skip_special_tokens=True),)
        names: dict = {"__name__": "__main__"}
        exec(codegen.task(model.checkpoint, "translation", TaskInput("hello"), options, "auto", "cpu"), names)
        assert names["sequences"].tolist() == ids.tolist()
    assert capsys.readouterr().out


def test_the_languages_of_a_tokenizer_that_names_them_among_its_special_tokens_are_known() -> None:
    import transformers

    vocab = {token: index for index, token in enumerate(("<s>", "<pad>", "</s>", "<unk>", "▁a"))}
    known = translation.languages(transformers.NllbTokenizer(vocab=vocab, merges=[]))
    assert len(known) > 200 and known["deu_Latn"] != known["fra_Latn"]


def test_the_language_decides_what_is_spoken(speech) -> None:
    model = speech["seamless"]
    options = TaskOptions(max_new_tokens=12)
    before = model.tokenizer.src_lang

    def spoken(**languages: str) -> tuple[bytes, int]:
        result = tasks.run(model, "text-to-audio", "hello", dataclasses.replace(options, **languages))
        return result.items[0].samples.tobytes(), int(result.stages[0].tensors[0].values[0, 0])

    assert spoken(target_language="eng")[0] != spoken(target_language="__fra__")[0] == spoken()[0]
    assert spoken(source_language="fra")[1] != spoken()[1]
    assert model.tokenizer.src_lang == before
    for languages in ({"target_language": "xyz"}, {"source_language": "xyz"}):
        with pytest.raises(InputError, match="xyz") as caught:
            spoken(**languages)
        assert "eng, fra" in caught.value.remedy


def test_a_preset_changes_the_voice_of_bark(speech, tmp_path) -> None:
    model, options = speech["bark"], TaskOptions(max_new_tokens=TOKENS)
    ids = np.random.default_rng(0)
    preset = {
        "semantic_prompt": ids.integers(0, 50, 20), "coarse_prompt": ids.integers(0, 16, (2, 30)),
        "fine_prompt": ids.integers(0, 16, (8, 30)),
    }  # fmt: skip
    path = tmp_path / "speaker.npz"
    np.savez(path, **preset)
    told = tasks.run(model, "text-to-audio", TaskInput("hello there", beside=path), options)
    plain = tasks.run(model, "text-to-audio", TaskInput("hello there"), options)
    assert told.items[0].samples.tobytes() != plain.items[0].samples.tobytes()
    from transformers import BarkProcessor

    inputs = BarkProcessor(model.tokenizer)("hello there", voice_preset=preset, max_length=32)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        made = model.model.generate(**inputs, semantic_max_new_tokens=TOKENS)
    np.testing.assert_array_equal(told.items[0].samples, made[0].numpy())


@pytest.mark.parametrize(("name", "content", "says"), [
    ("none.npz", b"no numbers", "can't be read"), ("one.npy", np.zeros(3, np.int64), "can't be read"),
    ("other.npz", {"a": np.zeros(3, np.int64)}, "it holds a"),
    ("flat.npz", dict.fromkeys(("semantic_prompt", "coarse_prompt", "fine_prompt"), np.zeros(3, np.int64)), "holds"),
])  # fmt: skip
def test_a_preset_that_is_none_is_refused(speech, tmp_path, name, content, says) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content)
    with pytest.raises(InputError) as caught:
        tasks.run(speech["bark"], "text-to-audio", TaskInput("hello", beside=path))
    assert says in caught.value.why


def test_dia_is_not_asked_for_less_than_its_codes_take(speech) -> None:
    with pytest.raises(InputError, match="too few") as caught:
        tasks.run(speech["dia"], "text-to-audio", "hello", TaskOptions(max_new_tokens=10))
    assert "17" in caught.value.remedy


def test_without_its_codec_dia_says_which_one_to_download(speech, tmp_path) -> None:
    folder = tmp_path / "dia"
    folder.mkdir()
    for file in speech["dia"].checkpoint.path.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    alone = load(Checkpoint("alone", folder), device="cpu")
    with pytest.raises(NotSupported, match="descript/dac_44khz"):
        tasks.run(alone, "text-to-audio", "hello")


@pytest.mark.parametrize("kind", SPEAKS)
def test_speaking_stops_at_the_next_pass(speech, kind) -> None:
    class Stops(Silent):
        passes = 0

        def report(self, progress) -> None:
            self.passes += progress.unit == "passes"

        def check(self) -> None:
            if self.passes >= 2:
                raise Cancelled

    def hooks() -> int:
        return sum(len(part._forward_hooks) for part in speech[kind].model.modules())

    tasks.run(speech[kind], "text-to-audio", given(kind), TaskOptions(max_new_tokens=17))
    before, stops = hooks(), Stops()
    with pytest.raises(Cancelled):
        tasks.run(speech[kind], "text-to-audio", given(kind), TaskOptions(max_new_tokens=TOKENS), task=stops)
    assert stops.passes == 2
    assert hooks() == before


def test_what_speaks_and_what_hears_are_told_apart(speech) -> None:
    for kind, model in speech.items():
        name, other = ("text-to-audio", ASR) if kind not in HEARS else (ASR, "text-to-audio")
        assert tasks.infer(model.facts) == name
        assert tasks.supports(model, name) and not tasks.supports(model, other)
        assert tasks.head_for(name, model.facts) == model.head
        assert model.missing == ()
    kinds = {kind: tasks.architecture(model.facts)[0] for kind, model in speech.items()}
    assert (kinds["bark"], kinds["csm"], kinds["dia"]) == ("decoder", "decoder", "encoder-decoder")
    assert "target_language" in tasks.applies(ASR, speech["seamless-hears"])
    assert tasks.applies("text-to-audio", speech["csm"]) == ("max_new_tokens", "seed")


@pytest.mark.parametrize("kind", [*SPEAKS, *PHONEMES])
def test_every_model_that_speaks_has_an_example_and_a_script_that_says_it(speech, tmp_path, monkeypatch, kind) -> None:
    monkeypatch.chdir(tmp_path)
    model, options = speech[kind], TaskOptions(seed=5, max_new_tokens=TOKENS)
    example = tasks.example("text-to-audio", model)
    (sound,) = tasks.run(model, "text-to-audio", example, options).items
    cut = dataclasses.replace(options, max_length=tasks.cut_at(model, options) if model.tokenizer else None)
    names: dict = {"__name__": "__main__"}
    source = codegen.task(model.checkpoint, "text-to-audio", example, cut, model.dtype, model.device, model.head)
    with torch.random.fork_rng():
        exec(source, names)
    np.testing.assert_allclose(names["samples"].numpy(), sound.samples, atol=1e-6)
    assert names["rate"] == sound.rate
    assert soundfile.info(tmp_path / "speech.wav").samplerate == sound.rate


def test_a_tokenizer_of_bytes_needs_no_file_of_words(tmp_path) -> None:
    import transformers

    checkpoint = tiny_speech.build(tmp_path / "dia", "dia")
    for kind in ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer", "DiaTokenizer"):
        getattr(transformers, kind)().save_pretrained(checkpoint.path)
        assert facts.describe(checkpoint).has_tokenizer, kind
        assert type(tokenizer_of(checkpoint)[0]).__name__ == kind
    Path(checkpoint.path / "tokenizer_config.json").unlink()
    assert not facts.describe(checkpoint).has_tokenizer
