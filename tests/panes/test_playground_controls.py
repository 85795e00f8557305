"""Every knob is a control, says what it means, and says why when it can't act."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests import tiny_seq2seq
from workbench.engine import generate, models
from workbench.engine.generate import compiled
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import NEUTRAL
from workbench.engine.values import Checkpoint, Sampling, Strategy, Watermark
from workbench.panes.playground.controls import Controls
from workbench.runtime.presets import Presets
from workbench.widgets import theme
from workbench.widgets.foldable import Foldable
from workbench.widgets.pane_frame import PaneFrame

FULL = Sampling(
    do_sample=True,
    temperature=1.2,
    top_k=40,
    top_p=0.8,
    min_p=0.05,
    repetition_penalty=1.1,
    max_new_tokens=64,
    seed=7,
    top_h=0.4,
    typical_p=0.9,
    epsilon_cutoff=0.0005,
    eta_cutoff=0.0006,
    no_repeat_ngram_size=3,
    min_new_tokens=4,
    bad_words_ids=((283, 369), (72, 369)),
    sequence_bias=(((261,), 3.0), ((5, 6), -2.5)),
    suppress_tokens=(9, 12),
    begin_suppress_tokens=(10,),
    forced_bos_token_id=1,
    forced_eos_token_id=2,
    exponential_decay_length_penalty=(20, 1.05),
    encoder_repetition_penalty=1.2,
    encoder_no_repeat_ngram_size=4,
    remove_invalid_values=True,
    watermarking_config=Watermark("synthid", 0.5, 1.5, 7, "selfhash", 3, 4, (5, 6)),
    renormalize_logits=True,
)
WHOLE = Strategy(
    num_beams=3,
    length_penalty=1.5,
    early_stopping="never",
    num_return_sequences=2,
    prompt_lookup_num_tokens=5,
    assisted=True,
    assistant_early_exit=3,
    num_assistant_tokens=7,
    use_mtp=True,
    token_healing=True,
    guidance_scale=1.5,
    negative_prompt="two\nlines",
    stop_strings=("\n\n", "a\\b", "###"),
    eos_token_ids=(2, 5),
    tokens_per_second=4.0,
    threads=2,
    compiled=True,
)


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_t5(tmp_path_factory.mktemp("t5") / "tiny-t5"))


@pytest.fixture
def presets(qapp: QApplication, tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets.json")


class Seen:
    """What the controls announced."""

    def __init__(self, controls: Controls) -> None:
        self.samplings: list[Sampling] = []
        self.strategies: list[Strategy] = []
        controls.sampling_edited.connect(self.samplings.append)
        controls.strategy_edited.connect(self.strategies.append)


@pytest.fixture
def controls(qtbot: QtBot, presets: Presets, llama: LoadedModel) -> Controls:
    controls = Controls(presets)
    qtbot.addWidget(controls)
    controls.show_model(llama)
    controls.resize(300, 700)
    controls.show()
    return controls


@pytest.fixture
def seen(controls: Controls) -> Seen:
    return Seen(controls)


def find(controls: QWidget, name: str, kind: Any = QWidget) -> Any:
    found = controls.findChild(kind, f"playground.{name}")
    assert found is not None, name
    return found


def write(controls: Controls, name: str, text: str) -> None:
    find(controls, name, QPlainTextEdit).setPlainText(text)


def said(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if not label.isHidden())


def heading(controls: Controls, key: str) -> str:
    return str(find(controls, f"fold_{key}", QAbstractButton).text())


def pick(controls: Controls, key: str, name: str = "") -> None:
    """Choose from the presets menu as a person does."""
    button = find(controls, "presets", QPushButton)
    button.menu().aboutToShow.emit()
    actions = [each for each in controls.findChildren(QAction) if each.objectName() == f"playground.preset_{key}"]
    next(each for each in actions if not name or each.data() == name).trigger()


def test_every_field_has_a_control_under_its_name(controls: Controls) -> None:
    for kind in (Sampling, Strategy):
        for field in fields(kind):
            widget = find(controls, field.name)
            assert widget.accessibleName() and widget.toolTip(), field.name


def test_what_is_shown_is_what_is_handed_back_and_nothing_is_announced(controls: Controls, seen: Seen) -> None:
    controls.show_sampling(FULL)
    controls.show_strategy(WHOLE)
    assert seen.samplings == seen.strategies == []
    find(controls, "seed", QAbstractSpinBox).setValue(8)
    assert seen.samplings == [replace(FULL, seed=8)]
    find(controls, "tokens_per_second", QAbstractSpinBox).setValue(9)
    assert seen.strategies == [replace(WHOLE, tokens_per_second=9.0)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_h", 0.5),
        ("typical_p", 0.2),
        ("epsilon_cutoff", 0.0003),
        ("eta_cutoff", 0.0004),
        ("no_repeat_ngram_size", 3),
        ("min_new_tokens", 5),
    ],
)
def test_a_number_is_announced_with_the_fields_type(controls: Controls, seen: Seen, name: str, value: float) -> None:
    find(controls, name, QAbstractSpinBox).setValue(value)
    assert seen.samplings == [replace(Sampling(), **{name: value})]
    assert type(getattr(seen.samplings[0], name)) is type(getattr(Sampling(), name))


def test_off_is_shown_where_a_value_disables_a_knob(controls: Controls) -> None:
    controls.show_sampling(NEUTRAL)
    for name in (
        "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "top_h", "typical_p", "epsilon_cutoff",
        "eta_cutoff", "no_repeat_ngram_size", "min_new_tokens", "exponential_decay_length_penalty",
        "encoder_repetition_penalty", "encoder_no_repeat_ngram_size", "num_beams", "prompt_lookup_num_tokens",
        "guidance_scale", "tokens_per_second", "threads",
    ):  # fmt: skip
        assert find(controls, name, QAbstractSpinBox).text() == "off", name


def test_a_length_penalty_is_start_and_factor(controls: Controls, seen: Seen) -> None:
    find(controls, "exponential_decay_length_penalty_start", QAbstractSpinBox).setValue(30)
    assert seen.samplings == []
    find(controls, "exponential_decay_length_penalty", QAbstractSpinBox).setValue(1.1)
    find(controls, "exponential_decay_length_penalty", QAbstractSpinBox).setValue(1.0)
    assert [each.exponential_decay_length_penalty for each in seen.samplings] == [(30, 1.1), None]


def test_a_value_no_control_can_show_stays_until_it_is_moved(controls: Controls, seen: Seen) -> None:
    far = Sampling(top_k=40_000, epsilon_cutoff=0.5, exponential_decay_length_penalty=(9_000, 5.0))
    controls.show_sampling(far)
    find(controls, "min_p", QAbstractSpinBox).setValue(0.1)
    assert seen.samplings == [replace(far, min_p=0.1)]


# Words.


def test_a_banned_word_counts_after_a_space_and_without_one_and_its_ids_are_shown(
    controls: Controls, seen: Seen, llama: LoadedModel
) -> None:
    write(controls, "bad_words_ids", "fox")
    tokenizer = llama.tokenizer
    both = tuple(tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (" fox", "fox"))
    assert seen.samplings[-1].bad_words_ids == both
    shown = said(controls)
    for ids in both:
        assert " ".join(map(str, ids)) in shown


def test_quotes_mean_exactly_this_and_brackets_mean_ids(controls: Controls, seen: Seen, llama: LoadedModel) -> None:
    write(controls, "bad_words_ids", '" fox"\n[5, 6]\n\n  ')
    exact = tuple(llama.tokenizer(" fox", add_special_tokens=False)["input_ids"])
    assert seen.samplings[-1].bad_words_ids == (exact, (5, 6))
    write(controls, "bad_words_ids", "")
    assert seen.samplings[-1].bad_words_ids == ()


def test_a_banned_word_never_comes(controls: Controls, seen: Seen, llama: LoadedModel) -> None:
    encoding = generate.prepare(llama, "The quick brown")
    greedy = Sampling(do_sample=False, max_new_tokens=6)
    first = generate.stream(llama, encoding, greedy).steps[0]
    write(controls, "bad_words_ids", f"[{first.token_id}]")
    banned = replace(seen.samplings[-1], do_sample=False, max_new_tokens=6)
    assert first.token_id not in [step.token_id for step in generate.stream(llama, encoding, banned).steps]


def test_a_boosted_word_has_its_number_and_five_without_one(controls: Controls, seen: Seen, llama: LoadedModel) -> None:
    write(controls, "sequence_bias", "[5] +3\n[6, 7] −2.5\n[8]\n[5] -1")
    assert seen.samplings[-1].sequence_bias == (((5,), -1.0), ((6, 7), -2.5), ((8,), 5.0))


def test_only_single_tokens_are_suppressed_and_others_are_told(controls: Controls, seen: Seen) -> None:
    write(controls, "suppress_tokens", "wonderful\n<|im_end|>\n[9, 12]")
    assert seen.samplings[-1].suppress_tokens == (2, 9, 12)
    assert "only a single one" in said(controls)
    write(controls, "suppress_tokens", "")
    write(controls, "forced_eos_token_id", "<|im_end|>\n[5]")
    assert seen.samplings[-1] == replace(Sampling(), forced_eos_token_id=2)
    assert "Only the first one counts" in said(controls)


def test_an_id_that_is_not_there_is_told_and_not_taken(controls: Controls, seen: Seen) -> None:
    write(controls, "bad_words_ids", "[99999]")
    assert seen.samplings == []
    assert "no id 99999" in said(controls)


def test_what_contradicts_itself_is_told_and_not_announced(controls: Controls, seen: Seen) -> None:
    write(controls, "suppress_tokens", "[2]")
    write(controls, "forced_eos_token_id", "[2]")
    assert [each.forced_eos_token_id for each in seen.samplings] == [None]
    assert "contradict" in said(controls)
    write(controls, "suppress_tokens", "")
    assert seen.samplings[-1] == replace(Sampling(), forced_eos_token_id=2)
    assert "contradict" not in said(controls)


def test_ids_set_elsewhere_are_shown_as_words_that_mean_the_same(controls: Controls, seen: Seen) -> None:
    controls.show_sampling(replace(Sampling(), bad_words_ids=((283, 369), (72, 369), (5, 6)), suppress_tokens=(2, 300)))
    text = find(controls, "bad_words_ids", QPlainTextEdit).toPlainText()
    assert text.split("\n")[0] == "fox"
    write(controls, "bad_words_ids", f"{text}\n[7]")
    assert seen.samplings[-1].bad_words_ids == ((283, 369), (72, 369), (5, 6), (7,))
    assert seen.samplings[-1].suppress_tokens == (2, 300)


def test_words_follow_another_tokenizer(controls: Controls, seen: Seen, t5: LoadedModel, llama: LoadedModel) -> None:
    write(controls, "bad_words_ids", "fox\n[5]")
    controls.show_model(t5)
    words = {
        tuple(t5.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (" fox", "fox")
    } | {(5,)}  # fmt: skip
    assert set(seen.samplings[-1].bad_words_ids) == words


def test_a_lone_surrogate_is_told(controls: Controls, seen: Seen) -> None:
    find(controls, "bad_words_ids", QPlainTextEdit).set_text("\ud83d")
    assert seen.samplings == []
    assert "half of a character" in said(controls)


def test_stop_strings_are_lines_with_breaks_written_out(controls: Controls, seen: Seen) -> None:
    write(controls, "stop_strings", "\\n\\n\n###\n###\n\na\\\\n")
    assert seen.strategies[-1].stop_strings == ("\n\n", "###", "a\\n")


def test_end_tokens_are_the_checkpoints_own_unless_given(controls: Controls, seen: Seen) -> None:
    assert "<|im_end|> 2" in find(controls, "eos_token_ids", QPlainTextEdit).placeholderText()
    write(controls, "eos_token_ids", "<|im_end|>\n[5]")
    assert seen.strategies[-1].eos_token_ids == (2, 5)
    write(controls, "eos_token_ids", "")
    assert seen.strategies[-1].eos_token_ids is None


# What can't act.


def test_under_greedy_the_knobs_of_the_draw_say_why_they_rest(controls: Controls) -> None:
    find(controls, "do_sample", QAbstractButton).setChecked(False)
    for name in ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"):
        widget = find(controls, name, QAbstractSpinBox)
        assert not widget.isEnabled() and "most probable token" in widget.toolTip(), name
    assert find(controls, "repetition_penalty", QAbstractSpinBox).isEnabled()
    assert "most probable token" in said(controls)
    find(controls, "do_sample", QAbstractButton).setChecked(True)
    assert find(controls, "top_p", QAbstractSpinBox).isEnabled()
    assert "most probable token is taken" not in find(controls, "top_p", QAbstractSpinBox).toolTip()


def test_only_an_encoder_decoder_offers_the_encoders_knobs(
    controls: Controls, llama: LoadedModel, t5: LoadedModel
) -> None:
    widget = find(controls, "encoder_no_repeat_ngram_size", QAbstractSpinBox)
    assert not widget.isEnabled() and "no encoder" in widget.toolTip()
    controls.show_model(t5)
    assert widget.isEnabled() and "no encoder" not in widget.toolTip()
    assert not find(controls, "guidance_scale", QAbstractSpinBox).isEnabled()


def test_a_second_checkpoint_makes_assisted_decoding_possible(
    controls: Controls, seen: Seen, llama: LoadedModel, tiny_llama: Checkpoint
) -> None:
    box = find(controls, "assisted", QAbstractButton)
    assert not box.isEnabled() and "second" in box.toolTip()
    controls.show_model(llama, models.load(tiny_llama))
    assert box.isEnabled()
    assert not find(controls, "num_assistant_tokens", QAbstractSpinBox).isEnabled()
    box.click()
    assert seen.strategies[-1].assisted
    assert find(controls, "num_assistant_tokens", QAbstractSpinBox).isEnabled()
    assert not find(controls, "num_beams", QAbstractSpinBox).isEnabled()


def test_what_excludes_another_is_offered_again_when_that_is_off(controls: Controls, seen: Seen) -> None:
    beams, lookup = (find(controls, name, QAbstractSpinBox) for name in ("num_beams", "prompt_lookup_num_tokens"))
    assert not find(controls, "length_penalty", QAbstractSpinBox).isEnabled()
    beams.setValue(4)
    assert not lookup.isEnabled() and "beam" in lookup.toolTip()
    assert find(controls, "length_penalty", QAbstractSpinBox).isEnabled()
    assert beams.isEnabled()
    beams.setValue(1)
    assert lookup.isEnabled()
    lookup.setValue(5)
    assert not beams.isEnabled()


def test_what_the_library_no_longer_has_is_said(controls: Controls) -> None:
    for name in ("DoLa", "forced words", "left the library"):
        assert name in said(controls)


def test_a_compiled_model_is_offered_where_it_writes_the_same_text(
    controls: Controls, seen: Seen, llama: LoadedModel, tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "no_compiler", lambda: "")
    controls.show_model(llama)
    box = find(controls, "compiled", QAbstractButton)
    assert box.isEnabled() and "Stop" in box.toolTip(), "it says what it costs"
    find(controls, "num_beams", QAbstractSpinBox).setValue(4)
    assert not box.isEnabled() and "one sequence" in box.toolTip()
    find(controls, "num_beams", QAbstractSpinBox).setValue(1)
    box.click()
    assert seen.strategies[-1] == Strategy(compiled=True)
    controls.show_model(models.load(tiny_llama, dtype="bfloat16"))
    assert "in float32" in box.toolTip() and "in float32" in said(controls)
    box.click()
    assert not box.isEnabled(), "it could be switched off, and not on again"
    monkeypatch.setattr(compiled, "no_compiler", lambda: "There is no C++ compiler.")
    controls.show_model(llama)
    assert "no C++ compiler" in box.toolTip()


def test_what_contradicts_can_always_be_switched_off(controls: Controls, seen: Seen) -> None:
    """A preset or another model may leave a knob on that can't act: it must not be stuck."""
    controls.show_strategy(Strategy(num_beams=4, prompt_lookup_num_tokens=5))
    controls.show_sampling(replace(Sampling(), encoder_no_repeat_ngram_size=3))
    for name in ("num_beams", "prompt_lookup_num_tokens", "encoder_no_repeat_ngram_size"):
        assert find(controls, name, QAbstractSpinBox).isEnabled(), name
    assert "beam search" in said(controls)


