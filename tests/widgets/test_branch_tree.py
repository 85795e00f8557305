"""The branch tree shows what it is given, and every deed can be done by mouse and by key."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtWidgets import QLineEdit, QTreeWidgetItem
from pytestqt.qtbot import QtBot

from workbench.widgets.branch_tree import BranchRow, BranchTree

ROWS = (
    BranchRow(1, "a", "The quick\nbrown fox", None, "run 1", None, "", 20, "max_new_tokens"),
    BranchRow(2, "a", "The quick\nbrown fox", 1, "leaps", 3, " leaps", 34, "end token"),
    BranchRow(3, "a", "The quick\nbrown fox", 2, "naps", 12, " naps", 60, "stopped"),
    BranchRow(4, "b", "Once \ud83d", None, "run 4", None, "", 1007, "writing…"),
)
NO_KEYS = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def tree(qtbot: QtBot) -> BranchTree:
    tree = BranchTree()
    qtbot.addWidget(tree)
    tree.resize(600, 300)
    tree.show()
    tree.set_rows(ROWS, 2)
    return tree


def item(tree: BranchTree, name: str) -> QTreeWidgetItem:
    return tree.findItems(name, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive, 0)[0]


def click(qtbot: QtBot, tree: BranchTree, name: str, keys: Qt.KeyboardModifier = NO_KEYS) -> None:
    place = tree.visualItemRect(item(tree, name)).center()
    qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, keys, place)


def test_branches_stand_below_their_prompt_and_their_parent(tree):
    assert [tree.topLevelItem(number).text(0) for number in range(2)] == ["The quick⏎brown fox", "Once �"]
    assert item(tree, "naps").parent() is item(tree, "leaps")
    assert item(tree, "leaps").parent() is item(tree, "run 1")
    assert [item(tree, "leaps").text(column) for column in range(4)] == ["leaps", "3 ·leaps", "34", "end token"]
    assert item(tree, "leaps").font(0).bold()
    assert tree.chosen == (2,)


def test_a_click_and_enter_walk(qtbot, tree):
    with qtbot.waitSignal(tree.walked) as walked:
        click(qtbot, tree, "naps")
    assert walked.args == [3]
    with qtbot.waitSignal(tree.walked) as walked:
        qtbot.keyClick(tree, Qt.Key.Key_Up)
        qtbot.keyClick(tree, Qt.Key.Key_Return)
    assert walked.args == [2]


def test_f2_renames_and_an_empty_name_changes_nothing(qtbot, tree):
    tree.setFocus()
    for typed, expected in (("jumps", [(2, "jumps")]), ("  ", [])):
        heard: list[tuple[int, str]] = []
        tree.renamed.connect(lambda key, name, heard=heard: heard.append((key, name)))
        qtbot.keyClick(tree, Qt.Key.Key_F2)
        field = tree.findChild(QLineEdit)
        field.setText(typed)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: tree.findChild(QLineEdit) is None)
        assert heard == expected
        tree.set_rows(ROWS, 2)
        assert item(tree, "leaps").text(0) == "leaps"


def test_a_double_click_on_any_column_edits_the_name(qtbot, tree):
    place = tree.visualItemRect(item(tree, "run 1")).center()
    place.setX(tree.columnViewportPosition(3) + 5)
    qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    tree.set_rows(ROWS, 1)
    qtbot.mouseDClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert tree.findChild(QLineEdit).text() == "run 1"


def test_a_prompt_has_no_name_to_edit_and_nothing_to_delete(qtbot, tree):
    tree.setCurrentItem(tree.topLevelItem(0))
    tree.rename()
    assert tree.findChild(QLineEdit) is None
    with qtbot.assertNotEmitted(tree.prune_requested):
        qtbot.keyClick(tree, Qt.Key.Key_Delete)


def test_delete_asks_to_prune(qtbot, tree):
    with qtbot.waitSignal(tree.prune_requested) as asked:
        qtbot.keyClick(tree, Qt.Key.Key_Delete)
    assert asked.args == [2]


def test_two_selected_branches_can_be_compared_and_are_not_walked_to(qtbot, tree):
    with qtbot.assertNotEmitted(tree.walked):
        click(qtbot, tree, "run 4", Qt.KeyboardModifier.ControlModifier)
    assert tree.chosen == (2, 4)
    with qtbot.waitSignal(tree.compare_requested) as asked:
        tree.compare()
    assert asked.args == [(2, 4)]
    tree.setCurrentItem(item(tree, "naps"), 0, QItemSelectionModel.SelectionFlag.ClearAndSelect)
    with qtbot.assertNotEmitted(tree.compare_requested):
        tree.compare()


def test_what_was_folded_stays_folded_when_a_branch_comes(tree):
    item(tree, "leaps").setExpanded(False)
    tree.set_rows((*ROWS, BranchRow(5, "a", "", 1, "hops", 3, " hops", 1, "")), 5)
    assert not item(tree, "leaps").isExpanded()
    assert item(tree, "run 1").isExpanded()
    tree.set_tokens(5, 1234)
    assert item(tree, "hops").text(2) == "1,234"
    assert tree.chosen == (5,)
    tree.set_rows((), None)
    assert tree.topLevelItemCount() == 0
