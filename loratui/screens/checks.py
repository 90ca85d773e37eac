"""Checks: what lint says about the photos, and what to do about it."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from curation.dataset import Dataset, exclude, include
from curation.errors import StatedError
from curation.report import Finding, Report, Skipped
from curation.text import visible
from engine.config import TrainConfig
from engine.plan import training_needs
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.step import StepScreen
from loratui.widgets.quiet_bar import QuietBar
from loratui.widgets.quiet_table import QuietTable

SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "not checked": "dim"}
TALL = 30  # rows of a terminal that has room for more than the first action


class ChecksScreen(StepScreen):
    """The second step: runs the checks when it comes up for photos that were not checked yet."""

    mode = "checks"
    CSS_PATH = "checks.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "check_again", "Check again", tooltip="Check the photos as they are now"),
        Binding(
            "x", "leave_out", "Leave out", tooltip="Leave the finding's photos out of training; of copies one stays"
        ),
        Binding("u", "take_back", "Undo", tooltip="Take the photos back that were left out last"),
    ]

    class Progressed(Message, bubble=False):
        """So many photos are measured."""

        def __init__(self, done: int, total: int) -> None:
            super().__init__()
            self.done, self.total = done, total

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ChecksScreen.Progressed)

    class Checked(Message, bubble=False):
        """The checks of a dataset are made."""

        def __init__(self, dataset: Dataset, report: Report) -> None:
            super().__init__()
            self.dataset, self.report = dataset, report

    class CheckFailed(Message, bubble=False):
        """The checks could not be made."""

        def __init__(self, error: StatedError) -> None:
            super().__init__()
            self.error = error

    def compose_body(self) -> Iterator:
        with Horizontal(id="verdict", classes="panel"):
            yield Static(id="verdict-line", markup=False)
            yield QuietBar()
        with Horizontal(classes="panes"):
            yield QuietTable(("Severity", "Photos", "Rule"), id="findings")
            with VerticalScroll(id="detail", classes="panel", can_focus=True):
                yield Static(id="detail-text", markup=False)

    def on_mount(self) -> None:
        self.query_one("#verdict").border_title = "Verdict"
        self.query_one("#findings").border_title = "Findings"
        self.query_one("#findings").add_class("panel")
        self.query_one("#detail").border_title = "What it means"
        self.query_one(QuietBar).display = False
        self.query_one("#findings").focus()

    def draw(self) -> None:
        if self.project.dataset is None:
            self.query_one("#verdict-line", Static).update("No photos are open: press 1 and name their folder.")
        elif self.project.report is None:
            self._start()
        else:
            self._draw_report(self.project.report)

    def action_check_again(self) -> None:
        """Check what is in the folder now: another program may have changed it."""
        try:
            self.project.read_again()
        except StatedError as error:
            self.tell(error)
            return
        self.draw_standings()
        self._start()

    def _start(self) -> None:
        """Check the photos, in the background."""
        if self.project.dataset is None:
            return
        self.query_one("#verdict-line", Static).update("Checking ...")
        bar = self.query_one(QuietBar)
        bar.display = True
        bar.show(0, len(self.project.dataset.trainable))
        self._check(self.project.dataset, self.project.recipe.compose().config)

    @work(thread=True, exclusive=True, group="lint", exit_on_error=False)
    def _check(self, dataset: Dataset, config: TrainConfig) -> None:
        from curation.lint import lint  # 300 ms: OpenCV and SciPy

        worker = get_current_worker()

        def on_progress(done: int, total: int) -> None:
            if worker.is_cancelled:
                raise _NotWantedAnyMore
            self.post_message(self.Progressed(done, total))

        try:
            report = lint(dataset, config.concept.kind, training_needs(config), config.lint.selection(), on_progress)
        except StatedError as error:
            self.post_message(self.CheckFailed(error))
        except _NotWantedAnyMore:
            return
        else:
            self.post_message(self.Checked(dataset, report))

    def on_checks_screen_progressed(self, message: Progressed) -> None:
        self.query_one(QuietBar).show(message.done, message.total)

    def on_checks_screen_checked(self, message: Checked) -> None:
        if message.dataset is self.project.dataset:
            self.project.report = message.report
            self._draw_report(message.report)
            self.draw_standings()

    def on_checks_screen_check_failed(self, message: CheckFailed) -> None:
        self.query_one(QuietBar).display = False
        self.query_one("#verdict-line", Static).update(visible(message.error.problem))
        self.tell(message.error)

    def _draw_report(self, report: Report) -> None:
        self.query_one(QuietBar).display = False
        from curation.formats.text import verdict_line
        from curation.verdict import actions

        room = 3 if self.size.height >= TALL else 1
        to_do = [
            f"{word}: {one.text}" for word, one in zip(("First", "Then", "Then"), actions(report)[:room], strict=False)
        ]
        self.query_one("#verdict-line", Static).update("\n".join(map(visible, [verdict_line(report), *to_do])))
        entries: list[Finding | Skipped] = [*report.findings, *report.skipped]
        self._entries: Mapping[str, Finding | Skipped] = {str(number): entry for number, entry in enumerate(entries)}
        table = self.query_one(QuietTable)
        table.show_rows((key, _cells(entry)) for key, entry in self._entries.items())
        for key, entry in self._entries.items():
            severity = entry.severity if isinstance(entry, Finding) else "not checked"
            table.update_cell(key, "Severity", Text(severity, style=SEVERITY_STYLES[severity]))
        if not entries:
            self.query_one("#detail-text", Static).update("Nothing was found.")

    def on_data_table_row_highlighted(self, event: QuietTable.RowHighlighted) -> None:
        entry = self._entries.get(str(event.row_key.value))
        if entry is not None:
            self.query_one("#detail-text", Static).update(_detail(entry))
            self.query_one("#detail", VerticalScroll).scroll_home(animate=False)

    def _finding(self) -> Finding | None:
        """The finding under the cursor."""
        report, row = self.project.report, self.query_one(QuietTable).cursor_row
        return report.findings[row] if report and row < len(report.findings) else None

    def action_leave_out(self) -> None:
        """Leave the photos of the finding under the cursor out; ask first where the rule does not suggest it."""
        from curation.checks import rule

        finding = self._finding()
        if finding is None:
            return
        names = finding.photos[rule(finding.code).keeps :]
        if not names:
            self.notify("This is about the whole set: there is no photo to leave out.")
        elif rule(finding.code).mend == "exclude" or len(names) == 1:
            self._leave_out(finding, names)
        else:
            question = f"Leave these {len(names)} photos out of training?\n\n" + "\n".join(map(visible, names[:8]))
            self.app.push_screen(
                ConfirmScreen(question, "Leave out"), lambda yes: self._leave_out(finding, names) if yes else None
            )

    def _leave_out(self, finding: Finding, names: tuple[str, ...]) -> None:
        if self.project.dataset is None:
            return
        try:
            self.project.dataset = exclude(self.project.dataset, dict.fromkeys(names, f"{finding.code} {finding.rule}"))
        except StatedError as error:
            self.tell(error)
            return
        self.project.left_out.append(names)
        self.notify(visible(f"Left out: {', '.join(names)}. u takes back."), markup=False)
        self._start()

    def action_take_back(self) -> None:
        """Take the photos back that were left out last."""
        if self.project.dataset is None or not self.project.left_out:
            self.notify("Nothing was left out here. The screen Photos lists what is.")
            return
        names = self.project.left_out.pop()
        try:
            self.project.dataset = include(self.project.dataset, names)
        except StatedError as error:
            self.tell(error)
            return
        self._start()


class _NotWantedAnyMore(Exception):
    """Raised inside lint to end it early; what was measured is kept."""


def _cells(entry: Finding | Skipped) -> tuple[str, str, str]:
    from curation.checks import rule

    if isinstance(entry, Skipped):
        return "not checked", "", rule(entry.code).name
    more = f" +{len(entry.photos) - 1}" if len(entry.photos) > 1 else ""
    photos = f"{entry.photos[0]}{more}" if entry.photos else "the whole set"
    return entry.severity, photos, entry.rule


def _detail(entry: Finding | Skipped) -> Text:
    """All about one finding, as paragraphs."""
    from curation.checks import rule

    explanation = rule(entry.code).explanation
    if isinstance(entry, Skipped):
        return Text.assemble((f"{entry.code} was not checked", "bold"), f"\n\n{visible(entry.reason)}\n\n", explanation)
    text = Text.assemble((f"{entry.code} {entry.rule}\n", "dim"), (visible(entry.message), "bold"), "\n\n")
    if entry.fix:
        text.append(f"To do: {visible(entry.fix)}\n\n")
    text.append("\n".join(f"  {visible(name)}" for name in entry.photos) or "  the whole set")
    text.append(f"\n\n{explanation}")
    if entry.value is not None:
        limit = "" if entry.threshold is None else f" (limit {_number(entry.threshold)})"
        text.append(f"\n\nMeasured: {_number(entry.value)}{limit}", "dim")
    return text


def _number(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))