def test_one_sequence_under_greedy_is_all_there_is(controls: Controls) -> None:
    widget = find(controls, "num_return_sequences", QAbstractSpinBox)
    assert widget.isEnabled()
    find(controls, "do_sample", QAbstractButton).setChecked(False)
    assert not widget.isEnabled()
    find(controls, "num_beams", QAbstractSpinBox).setValue(4)
    assert widget.isEnabled()


def test_a_fold_says_how_many_of_its_knobs_act(controls: Controls) -> None:
    assert heading(controls, "words") == "Words"
    write(controls, "bad_words_ids", "fox")
    write(controls, "suppress_tokens", "[5]")
    assert heading(controls, "words") == "Words · 2 on"
    find(controls, "top_h", QAbstractSpinBox).setValue(0.4)
    assert heading(controls, "more") == "More sampling · 1 on"
    find(controls, "do_sample", QAbstractButton).setChecked(False)
    assert heading(controls, "more") == "More sampling"


def test_without_a_model_everything_is_offered_but_words_need_a_tokenizer(qtbot: QtBot, presets: Presets) -> None:
    controls = Controls(presets)
    qtbot.addWidget(controls)
    seen = Seen(controls)
    assert find(controls, "encoder_repetition_penalty", QAbstractSpinBox).isEnabledTo(controls)
    write(controls, "bad_words_ids", "fox\n[5]")
    assert seen.samplings[-1].bad_words_ids == ((5,),)
    assert "load a checkpoint" in said(controls)


