"""The style sheet, written from a theme and a scale."""

from __future__ import annotations

from string import Template

from PySide6.QtGui import QColor

from workbench.widgets.assets import folder
from workbench.widgets.looks import Theme, mix

_SHEET = Template("""
QToolTip { color: $text; background: $surface; border: 1px solid $strong_border; padding: ${p4}px ${p8}px; }

QLabel { background: transparent; }
QLabel[role="title"] { font-size: ${pt_title}pt; font-weight: 600; }
QLabel[role="heading"] { font-weight: 600; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="error"] { color: $error; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="info"] { color: $info; }
QLabel[role="success"] { color: $success; }
QLabel:disabled { color: $faint; }

QFrame[role="card"] { background: $surface; border: 1px solid $border; border-radius: ${p8}px; }

QPushButton { color: $text; background: $surface; border: 1px solid $control; border-radius: ${p6}px;
  padding: ${p4}px ${p12}px; min-height: ${p20}px; }
QPushButton:hover { background: $hover; border-color: $strong_border; }
QPushButton:pressed { background: $pressed; }
QPushButton:checked { background: $accent_soft; border-color: $accent; }
QPushButton:focus { border: ${ring}px solid $accent; padding: ${p4r}px ${p12r}px; }
QPushButton:disabled { color: $faint; border-color: $border; background: transparent; }
QPushButton[role="primary"] { color: $accent_text; background: $accent; border-color: $accent; font-weight: 600; }
QPushButton[role="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent_pressed; }
QPushButton[role="primary"]:focus { border: ${ring}px solid $text; }
QPushButton[role="primary"]:disabled { color: $faint; background: $sunken; border-color: $border; }
QPushButton[role="danger"] { color: $error; }
QPushButton[role="danger"]:hover { border-color: $error; }
QPushButton[role="danger"]:disabled { color: $faint; }
QPushButton::menu-indicator { image: url("$art/chevron-down.svg"); width: ${p12}px; height: ${p12}px;
  subcontrol-position: right center; right: ${p6}px; }

QToolButton { color: $text; background: transparent; border: 1px solid transparent; border-radius: ${p6}px;
  padding: ${p4}px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed { background: $pressed; }
QToolButton:checked { background: $accent_soft; border-color: $accent; }
QToolButton:focus { border-color: $accent; }
QToolButton:checked:focus { border: ${ring}px solid $text; padding: ${p4r}px; }
QToolButton:disabled { color: $faint; }
QToolButton[role="tight"] { padding: 0 ${p4}px; }
QToolButton[role="fold"] { font-weight: 600; border-radius: ${p4}px; padding: ${p3}px 0; }
QToolButton[role="fold"]:checked:focus { border: 1px solid $text; padding: ${p3}px 0; }
QToolButton::menu-indicator { image: none; }
QToolButton[popupMode="2"] { padding-right: ${p16}px; }
QToolButton[popupMode="2"]::menu-indicator { image: url("$art/chevron-down.svg"); width: ${p10}px; height: ${p10}px;
  subcontrol-position: right center; right: ${p4}px; }

QLineEdit, QPlainTextEdit, QTextEdit, QTextBrowser, QAbstractSpinBox, QComboBox { color: $text; background: $surface;
  border: 1px solid $control; border-radius: ${p6}px; selection-background-color: $accent;
  selection-color: $accent_text; }
QLineEdit, QPlainTextEdit, QTextEdit { placeholder-text-color: $muted; }
QLineEdit, QAbstractSpinBox, QComboBox { padding: ${p3}px ${p6}px; min-height: ${p20}px; }
QPlainTextEdit, QTextEdit { padding: ${p4}px; }
QPlainTextEdit[role="bare"], QTextEdit[role="bare"] { background: transparent; border: none; border-radius: 0;
  padding: 0; }
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover { border-color: $strong_border; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus,
QComboBox:on { border-color: $accent; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled, QPlainTextEdit:disabled, QTextEdit:disabled {
  color: $faint; background: $window; border-color: $border; }
QAbstractItemView QLineEdit { border-radius: 0; min-height: 0; padding: 0 ${p4}px; }

QComboBox { padding-right: ${p2}px; }
QComboBox::drop-down { border: none; width: ${p24}px; subcontrol-origin: border; subcontrol-position: right center; }
QComboBox::down-arrow { image: url("$art/chevron-down.svg"); width: ${p12}px; height: ${p12}px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $strong_border; outline: none;
  padding: ${p4}px; selection-background-color: $accent_soft; selection-color: $text; }
QComboBox QAbstractItemView::item { min-height: ${p24}px; padding: 0 ${p6}px; border-radius: ${p4}px; }
QComboBox QAbstractItemView::item:hover, QComboBox QAbstractItemView::item:selected { background: $accent_soft;
  color: $text; }

QAbstractSpinBox { padding-right: ${p22}px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { subcontrol-origin: border; width: ${p18}px; border: none;
  background: transparent; }
QAbstractSpinBox::up-button { subcontrol-position: top right; margin: 1px 1px 0 0; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; margin: 0 1px 1px 0; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $hover; }
QAbstractSpinBox::up-arrow { image: url("$art/chevron-up.svg"); width: ${p9}px; height: ${p9}px; }
QAbstractSpinBox::down-arrow { image: url("$art/chevron-down.svg"); width: ${p9}px; height: ${p9}px; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit { border: none; padding: 0; min-height: 0; background: transparent; }

QCheckBox, QRadioButton { spacing: ${p6}px; background: transparent; padding: ${p2}px; border: 1px solid transparent;
  border-radius: ${p4}px; }
QCheckBox:focus, QRadioButton:focus { border-color: $accent; }
QCheckBox:disabled, QRadioButton:disabled { color: $faint; }
QCheckBox::indicator, QRadioButton::indicator, QGroupBox::indicator, QAbstractItemView::indicator, QMenu::indicator {
  width: ${p15}px; height: ${p15}px; border: 1px solid $strong_border; background: $surface; }
QCheckBox::indicator, QGroupBox::indicator, QAbstractItemView::indicator, QMenu::indicator { border-radius: ${p4}px; }
QRadioButton::indicator { border-radius: ${p8}px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { border-color: $accent; }
QCheckBox::indicator:checked, QGroupBox::indicator:checked, QAbstractItemView::indicator:checked,
QMenu::indicator:checked { background: $accent; border-color: $accent; image: url("$art/check.svg"); }
QCheckBox::indicator:indeterminate { background: $accent; border-color: $accent; image: url("$art/dash.svg"); }
QRadioButton::indicator:checked { background: $accent; border-color: $accent; image: url("$art/dot.svg"); }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: $border; background: $window; }
QCheckBox::indicator:checked:disabled, QRadioButton::indicator:checked:disabled { background: $faint;
  border-color: $faint; }

QSlider { min-height: ${p20}px; background: transparent; }
QSlider::groove:horizontal { height: ${p4}px; background: $track; border-radius: ${p2}px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: ${p2}px; }
QSlider::sub-page:horizontal:disabled { background: $faint; }
QSlider::handle:horizontal { width: ${handle_width}px; margin: -${p5}px 0; border: ${ring}px solid $accent;
  border-radius: ${handle}px; background: $surface; }
QSlider::handle:horizontal:hover { background: $accent_soft; }
QSlider::handle:horizontal:focus { background: $accent; border-color: $text; }
QSlider::handle:horizontal:disabled { border-color: $faint; background: $window; }

QProgressBar { background: $track; border: none; border-radius: ${p4}px; color: $text; text-align: center;
  min-height: ${p8}px; max-height: ${p8}px; }
QProgressBar::chunk { background: $accent; border-radius: ${p4}px; }
QProgressBar[textVisible="true"] { max-height: ${p20}px; min-height: ${p20}px; background: $progress_ground;
  border: 1px solid $control; border-radius: ${p6}px; }
QProgressBar[textVisible="true"]::chunk { background: $progress; border-radius: ${p5}px; }

QTabWidget::pane { border: 1px solid $border; border-radius: ${p8}px; top: -1px; background: $surface; }
QTabBar { background: transparent; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $muted; padding: ${p6}px ${p12}px; border: none;
  border-bottom: ${p2}px solid transparent; }
QTabBar::tab:hover { color: $text; background: $hover; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; font-weight: 600; }
QTabBar::tab:focus { color: $accent; background: $accent_soft; }
QTabBar::scroller { width: ${p32}px; }
QTabBar::tear { width: 0; }
QTabBar QToolButton { background: $window; border: none; border-radius: 0; padding: 0; }
QTabBar QToolButton::left-arrow { image: url("$art/chevron-left.svg"); width: ${p12}px; height: ${p12}px; }
QTabBar QToolButton::right-arrow { image: url("$art/chevron-right.svg"); width: ${p12}px; height: ${p12}px; }
QTabBar::close-button { image: url("$art/close.svg"); width: ${p12}px; height: ${p12}px; }
QTabBar::close-button:hover { background: $hover; }

QGroupBox { border: 1px solid $border; border-radius: ${p8}px; margin-top: ${p20}px; padding: ${p8}px;
  background: $surface; font-weight: 600; }
QGroupBox::title { subcontrol-origin: margin; subcontrol-position: top left; left: ${p4}px; }

QScrollBar:vertical { background: transparent; width: ${p12}px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: ${p12}px; margin: 0; }
QScrollBar::handle { background: $scroll; border-radius: ${p3}px; margin: ${p3}px; }
QScrollBar::handle:vertical { min-height: ${p32}px; }
QScrollBar::handle:horizontal { min-width: ${p32}px; }
QScrollBar::handle:hover { background: $strong_border; }
QScrollBar::handle:disabled { background: transparent; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; border: none; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QAbstractScrollArea::corner { background: transparent; border: none; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget { background: transparent; }

TokenStrip, BeamView { background: $surface; border: 1px solid $border; border-radius: ${p8}px; }
TokenStrip:focus, BeamView:focus, ChatView:focus { border-color: $accent; }
ChatView { background: $surface; border: 1px solid $control; border-radius: ${p6}px; }

QTableView, QTreeView, QListView { background: $surface; alternate-background-color: $sunken; color: $text;
  border: 1px solid $border; border-radius: ${p8}px; gridline-color: $border; outline: none;
  selection-background-color: $accent_soft; selection-color: $text; }
QTableView:focus, QTreeView:focus, QListView:focus { border-color: $accent; }
QTreeView::item, QListView::item { min-height: ${p24}px; padding: 0 ${p4}px; }
QTableView::item { padding: 0 ${p4}px; border: none; }
QTableView::item:selected, QTreeView::item:selected, QListView::item:selected { background: $accent_soft;
  color: $text; }
QHeaderView { background: $sunken; border: none; border-top-left-radius: ${p8}px; border-top-right-radius: ${p8}px; }
QHeaderView::section { background: $sunken; color: $muted; border: none; border-bottom: 1px solid $border;
  padding: ${p4}px ${p8}px; font-weight: 600; }
QHeaderView::section:vertical { border-bottom: none; border-right: 1px solid $border; font-weight: 400; }
QHeaderView::down-arrow { image: url("$art/chevron-down.svg"); width: ${p10}px; height: ${p10}px;
  subcontrol-position: right center; }
QHeaderView::up-arrow { image: url("$art/chevron-up.svg"); width: ${p10}px; height: ${p10}px;
  subcontrol-position: right center; }
QTableCornerButton::section { background: $sunken; border: none; }
QTreeView::branch:has-children:closed { image: url("$art/chevron-right.svg"); }
QTreeView::branch:has-children:open { image: url("$art/chevron-down.svg"); }

QMenuBar { background: $window; padding: ${p2}px; }
QMenuBar::item { padding: ${p4}px ${p8}px; border-radius: ${p4}px; background: transparent; }
QMenuBar::item:selected { background: $accent_soft; }
QMenu { background: $surface; border: 1px solid $strong_border; padding: ${p4}px; }
QMenu::item { padding: ${p5}px ${p24}px ${p5}px ${p8}px; border-radius: ${p4}px; }
QMenu::item:selected { background: $accent_soft; color: $text; }
QMenu::item:disabled { color: $faint; }
QMenu::icon { padding-left: ${p6}px; }
QMenu::indicator { left: ${p4}px; }
QMenu::item:checked, QMenu::item:unchecked { padding-left: ${p8}px; }
QMenu::separator { height: 1px; background: $border; margin: ${p4}px ${p8}px; }
QMenu::right-arrow { image: url("$art/chevron-right.svg"); width: ${p12}px; height: ${p12}px; }

QDockWidget { titlebar-close-icon: url("$art/close.svg"); titlebar-normal-icon: url("$art/float.svg"); }
QDockWidget::title { background: $window; padding: ${p6}px ${p8}px; border-bottom: 1px solid $border; }
QDockWidget::close-button, QDockWidget::float-button { border: none; border-radius: ${p4}px; padding: ${p2}px;
  icon-size: ${p14}px; }
QDockWidget::close-button:hover, QDockWidget::float-button:hover { background: $hover; }
QSplitter::handle { background: transparent; }
QSplitter::handle:horizontal { width: ${p8}px; }
QSplitter::handle:vertical { height: ${p8}px; }
QSplitter::handle:hover { background: $accent_soft; }
QToolBar { background: $window; border: none; border-bottom: 1px solid $border; padding: ${p4}px; spacing: ${p4}px; }
QToolBar[role="rail"] { border: none; padding: ${p2}px ${p4}px; spacing: ${p2}px; }
QStatusBar { background: $window; border-top: 1px solid $border; }
QStatusBar::item { border: none; }
""")


