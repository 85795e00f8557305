"""Results of sound: a transcript over the wave it was heard in, and a sound that was made."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTemporaryDir, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine.tasks import sounds
from workbench.engine.values import Sound, TaskResult
from workbench.widgets import icons, saving
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.theme import px, set_role
from workbench.widgets.visible_text import drawable
from workbench.widgets.waveform import Waveform


class TranscriptView(QSplitter):
    """The wave with its parts marked, the text, and the parts with their seconds; wave and parts are linked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._wave = named(Waveform(), "tasks.heard", "Sound", "What was heard; parts with time stamps are marked")
        self._text = named(QPlainTextEdit(), "tasks.transcript", "Transcript", "What was said")
        self._text.setReadOnly(True)
        self._chunks = named(DataTable(), "tasks.chunks", "Parts", "Each part with the seconds it was said at")
        for column in (0, 1):
            self._chunks.set_format(column, "{:.2f}".format)
        for each in (self._wave, self._text, self._chunks):
            self.addWidget(each)
        self.setChildrenCollapsible(False)
        self._wave.span_clicked.connect(self._chunks.select_row)
        self._chunks.row_selected.connect(self._wave.set_chosen)

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        text, *chunks = result.items
        tensors = {tensor.name: tensor.values for tensor in result.stages[0].tensors}
        self._wave.set_samples(tensors["samples"][0], int(tensors["sampling_rate"][0]))
        stamped = [chunk for chunk in chunks if chunk.start is not None]
        ends = [chunk.end if chunk.end is not None else self._wave.seconds for chunk in stamped]
        self._wave.set_spans([(chunk.start, end, chunk.text) for chunk, end in zip(stamped, ends, strict=True)])
        self._text.setPlainText(drawable(text))
        spoken = any(chunk.language for chunk in chunks)
        rows = [(chunk.start, chunk.end, *((chunk.language,) if spoken else ()), chunk.text) for chunk in chunks]
        self._chunks.set_rows(("from (s)", "to (s)", *(("language",) if spoken else ()), "text"), rows)
        self._chunks.setVisible(bool(chunks))
        self.setSizes([px(self, 120), px(self, 120), px(self, 180)])
        return text.strip() or "Nothing was said"


class SpokenView(QWidget):
    """A sound that was made: its wave, what can be done with it, and the text that it says where that was made too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sound: Sound | None = None
        self._folder: QTemporaryDir | None = None
        self._wave = named(Waveform(), "tasks.spoken", "Sound", "What was made, over its seconds")
        self._words = named(
            QPlainTextEdit(), "tasks.spoken_text", "What it says", "The text that was written, and said"
        )
        self._words.setReadOnly(True)
        self._about = set_role(QLabel(), "muted")
        self._play = named(QPushButton("Play"), "tasks.play", "Play", "Play it with the system's player")
        icons.put(self._play, "play")
        self._save = named(QPushButton("Save as WAV"), "tasks.save_wav", "Save as WAV", "Write it to a file")
        icons.put(self._save, "save")
        row = QHBoxLayout()
        row.addWidget(self._play)
        row.addWidget(self._save)
        row.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._words, 1)
        column.addWidget(self._wave, 1)
        column.addLayout(row)
        self._play.clicked.connect(self._on_play)
        self._save.clicked.connect(self._on_save)

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        *said, self._sound = result.items
        self._words.setPlainText(drawable("".join(said)))
        self._words.setVisible(bool(said))
        self._wave.set_samples(self._sound.samples, self._sound.rate)
        words = f"{self._wave.seconds:.2f} seconds at {self._sound.rate:,} samples a second"
        self._about.setText(words)
        return f"{said[0]} ({words})" if said else words

    def _on_play(self) -> None:
        if self._sound is None:
            return
        if self._folder is None:
            self._folder = QTemporaryDir()
        path = Path(self._folder.filePath("speech.wav"))
        if saving.write_or_tell(self, path, self._write) and not QDesktopServices.openUrl(
            QUrl.fromLocalFile(str(path))
        ):
            pane = self.parentWidget()
            while pane is not None and not isinstance(pane, PaneFrame):
                pane = pane.parentWidget()
            if pane is not None:
                pane.show_notice(
                    "The sound could not be played.",
                    "The system has no program that opens WAV files.",
                    "Save it, and play it elsewhere.",
                    kind="warning",
                )

    def _on_save(self) -> None:
        saving.save(self, "Save the sound", "speech.wav", "WAV (*.wav)", ".wav", self._write)

    def _write(self, path: Path) -> None:
        assert self._sound is not None
        sounds.save(self._sound, path)
