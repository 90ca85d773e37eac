"""An app that says what goes wrong: in a corner of the screen, on the log screen, and in the log file."""

from typing import Any

from textual.app import App
from textual.notifications import SeverityLevel

from curation.errors import StatedError
from curation.text import visible
from engine.errors import each_problem
from loratui.screens.step import StepScreen
from loratui.user.app_log import AppLog, Severity


class TellingApp(App[None]):
    """Whatever it says is in `app_log` too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app_log = AppLog()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """A toast, and an entry of the log."""
        self._log(f"{title} {message}".strip(), severity)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def tell(self, error: StatedError) -> None:
        """Say what is wrong, of several things the first, and what to do about it; the log has all of it."""
        first, *others = each_problem(error)
        self._log(f"{first.problem} {first.remedy}", "error", error)
        for other in others:
            self._log(f"{other.problem} {other.remedy}", "error")
        remedy = visible(first.remedy)
        if others:
            remedy += f"\nAnd {len(others)} more: see the plan on 4 Recipe, or the log (L)."
        super().notify(remedy, title=visible(first.problem), severity="error", timeout=10, markup=False)

    def tell_unexpected(self, error: BaseException) -> None:
        """Say that something broke which the program outlives."""
        self._log(f"This should not happen: {error!r}", "error", error)
        super().notify(
            "The log has the whole of it: press L.",
            title=f"This should not happen: {visible(repr(error))[:200]}",
            severity="error",
            timeout=10,
            markup=False,
        )

    def _log(self, text: str, severity: Severity, error: BaseException | None = None) -> None:
        self.app_log.add(text, severity, error)
        self.call_later(self._draw_log)

    def _draw_log(self) -> None:
        screen = self.screen
        if isinstance(screen, StepScreen) and screen.mode == "log" and screen.is_mounted:
            screen.draw()
