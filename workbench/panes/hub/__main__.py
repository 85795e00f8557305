"""The Hub pane alone: ``python -m workbench.panes.hub``."""

from __future__ import annotations

import sys

from PySide6.QtWidgets import QApplication

from workbench.panes.hub.pane import HubPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

application = QApplication(sys.argv)
theme.apply(application, theme.system_is_dark())
preview_session, preview_runner = Session(), Runner()
pane = HubPane(preview_session, preview_runner)
pane.resize(1200, 800)
pane.show()
application.exec()
preview_runner.shut_down()