def test_a_model_that_writes_no_text_is_as_good_as_none(controls: Controls, seen: Seen, tiny_bert: Checkpoint) -> None:
    write(controls, "bad_words_ids", "fox")
    controls.show_model(models.load(tiny_bert))
    assert len(seen.samplings) == 1
    pick(controls, "defaults")
    with pytest.raises(StopIteration):
        pick(controls, "of_checkpoint")


# Presets.


def test_neutral_and_defaults_leave_the_seed_and_show_their_names(controls: Controls, seen: Seen) -> None:
    button = find(controls, "presets", QPushButton)
    controls.show_sampling(replace(FULL, seed=5))
    controls.show_strategy(WHOLE)
    assert button.text() == "Presets"
    find(controls, "neutral", QAbstractButton).click()
    assert seen.samplings[-1] == replace(NEUTRAL, seed=5, max_new_tokens=64)
    assert seen.strategies[-1] == Strategy()
    assert button.text() == button.accessibleName() == "Preset: Neutral"
    pick(controls, "defaults")
    assert seen.samplings[-1] == replace(Sampling(), seed=5)
    assert button.text() == "Preset: Defaults"
    find(controls, "top_k", QAbstractSpinBox).setValue(3)
    assert button.text() == "Presets"


def test_the_checkpoints_own_config_is_a_preset(controls: Controls, seen: Seen, tiny_llama: Checkpoint) -> None:
    model = models.load(tiny_llama)
    model.model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.9)
    controls.show_model(model)
    pick(controls, "of_checkpoint")
    assert seen.samplings[-1] == Sampling(temperature=0.6, top_p=0.9, top_k=50)
    assert find(controls, "presets", QPushButton).text() == "Preset: From the checkpoint"


