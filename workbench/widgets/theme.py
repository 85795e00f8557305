"""One calm look in light and dark, and the measures everything scales by.

The palette of the application is the single place where the theme is kept: `current` reads it back, so no widget
has to be told. Widgets repaint by themselves; those that keep colours or sizes listen in ``changeEvent`` for
`CHANGES`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial

import shiboken6
from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPainter, QPalette, QPen
from PySide6.QtWidgets import QApplication, QWidget

from workbench.widgets import icons, style_sheet
from workbench.widgets.looks import THEMES, Theme, contrast, current, ink_on, mix
from workbench.widgets.measures import BASE_POINTS, px, zoom_of

__all__ = [
    "BASE_POINTS", "CHANGES", "STRONGEST", "THEMES", "ZOOM_RANGE", "Theme", "apply", "contrast", "current",
    "draw_focus", "ink_on", "mix", "mono_font", "px", "set_font", "set_role", "sheet", "steps", "strength_color",
    "strength_of", "system_is_dark", "text_font", "zoom_of",
]  # fmt: skip

#: The range zoom is kept in.
ZOOM_RANGE = (0.6, 3.0)
#: Surprise, in bits, that gets the strongest tint: 1 in 1,024.
STRONGEST = 10.0
#: Events after which colours and sizes have to be read again.
CHANGES = (
    QEvent.Type.PaletteChange,
    QEvent.Type.ApplicationPaletteChange,
    QEvent.Type.FontChange,
    QEvent.Type.ApplicationFontChange,
    QEvent.Type.StyleChange,
)

#: Tried in order: the first that exists is the text font, the others fill in what it lacks.
TEXT_FAMILIES = (
    "Inter", "Segoe UI", "SF Pro Text", "Helvetica Neue", "Noto Sans", "DejaVu Sans",
    "Noto Sans CJK SC", "Noto Sans SC", "Microsoft YaHei UI", "PingFang SC", "WenQuanYi Micro Hei",
    "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Nirmala UI", "Leelawadee UI",
    "Noto Sans Symbols2", "Segoe UI Symbol",
    "Noto Color Emoji", "Segoe UI Emoji", "Apple Color Emoji",
)  # fmt: skip
#: Likewise for code and ids.
MONO_FAMILIES = (
    "JetBrains Mono", "Cascadia Mono", "SF Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono",
    "Noto Sans Mono CJK SC", "WenQuanYi Micro Hei Mono",
)  # fmt: skip


def apply(app: QApplication, dark: bool, zoom: float = 1.0, high_contrast: bool = False) -> Theme:
    """Dress the whole application: Fusion, palette, font and style sheet.

    Args:
        app: The application.
        dark: Light ink on a dark ground.
        zoom: Factor on text and everything measured by it, kept in 0.6 to 3.
        high_contrast: For projectors and tired eyes.

    Returns:
        The theme now in force.
    """
    for step in steps(app, dark, zoom, high_contrast):
        step()
    return current()


def sheet(app: QApplication, dark: bool, zoom: float = 1.0, high_contrast: bool = False) -> str:
    """The style sheet that `apply` puts on the application, for parts of it that are dressed one by one."""
    zoom = min(max(zoom, ZOOM_RANGE[0]), ZOOM_RANGE[1])
    pixel = zoom * _logical_dpi(app) / 96.0
    return style_sheet.build(_theme(dark, high_contrast), points=BASE_POINTS * zoom, pixel=pixel)


def steps(
    app: QApplication, dark: bool, zoom: float = 1.0, high_contrast: bool = False, parts: Sequence[QWidget] = ()
) -> tuple[Callable[[], None], ...]:
    """What `apply` does, in steps to be called in this order.

    Args:
        app: The application.
        dark: As for `apply`.
        zoom: As for `apply`.
        high_contrast: As for `apply`.
        parts: Widgets that carry the style sheet, each dressed in a step of its own, in this order. Without any the
            application carries it, which takes one long step once it has many widgets.
    """
    palette = _palette(_theme(dark, high_contrast))
    dress = sheet(app, dark, zoom, high_contrast)

    def set_palette() -> None:
        if app.style().name().lower() != "fusion" and not app.styleSheet():
            app.setStyle("Fusion")
        if app.palette() != palette:
            with _uncollected():
                app.setPalette(palette)

    def tint() -> None:
        with _uncollected():
            icons.tint_anew(app)

    wearers: Sequence[QApplication | QWidget] = parts or (app,)
    return (
        # Qt takes five times as long to replace a sheet as to take it off and put another on.
        *(partial(_wear, wearer, "", dress) for wearer in wearers),
        partial(set_font, app, zoom),
        # Of another font, Qt tells what wears a sheet only through a parent that wears one too.
        *(partial(_take_font, part, app) for part in parts),
        set_palette,
        *(partial(_wear, wearer, dress, dress) for wearer in wearers),
        tint,
    )


def set_font(app: QApplication, zoom: float) -> None:
    """Give the application its font at that zoom."""
    font = text_font(BASE_POINTS * min(max(zoom, ZOOM_RANGE[0]), ZOOM_RANGE[1]))
    if app.font() != font:
        with _uncollected():
            app.setFont(font)


def _take_font(part: QWidget, app: QApplication) -> None:
    if shiboken6.isValid(part) and part.font() != app.font():
        with _uncollected():
            # What scrolls keeps the font before, unless the part is first without any of its own.
            part.setFont(QFont())
            part.setFont(app.font())


def _wear(wearer: QApplication | QWidget, put_on: str, wanted: str) -> None:
    if shiboken6.isValid(wearer) and wearer.styleSheet() not in (wanted, put_on):
        with _uncollected():
            wearer.setStyleSheet(put_on)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage is collected meanwhile: a widget in it would go while Qt walks over all widgets."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _theme(dark: bool, high_contrast: bool) -> Theme:
    return next(each for each in THEMES if (each.dark, each.high_contrast) == (dark, high_contrast))


def system_is_dark() -> bool:
    """Whether the system asks for a dark look."""
    return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark


def text_font(points: float) -> QFont:
    """The font of text with its fallbacks for other scripts."""
    font = QFont(_installed(TEXT_FAMILIES) or QFont().families())
    font.setPointSizeF(points)
    return font


def mono_font(widget: QWidget, factor: float = 0.96) -> QFont:
    """A font of fixed pitch as large as the widget's text, with the text font's fallbacks behind it."""
    font = QFont(widget.font())
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    font.setFamilies([*(_installed(MONO_FAMILIES) or [fixed]), *font.families()])
    font.setStyleHint(QFont.StyleHint.Monospace)
    font.setFixedPitch(True)
    if font.pointSizeF() > 0:
        font.setPointSizeF(font.pointSizeF() * factor)
    return font


def set_role(widget: QWidget, role: str) -> QWidget:
    """Choose how the style sheet draws a widget.

    Args:
        widget: A label (``title``, ``heading``, ``muted``, ``mono``, ``error``, ``warning``, ``info``, ``success``), a
            push button (``primary``, ``danger``), a tool button (``quiet``) or a frame (``card``).
        role: One of these.

    Returns:
        The same widget.
    """
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
    return widget


def strength_of(surprise: float) -> float:
    """The place of a surprise, in bits, on the sequential scale: 1 from `STRONGEST` on."""
    return min(1.0, surprise / STRONGEST)


def strength_color(strength: float, theme: Theme | None = None) -> QColor:
    """A colour of the sequential scale.

    Args:
        strength: From 0 (expected) to 1 (surprising); what lies outside is clamped.
        theme: Of this theme, or of the current one.
    """
    stops = (theme or current()).scale
    place = min(max(strength, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    return mix(QColor(stops[low]), QColor(stops[low + 1]), place - low)


def draw_focus(painter: QPainter, rect: QRectF, radius: float, width: float) -> None:
    """Draw the ring that shows where the keyboard is."""
    painter.save()
    painter.setPen(QPen(QColor(current().accent), width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inset = width / 2
    painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), radius, radius)
    painter.restore()


def _logical_dpi(app: QApplication) -> float:
    screen = app.primaryScreen()
    return screen.logicalDotsPerInch() if screen else 96.0


@lru_cache(maxsize=8)
def _installed(families: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(family for family in families if QFontDatabase.hasFamily(family))


def _palette(theme: Theme) -> QPalette:
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    faint = QColor(theme.faint)
    for name, color in {
        role.Window: theme.window, role.WindowText: theme.text, role.Base: theme.surface, role.Text: theme.text,
        role.AlternateBase: theme.sunken, role.Button: theme.surface, role.ButtonText: theme.text,
        role.BrightText: theme.error, role.Highlight: theme.accent, role.HighlightedText: theme.accent_text,
        role.Link: theme.accent, role.LinkVisited: theme.code["keyword"], role.ToolTipBase: theme.surface,
        role.ToolTipText: theme.text, role.PlaceholderText: theme.muted, role.Light: theme.surface,
        role.Midlight: theme.sunken, role.Mid: theme.border, role.Dark: theme.strong_border, role.Shadow: theme.border,
        role.Accent: theme.accent,
    }.items():  # fmt: skip
        palette.setColor(name, QColor(color))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, name, faint)
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.border))
    palette.setColor(group.Disabled, role.HighlightedText, QColor(theme.text))
    return palette
