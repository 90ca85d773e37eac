"""What the screen Checks writes besides exclusions: mended copies, suppressions, and the way back from all of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from curation import journal
from curation.dataset import Dataset, open_dataset
from curation.errors import StatedError
from curation.needs import TrainingNeeds
from curation.report import Finding, Report, Suppression
from curation.text import counted, visible
from engine.plan import training_needs
from loratui.jobs import Job
from loratui.photos.findings import photos_of, rule_of
from loratui.photos.repointing import repointing
from loratui.photos.way_back import Step
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.page import PageScreen
from loratui.screens.reason import ReasonScreen
from loratui.screens.step import StepScreen
from loratui.screens.suppressed import SuppressedScreen

if TYPE_CHECKING:
    from curation.fixes import Fix, Mended

DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True)
class Plan:
    """A copy to write.  changes: all of them, as lines for a reader."""

    dataset: Dataset
    fixes: "Sequence[Fix]"
    target: Path
    changes: str


class Mending(StepScreen):
    """The actions that take time or a second look. The screen beneath shows findings and checks again."""

    def _chosen(self) -> list[Finding]:
        """The findings under the cursor."""
        raise NotImplementedError

    def _settled(self, findings: Sequence[Finding]) -> None:
        """These are dealt with."""
        raise NotImplementedError

    def action_leave_out(self) -> None:
        """Leave the photos under the cursor out of training."""
        raise NotImplementedError

    # Fixes

    def action_fix(self) -> None:
        """Mend what is under the cursor in a copy; leave out what can only be left out."""
        findings, report = self._chosen(), self._shown_report()
        ways = {rule_of(finding).mend for finding in findings}
        if ways == {"exclude"}:
            self.action_leave_out()
        elif not ways & {"rewrite", "crop"}:
            to_do = dict.fromkeys(finding.fix for finding in findings if finding.fix)
            self.notify(
                visible(f"Nothing mends this by itself. To do: {'; '.join(to_do) or 'read what it means'}."),
                markup=False,
            )
        elif report:
            mendable = tuple(one for one in findings if rule_of(one).mend in ("rewrite", "crop"))
            self._plan(replace(report, findings=mendable), unsafe="crop" in ways)

    def action_fix_all(self) -> None:
        """Mend all that loses nothing."""
        if self.project.report:
            self._plan(self.project.report, unsafe=False)
        else:
            self.notify("The checks are not complete yet: wait for them, or press r.")

    def _shown_report(self) -> Report | None:
        raise NotImplementedError

    def _plan(self, report: Report, unsafe: bool) -> None:
        dataset = self._saved_dataset()
        if dataset is None:
            return
        needs = training_needs(self.project.recipe.compose().config)
        self.start_job("Planning the fixes", lambda job: _plan(dataset, report, unsafe, needs), self._ask)

    def _saved_dataset(self) -> Dataset | None:
        """The photos with the captions that were typed: a copy takes them from the disk."""
        try:
            self.project.save_captions()
        except StatedError as error:
            self.tell(error)
            return None
        return self.project.dataset

    def _ask(self, plan: Plan) -> None:
        if not plan.fixes:
            self.notify("There is nothing to mend in a copy.")
            return
        title = f"{counted(len({fix.photo for fix in plan.fixes}), 'photo')} to mend in {visible(plan.target.name)}"
        self.app.push_screen(
            PageScreen(title, _coloured(plan.changes), "Write the copy"),
            lambda yes: self._write(plan) if yes else None,
        )

    def _write(self, plan: Plan) -> None:
        from curation.fixes import apply_fixes

        self.start_job(
            "Writing the copy",
            lambda job: apply_fixes(plan.dataset, plan.fixes, plan.target, on_progress=job.progress),
            lambda mended: self._offer(plan.dataset, mended),
        )

    def _offer(self, dataset: Dataset, mended: "Mended") -> None:
        pointer = repointing(dataset, mended.copy.root, None)
        also = f"\n\n{visible(str(pointer.config))} will say: {visible(pointer.setting)}" if pointer else ""
        question = (
            f"{visible(str(mended.copy.root))} holds {counted(len(mended.copy.photos), 'photo')}, mended. "
            f"Go on with it?{also}\n\nYour photos stay as they are; u comes back to them."
        )

        def turn(yes: bool | None) -> None:
            if yes:
                self._turn_to(
                    mended.copy,
                    lambda: (
                        pointer
                        and journal.record(
                            dataset.root, f"Point {pointer.config.name} at {mended.copy.root.name}", [pointer.change]
                        )
                    ),
                )

        self.app.push_screen(ConfirmScreen(question, "Go on with the copy"), turn)

    def _turn_to(self, dataset: Dataset, before: Callable[[], object] = lambda: None) -> None:
        try:
            before()
            self.project.turn_to(dataset)
        except StatedError as error:
            self.tell(error)
            return
        self.notify(visible(f"The photos are those of {dataset.root} now."), markup=False)
        self.on_screen_resume()

    # Suppressions

    def action_suppress(self) -> None:
        """Ask why the findings under the cursor are fine."""
        findings, dataset = self._chosen(), self.project.dataset
        if not findings or dataset is None:
            self.notify("A check that was not made has nothing to suppress.")
            return
        photos = photos_of(findings)
        about = visible(photos[0]) if len(photos) == 1 else counted(len(photos), "photo") if photos else "the whole set"
        rules = ", ".join(dict.fromkeys(f"{finding.code} {finding.rule}" for finding in findings))

        def take(reason: str | None) -> None:
            if reason:
                self.start_job(
                    "Suppressing",
                    lambda job: _suppress(job, dataset, findings, reason),
                    lambda _: self._say_suppressed(findings, rules),
                )

        self.app.push_screen(ReasonScreen("Suppress", f"{rules} on {about} is fine, because:"), take)

    def _say_suppressed(self, findings: Sequence[Finding], rules: str) -> None:
        self.notify(f"Suppressed: {rules}. S lists what is, u takes back.", markup=False)
        self._settled(findings)

    def action_suppressed(self) -> None:
        """List what is suppressed."""
        from curation.suppressions import read_suppressions, remove

        dataset = self.project.dataset
        if dataset is None:
            return

        def take(one: Suppression | None) -> None:
            if one:
                self.start_job(
                    "Taking back", lambda job: remove(dataset, one.code, list(one.photos)), self._changed_back
                )

        try:
            self.app.push_screen(SuppressedScreen(read_suppressions(dataset.root)), take)
        except StatedError as error:
            self.tell(error)

    def _changed_back(self, gone: Sequence[Suppression]) -> None:
        self.notify(f"Heard of again: {', '.join(one.code for one in gone)}. u takes that back.", markup=False)
        self._settled([])

    # The way back

    def action_undo(self) -> None:
        """Take back what was written last."""
        way, dataset = self.project.way_back, self.project.dataset
        if way and dataset and (way.last_root == dataset.root or self._saved_dataset()):
            self.start_job("Taking back", lambda job: ([way.undo()], None), self._took_back)

    def action_redo(self) -> None:
        """Write once more what was taken back last."""
        way = self.project.way_back
        if way:
            self.start_job("Doing again", lambda job: way.redo(), self._did_again)

    def action_undo_all(self) -> None:
        """List what was done since the folder was opened, and take it back together."""
        way = self.project.way_back
        steps = way.steps() if way else ()
        if not steps:
            self.notify("Nothing was written since the folder was opened.")
            return
        listed = "\n".join(visible(f"{step.root.name}: {step.entry.summary}") for step in steps)

        def take(yes: bool | None) -> None:
            if yes and (len({step.root for step in steps}) == 1 or self._saved_dataset()):
                self.start_job("Taking everything back", lambda job: _undo_all(job, steps), self._took_back)

        self.app.push_screen(
            PageScreen(f"Take {counted(len(steps), 'step')} back?", Text(listed), "Take it all back"), take
        )

    def _took_back(self, undone: tuple[Sequence[Step], StatedError | None]) -> None:
        steps, error = undone
        if error:
            self.tell(error)
        if steps:
            said = steps[-1].entry.summary if len(steps) == 1 else counted(len(steps), "step")
            self.notify(visible(f"Took back: {said}. U does it again."), markup=False)
            self._read_after(steps[-1])

    def _did_again(self, step: Step) -> None:
        self.notify(visible(f"Done again: {step.entry.summary}."), markup=False)
        self._read_after(step)

    def _read_after(self, step: Step) -> None:
        """Show the folder of that step as it is now."""
        dataset = self.project.dataset
        try:
            if dataset and step.root != dataset.root:
                self._turn_to(open_dataset(step.root, dataset.caption_column))
                return
            self.project.read_again()
        except StatedError as error:
            self.tell(error)
        self.on_screen_resume()


def _plan(dataset: Dataset, report: Report, unsafe: bool, needs: TrainingNeeds) -> Plan:
    from curation.fixes import free_output, plan_fixes, preview

    fixes, target = plan_fixes(dataset, report, unsafe, needs), free_output(dataset)
    return Plan(dataset, fixes, target, preview(dataset, fixes, target) if fixes else "")


def _suppress(job: Job, dataset: Dataset, findings: Sequence[Finding], reason: str) -> None:
    from curation.suppressions import suppress

    for done, finding in enumerate(findings):
        job.progress(done, len(findings))
        suppress(dataset, finding.code, finding.photos, reason)


def _undo_all(job: Job, steps: Sequence[Step]) -> tuple[list[Step], StatedError | None]:
    """Take the steps back one by one; returns those that are, and what stopped the rest."""
    for done, step in enumerate(steps):
        job.done, job.total = done, len(steps)
        try:
            journal.undo(step.root)
        except StatedError as error:
            return list(steps[:done]), error
    return list(steps), None


def _coloured(diff: str) -> Text:
    text = Text()
    for line in diff.splitlines(keepends=True):
        text.append(line, style=DIFF_STYLES.get(line[:1], ""))
    return text