def test_knobs_are_saved_under_a_name_chosen_and_deleted(
    qtbot: QtBot, controls: Controls, seen: Seen, presets: Presets
) -> None:
    controls.show_sampling(replace(FULL, seed=5))
    controls.show_strategy(WHOLE)
    pick(controls, "save_as")
    name, save = find(controls, "preset_name", QLineEdit), find(controls, "preset_save", QAbstractButton)
    assert name.isVisible() and not save.isEnabled()
    name.setText("Defaults")
    assert not save.isEnabled()
    name.setText("hot & cold")
    save.click()
    assert not name.isVisible()
    assert [each.name for each in presets.saved] == ["hot & cold"]
    assert find(controls, "presets", QPushButton).accessibleName() == "Preset: hot & cold"
    pick(controls, "neutral")
    pick(controls, "saved", "hot & cold")
    assert seen.samplings[-1] == replace(FULL, seed=5)
    assert seen.strategies[-1] == WHOLE
    pick(controls, "save_as")
    assert save.text() == "Replace"
    qtbot.keyClick(name, Qt.Key.Key_Escape)
    assert not name.isVisible()
    pick(controls, "delete", "hot & cold")
    assert presets.saved == ()
    assert find(controls, "presets", QPushButton).text() == "Presets"


def test_a_damaged_file_is_told_in_the_pane(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "presets.json").write_text("{")
    frame = PaneFrame("playground", "Playground")
    qtbot.addWidget(frame)
    frame.body.addWidget(Controls(Presets(tmp_path / "presets.json")))
    frame.show()
    assert [card.what for card in frame.notices] == ["Some of the saved presets could not be read."]
    frame.clear_notices()
    frame.hide()
    frame.show()
    assert frame.notices == []


