"""Numbers keep their honesty, and a cut row says what cut it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.probability_table import ProbabilityTable, format_percent


@dataclass(frozen=True)
class Row:
    id: int
    text: str
    rank: int
    logit: float
    probability: float
    after: float
    cut_by: str | None


ROWS = [
    Row(7, " jumps", 1, 18.21, 0.713, 0.8, None),
    Row(8, " leaps", 2, 16.02, 0.129, 0.2, None),
    Row(9, "\n", 3, 14.87, 0.0004, 0.0, "top_p"),
]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "0 %"), (1e-30, "< 0.01 %"), (0.00003, "< 0.01 %"), (0.0000999, "< 0.01 %"), (0.0001, "0.01 %"),
        (0.0004, "0.04 %"), (0.0012, "0.12 %"), (0.129, "12.90 %"), (0.5, "50.00 %"), (0.713, "71.30 %"),
        (0.9999, "99.99 %"), (0.99991, "> 99.99 %"), (0.9999999, "> 99.99 %"), (1.0, "100 %"),
    ],
)  # fmt: skip
def test_percent_is_honest(probability: float, words: str) -> None:
    assert format_percent(probability) == words


def test_percent_never_rounds_to_nothing_or_to_all() -> None:
    for exponent in range(1, 40):
        assert format_percent(10.0**-exponent) not in ("0 %", "0.00 %")
        assert "100" not in format_percent(1 - 10.0 ** -min(exponent, 15))


@pytest.fixture
def table(qtbot: QtBot) -> ProbabilityTable:
    table = ProbabilityTable()
    qtbot.addWidget(table)
    table.resize(560, 240)
    table.set_candidates(ROWS)
    with qtbot.waitExposed(table):
        table.show()
    return table


def words(table: ProbabilityTable, row: int) -> list[str]:
    return [table.model().index(row, column).data() for column in range(table.model().columnCount())]


def test_a_row_says_everything_about_its_candidate(table: ProbabilityTable) -> None:
    assert words(table, 0) == ["·jumps", "7", "1", "18.210", "71.30 %", "80.00 %", ""]
    assert words(table, 2) == ["⏎", "9", "3", "14.870", "0.04 %", "0 %", "cut by top_p"]
    assert table.cut_words(2) == "cut by top_p"


def test_the_chosen_token_is_marked_by_a_sign(table: ProbabilityTable) -> None:
    table.set_chosen(8)
    assert words(table, 1)[0] == "▶ ·leaps"
    assert words(table, 0)[0] == "·jumps"


def test_both_bars_are_in_view_in_a_narrow_pane(table: ProbabilityTable) -> None:
    assert table.horizontalScrollBar().maximum() == 0
    header = table.horizontalHeader()
    for column in range(6):
        assert header.sectionSize(column) >= header.sectionSizeFromContents(column).width(), column


def test_bars_are_as_long_as_the_probability(table: ProbabilityTable) -> None:
    assert table.share(0.25) == 0.25
    assert table.share(0.0) == 0.0
    table.set_log_scale(True)
    assert table.share(1.0) == 1.0
    assert table.share(1e-3) == pytest.approx(0.5)
    assert table.share(1e-9) == 0.0


def test_a_bar_is_drawn_in_the_accent_and_a_cut_row_has_none(table: ProbabilityTable) -> None:
    image = table.viewport().grab().toImage()
    accent = theme.current().accent

    def drawn(row: int) -> bool:
        rect = table.visualRect(table.model().index(row, 5))
        return any(image.pixelColor(x, rect.center().y()).name() == accent for x in range(rect.left(), rect.right()))

    assert drawn(0)
    assert not drawn(2)


def test_a_new_distribution_is_drawn_within_a_frame(table: ProbabilityTable) -> None:
    rows = [Row(n, f" w{n}", n + 1, -float(n), 0.005, 0.005, None) for n in range(200)]
    table.set_candidates(rows)
    table.grab()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        table.set_candidates(list(rows))
        table.viewport().repaint()
        times.append(time.perf_counter() - start)
    # The frame's 16 ms are the benchmark's; a loaded machine gets a margin here.
    assert sorted(times)[10] < 0.05


def test_widths_do_not_jump_while_a_knob_moves(table: ProbabilityTable) -> None:
    before = [table.columnWidth(column) for column in range(6)]
    table.set_candidates([Row(151_000, " a very long token indeed", 1, -100.0, 1.0, 1.0, None)])
    assert [table.columnWidth(column) for column in range(6)] == before
