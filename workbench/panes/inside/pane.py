"""The model, looked into: what is asked above, and four ways of looking at what was found below."""

from __future__ import annotations

from PySide6.QtCore import QSize, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QTabWidget, QWidget

from workbench.engine import inside
from workbench.engine.codegen.inside import Asked
from workbench.engine.errors import WorkbenchError
from workbench.engine.inside import Attentions, Inside
from workbench.engine.task import Progress
from workbench.engine.values import Encoding
from workbench.panes.inside.attention_view import AttentionView
from workbench.panes.inside.embeddings_view import EmbeddingsView
from workbench.panes.inside.form import Form
from workbench.panes.inside.lens_view import LensView
from workbench.panes.inside.norms_view import NormsView
from workbench.panes.inside.section import Section
from workbench.panes.inside.wells import Wells
from workbench.panes.inside.work import Near, look_at, look_at_run, near
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame

#: Milliseconds that a text rests before a live pane looks again.
_REST = 400
#: Characters up to which the text is written into the code.
_CODED = 20_000


class _Sections(QTabWidget):
    """The four sections, which share out whatever height there is."""

    def hasHeightForWidth(self) -> bool:
        """No: as the notes above them wrap, they would be as high as they like to be at the least."""
        return False

    def sizeHint(self) -> QSize:
        """As low as they can be: a page that scrolls is as high as what stands in it likes to be."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())


class InsidePane(PaneFrame):
    """Logit lens, attention, hidden states and embeddings of the loaded model.

    Args:
        session: Whose model, prompt and run are looked at.
        runner: Looks on the model's lane.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("inside", "Inside", parent)
        self._session = session
        self._runner = runner
        self._job: Job | None = None
        self._looking = False
        self._inside: Inside | None = None
        self._selected: tuple[str, int] | None = None

        self._form = Form()
        Wells(self._form, runner, self)
        self._lens = LensView()
        self._attention = AttentionView()
        self._norms = NormsView()
        self._embeddings = EmbeddingsView()
        self._sections = named(
            _Sections(),
            "inside.sections",
            "Sections",
            "Logit lens, attention maps, lengths of the hidden states, and the vectors of the tokens",
        )
        self._sections.setDocumentMode(True)
        for title, section in (
            ("Lens", self._lens),
            ("Attention", self._attention),
            ("Norms", self._norms),
            ("Embeddings", self._embeddings),
        ):
            self._sections.addTab(section, title)
            section.position_chosen.connect(self._on_position)
            section.changed.connect(self._show_script)
        self.body.addWidget(self._form)
        self.body.addWidget(self._sections, 1)
        self._later = QTimer(self, interval=_REST, singleShot=True)

        self._later.timeout.connect(self._look_live)
        self._form.text.textChanged.connect(self._on_text_changed)
        self._form.source.currentIndexChanged.connect(self._on_asked)
        self._form.submodel.currentIndexChanged.connect(self._on_asked)
        self._form.positions.valueChanged.connect(self._on_asked)
        self._form.picture.changed.connect(self._on_asked)
        self._form.sound.changed.connect(self._on_asked)
        self._form.film.changed.connect(self._on_asked)
        self._form.other.changed.connect(self._on_asked)
        self._form.file.changed.connect(self._on_asked)
        self._form.example.clicked.connect(self._on_example)
        self._form.live.toggled.connect(self._on_asked)
        self._form.run.clicked.connect(self.run_main_action)
        self._form.stop.clicked.connect(self.stop_main_action)
        self._sections.currentChanged.connect(self._on_section)
        self._attention.wanted.connect(self._attend)
        self._embeddings.wanted.connect(self._find_near)
        self.code_shown.connect(self._show_script)
        session.model_changed.connect(self._show_model)
        session.prompt_changed.connect(self._show_prompt)
        session.encoding_changed.connect(self._show_run)
        session.steps_reset.connect(self._show_run)
        session.step_added.connect(self._show_run)
        session.selection_changed.connect(self._show_selection)

        self._show_prompt()
        self._show_model()

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether the model is being looked into."""
        return self._job is not None

    @property
    def inside(self) -> Inside | None:
        """What is shown."""
        return self._inside

    @property
    def attentions(self) -> Attentions | None:
        """The attention maps that are shown."""
        return self._attention.attentions

    @property
    def near(self) -> Near | None:
        """The map and the neighbours that are shown."""
        return self._embeddings.near

    def run_main_action(self) -> None:
        """Look into the model."""
        if not self._form.run.isEnabled():
            return
        self._look()

    def stop_main_action(self) -> None:
        """Stop looking."""
        if self._job is not None:
            self._job.cancel()

    def select(self, part: str, position: int) -> None:
        """Select a position of a part, here and in the session where it holds the same sequence."""
        self._selected = (part, position)
        for section in self._all_sections:
            section.select(part, position)
        place = self._place_in_session(part, position)
        if place is not None:
            self._session.set_selection(place)

    # What the person did, and what came of it.

    def _on_text_changed(self) -> None:
        self._session.set_prompt(self._form.text.text())
        self._on_asked()

    def _on_asked(self) -> None:
        model = self._session.model
        if self._inside is None and model is not None and self._job is None and not self.is_empty:
            self._form.show_needs(model)
        if self._form.live.isChecked() and self.isVisible():
            self._later.start()

    def _on_example(self) -> None:
        """Give what the model reads and is not given yet."""
        if self._session.model is not None:
            self._form.set_asked(inside.example(self._session.model))

    def _on_section(self) -> None:
        self._complete()
        self._show_script()

    def _on_position(self, part: str, position: int) -> None:
        self.select(part, position)

    def _look_live(self) -> None:
        if self._form.live.isChecked() and self._session.model is not None and not self.is_empty:
            self._look()

    def _look(self) -> None:
        model, most, start = self._session.model, self._form.positions.value(), self._session.start
        if model is None:
            return
        self.clear_notices()
        title = f"Look into {model.checkpoint.name}"
        if self._form.of_run and start is not None:
            written = tuple(step.token_id for step in self._session.steps)
            job = Job(
                title,
                look_at_run,
                model,
                start,
                written,
                most,
                self._form.path,
                pane="inside",
                stops="at the next layer",
            )
        else:
            job = Job(
                title, look_at, model, self._form.asked, most, self._form.path, pane="inside", stops="at the next layer"
            )
        job.succeeded.connect(self._on_looked)
        self._start(job, looking=True)

    def _start(self, job: Job, *, looking: bool = False) -> None:
        job.progressed.connect(self._on_progress)
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self._on_cancelled)
        job.finished.connect(self._on_finished)
        self._job, self._looking = job, looking
        self._form.say("looking …")
        self._show_buttons()
        self._runner.start(job, Lane.MODEL, slot="inside")

    def _on_progress(self, progress: Progress) -> None:
        total = f" of {progress.total:,.0f}" if progress.total else ""
        self._form.say(f"{progress.note}: {progress.done:,.0f}{total} {progress.unit}")

    def _on_looked(self, found: Inside) -> None:
        self._inside = found
        self._selected = None
        for section in self._all_sections:
            section.show_inside(found)
        given = found.given
        if given.text is not None and not given.made and self._session.branch is None:
            # What went into the model last, for all panes that show positions of it.
            self._session.set_encoding(Encoding(given.text, given.tokens, given.cut))
        self._show_state()
        self._show_script()
        self._show_selection()

    def _on_attended(self, found: Attentions) -> None:
        if self._inside is not None and found.given is self._inside.given:
            self._attention.show_attention(found)
            if self._selected is not None:
                self._attention.select(*self._selected)
        self._show_state()

    def _on_near(self, found: Near) -> None:
        self._embeddings.show_near(found)
        self._show_state()

    def _on_failed(self, error: WorkbenchError) -> None:
        self._form.say("failed")
        self.show_notice(error.what, error.why, error.remedy, self._job.details if self._job is not None else "")
        section = self._sections.currentWidget()
        if not self._looking and section is self._attention:
            self._attention.show_refusal(f"{error.what} {error.why}")
        elif not self._looking and section is self._embeddings:
            self._embeddings.show_near(Near(None, (), error.why))

    def _on_cancelled(self) -> None:
        self._form.say("stopped")

    def _on_finished(self) -> None:
        if self.sender() is self._job:
            looked, self._job, self._looking = self._looking, None, False
            self._show_buttons()
            if looked:
                self._complete()

    def _complete(self) -> None:
        """Get what the section that is seen lacks."""
        section = self._sections.currentWidget()
        if self._job is not None or not self.isVisible():
            return
        if section is self._attention and self._attention.lacking:
            self._attend("", -1)
        elif section is self._embeddings and self._embeddings.lacking:
            self._find_near()

    def _attend(self, kind: str, layer: int) -> None:
        model, found = self._session.model, self._inside
        if model is None or found is None or self._looking:
            return
        title = f"Attention maps of {model.checkpoint.name}"
        job = Job(
            title, inside.attend, model, found.given, kind=kind, layer=layer, pane="inside", stops="at the next layer"
        )
        job.succeeded.connect(self._on_attended)
        self._start(job)

    def _find_near(self) -> None:
        model, asked = self._session.model, self._embeddings.asked
        if model is None or asked is None or self._looking or self._sections.currentWidget() is not self._embeddings:
            return
        inner = inside.within(model, self._inside.given) if self._inside is not None else model
        job = Job(f"Neighbours in {model.checkpoint.name}", near, inner, *asked, pane="inside", quiet=True)
        job.succeeded.connect(self._on_near)
        self._start(job)

    # The state changed.

    @property
    def _all_sections(self) -> tuple[Section, ...]:
        return (self._lens, self._attention, self._norms, self._embeddings)

    def _show_model(self) -> None:
        model = self._session.model
        if self._job is not None:
            self._job.abandon()
            self._job, self._looking = None, False
        self.clear_notices()
        self._inside = None
        self._selected = None
        for section in self._all_sections:
            section.show_inside(None)
        self._show_run()
        self._show_buttons()
        if model is None:
            words = "No checkpoint is loaded. Load one in Hub, and look here at what happens between its layers."
            self.show_empty(words, "Open Hub", self.hub_requested.emit)
            return
        why = inside.refusal(model)
        if why:
            words = f"{why}\nLoad a checkpoint that reads texts, pictures or sounds in Hub."
            self.show_empty(words, "Open Hub", self.hub_requested.emit)
            return
        self.show_body()
        self._form.show_for(inside.reads(model), inside.wanted(model))
        self._form.offer_submodels(model)
        self._form.show_needs(model)
        self._show_script()
        self._on_asked()

    def _show_prompt(self) -> None:
        if self._form.text.text() != self._session.prompt:
            self._form.text.set_text(self._session.prompt)

    def _show_run(self) -> None:
        self._form.offer_run(self._session.start is not None and bool(self._session.steps))
        if self._form.of_run:
            self._on_asked()
        self._show_selection()

    def _show_buttons(self) -> None:
        self._form.run.setEnabled(self._job is None and self._session.model is not None)
        self._form.stop.setEnabled(self._job is not None)

    def _show_state(self) -> None:
        found = self._inside
        if found is None:
            return
        parts = found.parts
        words = [f"{len(each.tokens):,} {'' if each.name == 'model' else each.name + ' '}positions" for each in parts]
        sized = [part for part in parts if part.name.startswith("model ")]
        seen = f"{len(sized)} sizes of maps" if sized else " + ".join(words[:3]) + (" + more" if words[3:] else "")
        cut = f", {found.given.cut:,} more were cut off" if found.given.cut else ""
        name = f"{found.given.submodel.removeprefix('model.')}: " if found.given.submodel else ""
        self._form.say(f"{name}{seen}{cut} · {sum(len(part.rows) for part in parts)} states · {found.seconds:.1f} s")

    def _show_selection(self) -> None:
        found, selection = self._inside, self._session.selection
        if found is None or selection is None:
            return
        for part in found.parts:
            places = range(len(part.tokens))
            position = next((each for each in places if self._place_in_session(part.name, each) == selection), None)
            if position is not None:
                if self._selected != (part.name, position):
                    self.select(part.name, position)
                return

    def _place_in_session(self, part: str, position: int) -> int | None:
        """Where the session has a position, if it holds the very ids that were looked at."""
        found, session = self._inside, self._session
        if found is None or session.encoding is None or part not in ("model", "encoder", "decoder"):
            return None
        prompt = session.encoding.input_ids
        written = tuple(step.token_id for step in session.steps)
        given = found.given
        if not given.decoder_start:
            own = given.input_ids
            if not own or max(found.part(part).ids) < 0:
                return None
            return position if part != "decoder" and (*prompt, *written)[: len(own)] == own else None
        if prompt[: len(given.input_ids)] != given.input_ids or written[: len(given.written)] != given.written:
            return None
        if part == "encoder":
            return position
        step = position - len(given.decoder_start)
        return len(prompt) + step if step >= 0 else None

    def _show_script(self) -> None:
        model, found = self._session.model, self._inside
        if not self.code_is_shown:
            return
        if model is None or found is None:
            self.set_code("# Look inside first: the script is of what is shown.\n")
            return
        if found.given.text is not None and len(found.given.text) > _CODED:
            self.set_code(
                f"# A text of {len(found.given.text):,} characters is too long to be written into a script.\n"
            )
            return
        section = self._sections.currentWidget()
        asked = Asked(model, found.given, inside.arguments(model, found.given))
        code = section.script(asked) if isinstance(section, Section) else ""
        self.set_code(code or "# There is nothing here that a script could give.\n")

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Get what the section lacks that is seen now."""
        super().showEvent(event)
        QTimer.singleShot(0, self, self._complete)

    def hideEvent(self, event: QHideEvent) -> None:
        """Look no more while nobody sees it."""
        super().hideEvent(event)
        self._later.stop()