def build(theme: Theme, *, points: float, pixel: float) -> str:
    """Write the style sheet.

    Args:
        theme: Its colours.
        points: Size of text.
        pixel: Device-independent pixels that one pixel of the 4/8 grid takes at this zoom.
    """

    def blend(first: str, second: str, share: float) -> str:
        return mix(QColor(first), QColor(second), share).name()

    sizes = {f"p{size}": max(1, round(size * pixel)) for size in (*range(2, 25), 32)}
    ring = max(2, round(2 * pixel)) if theme.high_contrast else max(1, round(1.6 * pixel))
    handle = sizes["p4"] + 2 * sizes["p5"]
    ground = blend(theme.surface, theme.text, 0.0)
    colors = {
        name: getattr(theme, name)
        for name in ("window", "surface", "sunken", "border", "strong_border", "text", "muted", "accent", "accent_text",
                     "accent_soft", "error", "warning", "info", "success", "faint")
    }  # fmt: skip
    colors.update(
        control=theme.strong_border if theme.high_contrast else blend(theme.border, theme.strong_border, 0.35),
        hover=blend(theme.surface, theme.text, 0.06),
        pressed=blend(theme.surface, theme.text, 0.12),
        track=blend(theme.surface, theme.text, 0.16),
        scroll=blend(theme.surface, theme.text, 0.28),
        progress=blend(theme.surface, theme.accent, 0.35),
        progress_ground=ground,
        accent_hover=blend(theme.accent, theme.text, 0.12),
        accent_pressed=blend(theme.accent, theme.text, 0.24),
    )
    return _SHEET.substitute(
        colors,
        **sizes,
        ring=ring,
        p4r=max(1, sizes["p4"] - ring + 1),
        p12r=max(1, sizes["p12"] - ring + 1),
        handle=handle // 2,
        handle_width=handle - 2 * ring,
        pt_title=f"{points * 1.3:.2f}",
        art=(folder("theme") / ("dark" if theme.dark else "light")).as_posix(),
    )
