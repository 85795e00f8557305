"""The branches of the session below the output: walked, renamed, compared, pruned, gone on from."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QAbstractButton, QPushButton, QToolButton, QVBoxLayout, QWidget

from workbench.engine.values import Branch
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.branch_tree import BranchRow, BranchTree
from workbench.widgets.naming import named
from workbench.widgets.theme import CHANGES, px, set_role
from workbench.widgets.visible_text import visible
from workbench.widgets.wrapping_row import WrappingRow

_ENDINGS = {
    "": "writing…",
    "eos": "end token",
    "length": "max_new_tokens",
    "context": "context full",
    "stop": "stop criterion",
    "stopped": "stopped",
    "failed": "failed",
}
#: Qt's largest height: QWIDGETSIZE_MAX, which PySide does not name.
_UNBOUND = 16_777_215
#: Characters of a prompt in its line: the end, since that is what is continued.
_TAIL = 80


def grown(branches: tuple[Branch, ...], key: int) -> list[int]:
    """Keys of a branch and of all that grew out of it."""
    found = [key]
    for branch in branches:
        if branch.parent in found:
            found.append(branch.key)
    return found


class Branches(QWidget):
    """A line that folds a `BranchTree` away, and its buttons.

    Args:
        session: Whose branches it shows.

    Attributes:
        tree: The tree itself.

    Signals:
        walked(int), renamed(int, str), prune_requested(int), compare_requested(tuple): Of the tree.
        continue_requested(): The branch that is looked at is to go on from its end.
        height_changed(): It needs more room than before, or less: it was folded, unfolded, shown, or zoomed.
    """

    walked = Signal(int)
    renamed = Signal(int, str)
    prune_requested = Signal(int)
    compare_requested = Signal(object)
    continue_requested = Signal()
    height_changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._groups: dict[int, str] = {}
        self._known: list[tuple[object, str]] = []
        self._unfolded_once = False
        self._fold = named(
            QToolButton(), "playground.branches_fold", "Branches", "Show or hide the ways in which texts were continued"
        )
        self._fold.setText("Branches")
        self._fold.setCheckable(True)
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._go_on = named(
            QPushButton("Continue"),
            "playground.continue",
            "Continue",
            "Go on from the end of this text, max_new_tokens more, with the knobs as they are now",
        )
        self._compare = named(
            QPushButton("Compare"),
            "playground.compare",
            "Compare",
            "Show the selected branches side by side; select a second one with Ctrl+click or Shift+arrow",
        )
        self._prune = named(
            QPushButton("Delete"),
            "playground.prune",
            "Delete",
            "Delete the selected branch with all that grew out of it (Delete)",
        )
        self.tree = named(
            BranchTree(),
            "playground.branches",
            "Branches",
            "Click to look at a branch, F2 to rename it, Delete to delete it, Ctrl+click to select two",
        )
        for button, drawing in ((self._go_on, "play"),):
            icons.put(button, drawing)
        set_role(self._fold, "quiet")
        self.tree.setMinimumHeight(px(self, 112))
        row = WrappingRow((self._fold,), (self._go_on, self._compare, self._prune))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(self, 4))
        column.addWidget(row)
        column.addWidget(self.tree, 1)
        self._can_continue = False

        self._fold.toggled.connect(self._show_fold)
        self._go_on.clicked.connect(self.continue_requested)
        self._compare.clicked.connect(self.tree.compare)
        self._prune.clicked.connect(self.tree.prune)
        self.tree.walked.connect(self.walked)
        self.tree.renamed.connect(self.renamed)
        self.tree.prune_requested.connect(self.prune_requested)
        self.tree.compare_requested.connect(self.compare_requested)
        self.tree.selection_changed.connect(self._show_buttons)
        session.branches_changed.connect(self.show_branches)
        self._show_fold()
        self.show_branches()

    @property
    def is_folded(self) -> bool:
        """Whether the tree is hidden."""
        return not self._fold.isChecked()

    @property
    def wanted_height(self) -> int:
        """Pixels it would like to have."""
        return self.maximumHeight() if self.is_folded else self.sizeHint().height()

    def unfold(self) -> None:
        """Show the tree."""
        self._fold.setChecked(True)

    def allow_continue(self, allowed: bool) -> None:
        """Say whether the branch that is looked at can go on."""
        self._can_continue = allowed
        self._show_buttons()

    def show_branches(self) -> None:
        """Show them anew."""
        branches = self._session.branches
        current = self._session.branch
        rows = [self._row(current if current is not None and each.key == current.key else each) for each in branches]
        self.tree.set_rows(rows, current.key if current is not None else None)
        if not self._unfolded_once and any(branch.parent is not None for branch in branches):
            # The first branching shows where branches are; after that the person's fold stands.
            self._unfolded_once = True
            self.unfold()
        _label(self._fold, f"Branches · {len(branches)}" if branches else "Branches")
        if self.isHidden() == bool(branches):
            self.setVisible(bool(branches))
            self.height_changed.emit()
        self._show_buttons()

    def _row(self, branch: Branch) -> BranchRow:
        kept = branch.start.kept
        own = branch.steps[kept - 1] if 0 < kept <= len(branch.steps) else None
        forced = own is not None and own.forced
        fork = None if not kept else kept if forced else kept + 1
        text = own.text if own is not None and forced else ""
        title = branch.messages[-1].content if branch.messages else branch.start.encoding.text
        title = title or ", ".join(path.name for path in branch.start.files) or "(empty prompt)"
        title = title if len(title) <= _TAIL else f"…{title[-_TAIL:]}"
        return BranchRow(
            branch.key,
            self._group(branch),
            title,
            branch.parent,
            branch.name,
            fork if branch.parent is not None else None,
            text,
            len(branch.steps),
            _ENDINGS.get(branch.reason, branch.reason),
        )

    def _group(self, branch: Branch) -> str:
        """What the branches of one prompt have in common; found once for each, since prompts can be long."""
        if branch.key not in self._groups:
            start = (branch.start.encoding.input_ids, branch.start.decoder_start, branch.start.files)
            known = next((name for each, name in self._known if each == start), None)
            if known is None:
                known = str(len(self._known))
                self._known.append((start, known))
            self._groups[branch.key] = known
        return self._groups[branch.key]

    def _show_fold(self) -> None:
        shown = self._fold.isChecked()
        icons.put(self._fold, "chevron-down" if shown else "chevron-right")
        self.tree.setVisible(shown)
        self._bound()
        self._compare.setVisible(shown)
        self._prune.setVisible(shown)

    def _bound(self) -> None:
        """Take no more room than the line while the tree is folded away."""
        line = max(button.sizeHint().height() for button in (self._fold, self._go_on))
        self.setMaximumHeight(_UNBOUND if self._fold.isChecked() else line)
        self.height_changed.emit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_can_continue"):
            self.tree.setMinimumHeight(px(self, 112))
            self._bound()

    def _show_buttons(self) -> None:
        chosen = self.tree.chosen
        self._go_on.setEnabled(self._can_continue)
        self._compare.setEnabled(len(chosen) > 1)
        gone = len(grown(self._session.branches, chosen[0])) if len(chosen) == 1 else 0
        _label(self._prune, "Delete" if gone < 2 else f"Delete {gone}")
        self._prune.setEnabled(gone > 0)


def name_of(text: str, token_id: int) -> str:
    """What a branch is called after the token that was forced."""
    return visible(text.strip(" ")) or visible(text) or f"id {token_id}"


def _label(button: QAbstractButton, text: str) -> None:
    button.setText(text)
    button.setAccessibleName(text)
