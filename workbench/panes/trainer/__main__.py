"""Run the pane alone: ``python -m workbench.panes.trainer``."""

from __future__ import annotations

import sys

from PySide6.QtWidgets import QApplication

from workbench.panes.trainer.pane import TrainerPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme


def main() -> int:
    """Show the pane with what is on this machine."""
    app = QApplication(sys.argv)
    theme.apply(app, theme.system_is_dark())
    runner = Runner()
    pane = TrainerPane(Session(), runner)
    pane.resize(1300, 850)
    pane.show()
    code = app.exec()
    runner.shut_down()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