def test_a_preset_that_cannot_be_saved_is_told_in_the_pane(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    frame = PaneFrame("playground", "Playground")
    qtbot.addWidget(frame)
    controls = Controls(Presets(tmp_path / "file" / "presets.json"))
    frame.body.addWidget(controls)
    frame.show()
    pick(controls, "save_as")
    find(controls, "preset_name", QLineEdit).setText("mine")
    find(controls, "preset_save", QAbstractButton).click()
    assert [card.what for card in frame.notices] == ["The presets could not be saved."]
    assert find(controls, "preset_name", QLineEdit).text() == "mine", "what was typed is still there to try again"


# Room.


@pytest.fixture
def zoomed(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, False, 1.5)
    yield
    theme.apply(qapp, False)


def test_a_watermark_shows_what_its_kind_is_told_and_off_keeps_it(controls: Controls, seen: Seen) -> None:
    kind = find(controls, "watermarking_config", QComboBox)
    controls.findChild(QAbstractButton, "playground.fold_watermark").click()
    assert not find(controls, "watermark_bias").isVisible()
    kind.setCurrentText("green list")
    assert seen.samplings[-1].watermarking_config == Watermark()
    assert find(controls, "watermark_bias").isVisible()
    assert not find(controls, "watermark_keys").isVisible()
    find(controls, "seeding_scheme", QComboBox).setCurrentIndex(1)
    find(controls, "hashing_key", QSpinBox).setValue(9)
    assert seen.samplings[-1].watermarking_config == Watermark(seeding_scheme="selfhash", hashing_key=9)
    kind.setCurrentText("SynthID")
    find(controls, "watermark_keys", QLineEdit).setText("4, 5")
    assert seen.samplings[-1].watermarking_config.keys == (4, 5)
    before = len(seen.samplings)
    find(controls, "watermark_keys", QLineEdit).setText("")
    assert len(seen.samplings) == before, "a mark that can't be is not handed on"
    assert "Not taken" in said(controls)
    assert "keys of the watermark" in said(controls)
    find(controls, "watermark_keys", QLineEdit).setText("8")
    kind.setCurrentText("off")
    assert seen.samplings[-1].watermarking_config is None
    kind.setCurrentText("green list")
    assert seen.samplings[-1].watermarking_config.hashing_key == 9


def test_a_tournament_and_beams_say_that_they_do_not_go_together(controls: Controls) -> None:
    kind = find(controls, "watermarking_config", QComboBox)
    kind.setCurrentText("SynthID")
    assert "remembers" in find(controls, "num_beams", QWidget).toolTip()
    controls.show_sampling(Sampling())
    controls.show_strategy(Strategy(num_beams=3))
    assert kind.isEnabled()
    kind.setCurrentText("SynthID")
    assert "change places" in said(controls)
    assert kind.isEnabled(), "so that it can be switched off"


def test_guesses_of_the_model_itself_say_why_they_can_t_be_had(controls: Controls, t5: LoadedModel) -> None:
    assert find(controls, "assistant_early_exit").isEnabled()
    assert not find(controls, "use_mtp").isEnabled()
    assert "multi-token prediction" in find(controls, "use_mtp").toolTip()
    assert find(controls, "token_healing").isEnabled()
    controls.show_model(t5)
    assert "encoder" in find(controls, "assistant_early_exit").toolTip()
    assert not find(controls, "token_healing").isEnabled()
    assert "sequence of its own" in find(controls, "token_healing").toolTip()


def test_every_setting_of_generate_is_here_or_says_where_it_is(controls: Controls) -> None:
    from transformers import GenerationConfig

    from workbench.engine.generate.elsewhere import ELSEWHERE

    here = {field.name for kind in (Sampling, Strategy) for field in fields(kind)}
    renamed = {"eos_token_id": "eos_token_ids", "compile_config": "compiled"}
    known = {name for name in GenerationConfig().to_dict() if not name.startswith("_")} - {"transformers_version"}
    assert known - set(ELSEWHERE) == {name for name in known if renamed.get(name, name) in here}
    assert set(ELSEWHERE) <= known
    shown = said(controls)
    assert all(f"{name}" in shown for name in ELSEWHERE)


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "open"])
def test_at_150_percent_and_700_pixels_it_scrolls_down_alone(
    qtbot: QtBot, zoomed: None, presets: Presets, llama: LoadedModel, opened: bool
) -> None:
    controls = Controls(presets)
    qtbot.addWidget(controls)
    controls.show_model(llama)
    controls.show()
    for fold in controls.findChildren(Foldable):
        fold.set_open(opened)
    controls.resize(controls.minimumSizeHint().width(), 700)
    area = controls.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.widget().width() == area.viewport().width())
    assert controls.minimumSizeHint().height() <= 700
    assert controls.minimumSizeHint().width() <= 420
    assert find(controls, "presets", QPushButton).isVisible()
    last = controls.tint
    area.ensureWidgetVisible(last)
    assert area.viewport().rect().contains(last.mapTo(area.viewport(), last.rect().center()))


def test_every_value_object_is_still_whole() -> None:
    """A field that is new in a value needs a control: this is where that is noticed."""
    assert {field.name for field in fields(FULL) if getattr(FULL, field.name) == getattr(Sampling(), field.name)} == {
        "do_sample"
    }
    assert dataclasses.asdict(WHOLE) != dataclasses.asdict(Strategy())
    assert not any(getattr(WHOLE, field.name) == getattr(Strategy(), field.name) for field in fields(WHOLE))
