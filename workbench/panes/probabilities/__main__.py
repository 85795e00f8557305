"""The Probabilities pane alone: ``python -m workbench.panes.probabilities FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from workbench.engine import generate, models
from workbench.engine.values import Checkpoint
from workbench.panes.probabilities.pane import ProbabilitiesPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

application = QApplication(sys.argv)
theme.apply(application, theme.system_is_dark())
folder = Path(sys.argv[1])
preview_session, preview_runner = Session(), Runner()
model = models.load(Checkpoint(folder.name, folder))
preview_session.set_model(model)
preview_session.set_encoding(generate.prepare(model, "The quick brown fox"))
if preview_session.encoding is not None:
    for step in generate.stream(model, preview_session.encoding, preview_session.sampling).steps:
        preview_session.add_step(step)
pane = ProbabilitiesPane(preview_session, preview_runner)
pane.resize(1200, 800)
pane.show()
application.exec()
preview_runner.shut_down()
