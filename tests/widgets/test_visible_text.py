"""What has no shape of its own can be seen, and nothing that Qt can't take gets through."""

from __future__ import annotations

import pytest

from workbench.widgets.visible_text import LONGEST, drawable, one_line, runs, utf16_offsets, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" quick", "·quick"), (" ", "␣"), ("   ", "␣␣␣"), ("\n", "⏎"), ("\n\n", "⏎⏎"), ("\t", "⇥"), ("a b\n", "a·b⏎"),
        ("\r\n", "␍⏎"), ("\x00", "␀"), ("\x7f", "␡"), ("\ud800", "�"), ("\u200d", "‹200D›"), ("\ue000", "‹E000›"),
        ("👨\u200d👩", "👨\u200d👩"), ("\u2028", "‹2028›"), ("שלום", "שלום"), ("", ""), (" ‹F0 9F›", "·‹F0 9F›"),
    ],
)  # fmt: skip
def test_a_token_is_shown_on_one_line(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert "\n" not in one_line(text)


def test_a_token_as_long_as_a_text_is_cut_before_it_is_measured() -> None:
    assert visible("a b" * LONGEST) == ("a·b" * LONGEST)[:LONGEST] + "…"
    assert one_line("a\n" * LONGEST) == ("a⏎" * LONGEST)[:LONGEST] + "…"
    assert visible("a" * LONGEST) == one_line("a" * LONGEST) == "a" * LONGEST


def test_marks_are_told_from_text() -> None:
    assert runs("·quick⏎") == [("·", True), ("quick", False), ("⏎", True)]
    assert "".join(part for part, _ in runs(visible("a  b\t\n"))) == visible("a  b\t\n")


def test_lone_surrogates_are_replaced_and_pairs_kept() -> None:
    assert drawable("a\ud83db🙂") == "a�b🙂"


def test_offsets_count_utf16_units() -> None:
    assert utf16_offsets("a🙂b") == [0, 1, 3, 4]
