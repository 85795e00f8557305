"""The Inside pane alone: ``python -m workbench.panes.inside FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from workbench.engine import models
from workbench.engine.values import Checkpoint
from workbench.panes.inside.pane import InsidePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

application = QApplication(sys.argv)
theme.apply(application, theme.system_is_dark())
folder = Path(sys.argv[1])
preview_session, preview_runner = Session(), Runner()
preview_session.set_model(models.load(Checkpoint(folder.name, folder)))
preview_session.set_prompt("The capital of France is")
pane = InsidePane(preview_session, preview_runner)
pane.resize(1200, 800)
pane.show()
application.exec()
preview_runner.shut_down()
