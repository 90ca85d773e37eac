"""Checks: what lint says about the photos, as it comes, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from curation.dataset import Dataset, exclude
from curation.errors import StatedError
from curation.report import Finding, Report
from curation.text import counted, visible
from engine.config import TrainConfig
from engine.plan import training_needs
from loratui.jobs import Job
from loratui.photos.findings import is_about_class_images, leaving, merged, rule_of
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.mending import Mending
from loratui.screens.page import PageScreen
from loratui.screens.step import StepScreen
from loratui.widgets.finding_list import FindingList
from loratui.widgets.finding_view import FindingView
from loratui.widgets.row_list import RowList

ACTIONS_SHOWN = {"-narrow": 1, "-normal": 3, "-wide": 5}
MOST_NAMED = 8
"""Photos in a question or a notice; more are counted."""


class ChecksScreen(Mending):
    """The second step: checks the photos when it comes up and they were not checked as they are."""

    mode = "checks"
    CSS_PATH = "checks.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "x",
            "leave_out",
            "Leave out",
            id="checks.leave_out",
            tooltip="Leave the finding's photos out of training; of copies one stays",
        ),
        Binding(
            "f",
            "fix",
            "Fix",
            id="checks.fix",
            tooltip="Mend the finding's photos in a copy of the folder, or leave out what cannot be mended",
        ),
        Binding(
            "F",
            "fix_all",
            "Fix all safe",
            id="checks.fix_all",
            tooltip="Mend all that loses nothing in a copy of the folder; shows every change first",
        ),
        Binding(
            "s",
            "suppress",
            "Suppress",
            id="checks.suppress",
            tooltip="Say that the finding is fine, and why; it is not reported again",
        ),
        Binding("slash", "filter", "Filter", id="checks.filter", tooltip="Show findings with these words only"),
        Binding(
            "S",
            "suppressed",
            "Suppressed",
            show=False,
            id="checks.suppressed",
            tooltip="What was said to be fine, and why; take one back",
        ),
        Binding(
            "e", "explain", "Explain", show=False, id="checks.explain", tooltip="All about the rule, as loratui explain"
        ),
        Binding(
            "b", "group", "By photo/rule", show=False, id="checks.group", tooltip="Group by photo, or by rule again"
        ),
        Binding("u", "undo", "Undo", show=False, id="checks.undo", tooltip="Take back what was done last"),
        Binding("U", "redo", "Redo", show=False, id="checks.redo", tooltip="Do once more what was taken back last"),
        Binding(
            "R",
            "undo_all",
            "Undo all",
            show=False,
            id="checks.undo_all",
            tooltip="Take back everything done since the folder was opened; lists it first",
        ),
        Binding(
            "r", "check_again", "Check again", show=False, id="checks.again", tooltip="Check the photos as they are now"
        ),
        Binding(
            "tab",
            "other_pane",
            "Other pane",
            show=False,
            id="checks.pane",
            tooltip="From the list to photos and words, and back",
        ),
    ]

    class Found(Message, bubble=False):
        """A job found this on single photos, and goes on."""

        def __init__(self, job: Job, findings: Sequence[Finding]) -> None:
            super().__init__()
            self.job, self.findings = job, findings

    def compose_body(self) -> Iterator:
        yield Static(id="verdict", classes="panel", markup=False)
        with Horizontal(classes="panes"):
            yield FindingList()
            yield FindingView()

    def on_mount(self) -> None:
        self._report: Report | None = None  # what is shown
        self._is_provisional = False  # whether that is what was found on single photos alone
        self._scan: Job | None = None
        self._scanned: tuple[Dataset, TrainConfig] | None = None
        self._starts_again = False
        self._trouble = ""
        self.query_one("#verdict").border_title = "Verdict"
        self.query_one(RowList).focus()

    # What is shown

    def draw(self) -> None:
        if self.project.dataset is None:
            self._draw_verdict()
        elif self.project.report is not None:
            if self.project.report is not self._report:
                self._is_provisional = False
                self._show(self.project.report)
        elif not self._is_as_scanned():
            if self._report and Path(self._report.dataset) != self.project.dataset.root:
                self._show(None)
            self._start()

    def on_resize(self) -> None:
        self._draw_verdict()

    def _show(self, report: Report | None) -> None:
        self._report = report
        self.query_one(FindingList).show(report)
        self._draw_verdict()
        self.refresh_bindings()

    def _draw_verdict(self) -> None:
        verdict, words = self.query_one("#verdict", Static), "\n".join(map(visible, self._verdict()))
        if verdict.content != words:
            verdict.update(words)

    def _verdict(self) -> list[str]:
        report = self._report
        if self.project.dataset is None:
            return ["No photos are open: press 1 and name their folder."]
        if self._trouble:
            return [self._trouble]
        if report is None:
            return ["Checking ..." if self._scan else "Not checked."]
        counts = ", ".join(
            counted(sum(finding.severity == word for finding in report.findings), word)
            for word in ("error", "warning", "info")
        )
        if self._scan and self.project.report is None:
            return [f"So far {counts}; checking goes on."]
        if self.project.report is None:
            return [f"Not complete: the checks were ended. Found before that: {counts}. r checks again."]
        from curation.formats.text import verdict_line
        from curation.verdict import actions

        room = next((count for name, count in ACTIONS_SHOWN.items() if self.has_class(name)), 1)
        to_do = actions(report)[:room]
        return [
            verdict_line(report),
            *(f"{'First' if number == 0 else 'Then'}: {one.text}" for number, one in enumerate(to_do)),
        ]

    def on_finding_list_moved(self) -> None:
        view, chosen = self.query_one(FindingView), self.query_one(FindingList).chosen
        if chosen:
            row = self.query_one(FindingList).row
            view.show(chosen, self._place, row.photo if row and row.is_group else None)
        elif self.query_one(FindingList).is_filtered:
            view.say("No finding has these words. esc shows all again.")
        else:
            view.say("Nothing was found." if self.project.report else "")

    def _place(self, finding: Finding, name: str) -> Path:
        """Where a photo that a finding names lies."""
        assert self.project.dataset
        class_images = training_needs(self._config).class_data_dir if is_about_class_images(finding) else None
        return (class_images or self.project.dataset.root) / name

    @property
    def _config(self) -> TrainConfig:
        return self.project.recipe.compose().config

    # Checking

    def _is_as_scanned(self) -> bool:
        """Whether the last checks, going on or ended, were of these photos and for this recipe."""
        scanned = self._scanned
        return scanned is not None and scanned[0] is self.project.dataset and scanned[1] == self._config

    def _start(self) -> None:
        """Check the photos in the background; after the checks that go on, which are of no use any more."""
        dataset, config = self.project.dataset, self._config
        if dataset is None:
            return
        if self._scan:
            self._scan.cancel()
            self._starts_again = True
            return
        early = self._report is None or self._is_provisional

        def work(job: Job) -> Report:
            from curation.lint import lint  # 300 ms: OpenCV and SciPy

            def tell(findings: Sequence[Finding]) -> None:
                if early:
                    self.post_message(self.Found(job, findings))

            selection, needs = config.lint.selection(), training_needs(config)
            return lint(dataset, config.concept.kind, needs, selection, job.progress, on_findings=tell)

        self._scanned, self._trouble = (dataset, config), ""
        self._scan = self.start_job("Checking the photos", work, self._take)
        self._draw_verdict()

    def on_checks_screen_found(self, message: Found) -> None:
        dataset = self.project.dataset
        if message.job is self._scan and not message.job.is_cancelled and dataset:
            empty = Report(str(dataset.root), len(dataset.photos), (), ())
            self._is_provisional = True
            self._show(merged(self._report or empty, message.findings))

    def on_step_screen_job_ended(self, message: StepScreen.JobEnded) -> None:
        if message.job is not self._scan:
            return
        self._scan = None
        if self._starts_again:
            self._starts_again = False
            self._start()
        elif isinstance(message.error, StatedError):
            self._trouble = message.error.problem
        self._draw_verdict()

    def _take(self, report: Report) -> None:
        if self._is_as_scanned():
            self.project.report, self._is_provisional = report, False
            self._show(report)
            self.draw_standings()
        else:
            self._start()

    def action_check_again(self) -> None:
        """Check what is in the folder now: another program may have changed it."""
        try:
            self.project.read_again()
        except StatedError as error:
            self.tell(error)
            return
        self.draw_standings()
        self._start()

    # One finding, or a group of them

    def _chosen(self) -> list[Finding]:
        """The findings under the cursor."""
        return [entry for entry in self.query_one(FindingList).chosen if isinstance(entry, Finding)]

    def _shown_report(self) -> Report | None:
        return self._report

    def _settled(self, findings: Sequence[Finding]) -> None:
        """These are dealt with: they leave the list at once, and all is judged again."""
        self.project.report = None
        if self._report:
            gone = set(findings)
            self._show(replace(self._report, findings=tuple(one for one in self._report.findings if one not in gone)))
        self.draw_standings()
        self._start()

    def action_leave_out(self) -> None:
        """Leave the photos under the cursor out; ask first where the rule does not suggest it."""
        findings, row = self._chosen(), self.query_one(FindingList).row
        reasons = leaving(findings, row.photo if row else None)
        if not reasons:
            self.notify("There is no photo to leave out: this is about the whole set, or about class images.")
        elif len(reasons) == 1 or (len(findings) == 1 and rule_of(findings[0]).mend == "exclude"):
            self._leave_out(findings, reasons)
        else:
            self.app.push_screen(
                ConfirmScreen(f"Leave these {len(reasons)} photos out of training?\n\n{_named(reasons)}", "Leave out"),
                lambda yes: self._leave_out(findings, reasons) if yes else None,
            )

    def _leave_out(self, findings: Sequence[Finding], reasons: dict[str, str]) -> None:
        assert self.project.dataset
        try:
            self.project.dataset = exclude(self.project.dataset, reasons)
        except StatedError as error:
            self.tell(error)
            return
        self.notify(f"Left out: {', '.join(_named(reasons).splitlines())}. u takes back.", markup=False)
        self._settled([finding for finding in findings if set(leaving([finding], None)) <= set(reasons)])

    def action_explain(self) -> None:
        """Show all about the rules under the cursor."""
        from loratui.photos.explained import page

        selection = self._config.lint.selection()
        rules = {entry.code: rule_of(entry) for entry in self.query_one(FindingList).chosen}
        pages = [page(selection.tuned(rule), selection) for rule in rules.values()]
        if pages:
            self.app.push_screen(PageScreen(", ".join(rules), Text("\n\n\n".join(pages))))

    # The panes

    def on_row_list_chosen(self) -> None:
        findings = self.query_one(FindingList)
        if findings.row and findings.row.is_group:
            findings.fold()
        else:
            self.action_explain()

    def action_group(self) -> None:
        self.query_one(FindingList).group_by_other()

    def action_filter(self) -> None:
        self.remove_class("-reading")
        self.query_one(FindingList).ask_filter()

    def action_leave_field(self) -> None:
        self.query_one(FindingList).clear_filter()

    def action_other_pane(self) -> None:
        """Move between the list and what stands beside it, which takes the list's place in a narrow terminal."""
        if self.query_one(FindingList).has_focus_within:
            self.add_class("-reading")
            self.query_one(FindingView).focus_next_pane()
        else:
            self.action_step_out()

    def action_step_out(self) -> None:
        if self.query_one(FindingList).has_focus_within:
            self.query_one(FindingList).clear_filter()
        self.remove_class("-reading")
        self.query_one(RowList).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about findings is offered where there are some."""
        if action in {"leave_out", "fix", "fix_all", "suppress", "explain", "group", "filter"}:
            return bool(self._report and (self._report.findings or self._report.skipped))
        if action == "step_out":
            return not isinstance(self.focused, Input) and not any(not job.is_cancelled for job in self.jobs)
        return super().check_action(action, parameters)


def _named(names: Sequence[str] | dict[str, str]) -> str:
    """Photos line by line, the first of many."""
    shown = [visible(name) for name in list(names)[:MOST_NAMED]]
    return "\n".join([*shown, *([f"and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else [])])
