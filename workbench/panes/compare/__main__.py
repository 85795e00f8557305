"""The Compare pane alone: ``python -m workbench.panes.compare FOLDER [SECOND]``."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from workbench.engine import models
from workbench.engine.values import Checkpoint
from workbench.panes.compare.pane import ComparePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

application = QApplication(sys.argv)
theme.apply(application, theme.system_is_dark())
folders = [Path(argument) for argument in sys.argv[1:]]
loaded = [models.load(Checkpoint(folder.name, folder)) for folder in folders]
preview_session, preview_runner = Session(), Runner()
preview_session.set_model(loaded[0])
preview_session.set_second(loaded[1] if len(loaded) > 1 else None)
preview_session.set_prompt("The capital of France is")
pane = ComparePane(preview_session, preview_runner)
pane.resize(1200, 800)
pane.show()
application.exec()
preview_runner.shut_down()
