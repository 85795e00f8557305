"""The tables of a comparison: numbers, differences, words, round trips, and the same sentences in many languages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QTabWidget, QWidget

from workbench.engine.tokens.versus import Comparison, Measure, Price
from workbench.panes.tokenizer.reading import in_order
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.visible_text import visible

_MEASURES = (
    "vocabulary", "tokens", "characters per token", "bytes per token", "tokens per word", "words in one token, %",
    "unknown tokens", "characters lost on the round trip", "places changed on the round trip",
)  # fmt: skip
_TRIPS = ("tokenizer", "characters", "was", "became", "why")


class ComparisonTables(QTabWidget):
    """One table a tab, the languages last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "tokenizer.compare_tabs", "Comparison", "Numbers, differences and languages")
        self._measures = _table("measures", "Measures", "What each tokenizer makes of the text")
        self._differences = _table(
            "differences", "Differences", "Where they cut differently, lined up by the characters of the text"
        )
        self._words = _table("words", "Words split most", "Words by the most pieces that a tokenizer makes of them")
        self._trips = _table("trips", "Round trip", "decode(encode(text)) against the text, each difference explained")
        self._prices = _table(
            "languages",
            "Languages",
            "The same sentences in each language: tokens, how many times those of English, and how many of them stand "
            "for what the vocabulary lacks, where there are some",
        )
        for table in (self._measures, self._prices):
            # The last numbers stand beside the others, not at the far edge.
            table.horizontalHeader().setStretchLastSection(False)
        self.setDocumentMode(True)
        for table in (self._measures, self._differences, self._words, self._trips, self._prices):
            self.addTab(table, table.accessibleName())

    @property
    def on_languages(self) -> bool:
        """Whether the languages are in front."""
        return self.currentWidget() is self._prices

    def show_comparison(self, seen: Comparison | None) -> None:
        """Show what tokenizers make of a text; None shows nothing."""
        measures = seen.measures if seen is not None else ()
        self._show_measures(measures)
        self._show_differences(seen)
        self._show_words(seen)
        self._show_trips(measures)

    def show_prices(self, names: Sequence[str], prices: tuple[Price, ...]) -> None:
        """Show what the languages take.

        Args:
            names: Of the tokenizers.
            prices: A language each, with the tokens of each tokenizer; empty shows nothing.
        """
        columns = ["language", "characters", "bytes"]
        values: list[list[object]] = [
            [
                each.language.name,
                sum(map(len, each.language.sentences)),
                sum(len(sentence.encode()) for sentence in each.language.sentences),
            ]
            for each in prices
        ]
        for number, name in enumerate(names if prices else ()):
            # What the vocabulary lacks makes few tokens, so a low number says little beside it.
            lacks = any(each.unknown[number] for each in prices)
            columns += [name, "× English", *(["unknown"] if lacks else [])]
            for each, row in zip(prices, values, strict=True):
                row += [each.tokens[number], each.premium[number], *([each.unknown[number]] if lacks else [])]
        self._prices.set_rows(columns, [tuple(row) for row in values])
        for column in range(1, len(columns)):
            self._prices.set_format(column, _number)

    def _show_measures(self, measures: tuple[Measure, ...]) -> None:
        names = tuple(each.name for each in measures)
        values = zip(*map(_measured, measures), strict=True)
        rows = [(words, *row) for words, row in zip(_MEASURES, values, strict=bool(measures))]
        self._measures.set_rows(("measure", *names), rows)
        for column in range(1, len(names) + 1):
            self._measures.set_format(column, _number)

    def _show_differences(self, seen: Comparison | None) -> None:
        lined = tuple(each.name for each in seen.measures if each.lined) if seen is not None else ()
        apart = seen.differences if seen is not None else ()
        text = seen.text if seen is not None else ""

        def difference(number: int) -> tuple[object, ...]:
            each = apart[number]
            return (
                f"{each.start}:{each.end}",
                visible(text[each.start : each.end]),
                *(_joined(pieces) for pieces in each.pieces),
            )

        self._differences.set_empty_text(
            "Tick a second tokenizer to see where they differ."
            if len(lined) < 2
            else "These tokenizers cut the text in the same places."
        )
        self._differences.set_rows(("characters", "text", *lined), len(apart), difference)
        for column in range(2, 2 + len(lined)):
            self._differences.set_format(column, in_order)

    def _show_words(self, seen: Comparison | None) -> None:
        names = tuple(each.name for each in seen.measures) if seen is not None else ()
        words = seen.words if seen is not None else ()

        def word(number: int) -> tuple[object, ...]:
            spelled, count, pieces = words[number]
            return (visible(spelled), count, *(f"{len(each)}: {_joined(each)}" for each in pieces))

        self._words.set_rows(("word", "times", *names), len(words), word)
        for column in range(2, 2 + len(names)):
            self._words.set_format(column, in_order)

    def _show_trips(self, measures: tuple[Measure, ...]) -> None:
        self._trips.set_empty_text("The text comes back as it was." if measures else "")
        trips = [
            (each.name, f"{one.start}:{one.end}", visible(one.was), visible(one.became), one.why)
            for each in measures
            for one in each.back.differences
        ]
        self._trips.set_rows(_TRIPS, trips)


def _measured(each: Measure) -> tuple[object, ...]:
    """The values of a tokenizer, in the order of `_MEASURES`."""
    return (
        each.vocabulary,
        each.tokens,
        each.characters_per_token,
        each.bytes_per_token,
        each.tokens_per_word,
        100 * each.whole / each.words if each.words else None,
        each.unknown,
        each.back.lost,
        len(each.back.differences),
    )


def _joined(pieces: tuple[str, ...]) -> str:
    return " | ".join(map(visible, pieces)) or "–"


def _number(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"


def _table(name: str, label: str, words: str) -> DataTable:
    return named(DataTable(monospace=True), f"tokenizer.compare_{name}", label, words)
