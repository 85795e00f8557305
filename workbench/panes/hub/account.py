"""Who is logged in to the Hub, with a field for a token that nothing but the client's own store keeps."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Account, endpoints
from workbench.engine.task import Task
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role

_OWN = "the client's own Hub"


class AccountDialog(QDialog):
    """Logs in and out; what it asks of the Hub it asks on the IO lane.

    Args:
        runner: Asks the Hub.
    """

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("hub.account_dialog")
        self.setWindowTitle("Hub account")
        self._runner = runner
        self._job: Job | None = None

        self._status = named(QLabel("Asking the Hub…"), "hub.account_status", "Account")
        self._status.setWordWrap(True)
        self._status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._token = named(
            QLineEdit(),
            "hub.token",
            "Token",
            "From the Hub's settings, under Access Tokens; it is kept by huggingface_hub's own store and nowhere else",
        )
        self._token.setEchoMode(QLineEdit.EchoMode.Password)
        self._token.setPlaceholderText("hf_…")
        self._log_in = _button("log_in", "Log in", "check", "Ask the Hub whose token this is, and store it")
        set_role(self._log_in, "primary")
        icons.put(self._log_in, "check", "accent_text")
        self._log_out = _button("log_out", "Log out", "close", "Remove the stored token from this machine")
        self._page = _button(
            "token_page", "Get a token…", "online", "Open the Hub's page of access tokens in your web browser"
        )
        self._hub = named(
            QComboBox(),
            "hub.endpoint",
            "Hub",
            "Which Hub is asked: the client's own, or a mirror by its https address; each has a token of its own",
        )
        self._use = _button("use_endpoint", "Use", "check", "Ask this Hub from the next start on")
        self._about_hub = named(QLabel(), "hub.endpoint_status", "Hub in use", "Which Hub is asked now")
        self._about_hub.setWordWrap(True)
        set_role(self._about_hub, "muted")
        self._show_hubs()
        self._lay_out()

        self._use.clicked.connect(self._on_use)
        self._log_in.clicked.connect(self._on_log_in)
        self._token.returnPressed.connect(self._on_log_in)
        self._log_out.clicked.connect(self._on_log_out)
        self._page.clicked.connect(self._on_page)
        self._ask(Job("Ask who is logged in", _who, pane="hub", quiet=True))

    def _on_log_in(self) -> None:
        token = self._token.text()
        # Not even the field keeps it.
        self._token.clear()
        self._ask(Job("Log in to the Hub", _log_in, token, pane="hub"))

    def _on_log_out(self) -> None:
        self._ask(Job("Log out of the Hub", _log_out, pane="hub"))

    def _on_use(self) -> None:
        text = self._hub.currentText()
        try:
            address = endpoints.choose("" if text == _OWN else text)
        except WorkbenchError as error:
            set_role(self._about_hub, "error")
            self._about_hub.setText(f"{error.what} {error.why} {error.remedy}")
            return
        self._show_hubs()
        self._about_hub.setText(f"From the next start on, {address or 'the own Hub of the client'} is asked.")

    def _show_hubs(self) -> None:
        chosen = endpoints.chosen()
        self._hub.setEditable(True)
        self._hub.clear()
        self._hub.addItems([_OWN, *endpoints.known()])
        self._hub.setCurrentText(chosen or _OWN)
        fixed = endpoints.by_environment()
        self._hub.setEnabled(not fixed)
        self._use.setEnabled(not fixed)
        why = ", as HF_ENDPOINT of the environment says" if fixed else ""
        set_role(self._about_hub, "muted")
        self._about_hub.setText(f"Asked now: {hub.endpoint()}{why}.")

    def _on_page(self) -> None:
        QDesktopServices.openUrl(QUrl(f"{hub.endpoint()}/settings/tokens"))

    def _ask(self, job: Job) -> None:
        if self._job is not None:
            return
        job.succeeded.connect(self._show)
        job.failed.connect(self._tell)
        job.finished.connect(self._on_finished)
        self._job = job
        self._show_busy()
        self._runner.start(job, Lane.IO)

    def _on_finished(self) -> None:
        self._job = None
        self._show_busy()

    def _show(self, account: Account | None) -> None:
        set_role(self._status, "" if account is None else "success")
        if account is None:
            self._status.setText("Nobody is logged in. What is public can be fetched without.")
            return
        may = {"read": "it may read", "write": "it may read and write"}.get(account.role, account.role)
        parts = [f"Logged in as {account.name}"]
        if account.token:
            parts.append(f"with the token “{account.token}”" + (f", {may}" if may else ""))
        text = " ".join(parts) + "."
        if account.organizations:
            text += f" Member of {', '.join(account.organizations)}."
        if hub.token_variable():
            text += f" The token comes from the environment ({hub.token_variable()})."
        self._status.setText(text)

    def _tell(self, error: WorkbenchError) -> None:
        set_role(self._status, "error")
        self._status.setText(f"{error.what} {error.why} {error.remedy}")

    def _show_busy(self) -> None:
        idle = self._job is None
        self._log_in.setEnabled(idle)
        self._log_out.setEnabled(idle and hub.has_token())

    def _lay_out(self) -> None:
        self.resize(px(self, 560), px(self, 270))
        label = QLabel("Token")
        label.setBuddy(self._token)
        line = QHBoxLayout()
        line.addWidget(label)
        line.addWidget(self._token, 1)
        line.addWidget(self._log_in)
        below = QHBoxLayout()
        below.addWidget(self._page)
        below.addStretch(1)
        below.addWidget(self._log_out)
        layout = QVBoxLayout(self)
        layout.addWidget(self._status)
        layout.addStretch(1)
        layout.addLayout(line)
        layout.addLayout(below)
        choice = QHBoxLayout()
        hub_label = QLabel("Hub")
        hub_label.setBuddy(self._hub)
        choice.addWidget(hub_label)
        choice.addWidget(self._hub, 1)
        choice.addWidget(self._use)
        layout.addLayout(choice)
        layout.addWidget(self._about_hub)


def _button(name: str, text: str, icon: str, tip: str) -> QPushButton:
    button = named(QPushButton(text), f"hub.{name}", text, tip)
    icons.put(button, icon)
    return button


def _who(*, task: Task) -> Account | None:
    return hub.who(task=task)


def _log_in(token: str, *, task: Task) -> Account:
    return hub.log_in(token, task=task)


def _log_out(*, task: Task) -> None:
    task.check()
    hub.log_out()
