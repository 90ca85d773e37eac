"""One run on the screen: how far it is, its figures, and panels of which one has the focus."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from curation.text import duration, visible
from engine.curves import SMOOTHING_STEPS, SMOOTHINGS, Curve, Measured
from loratui.runs.monitor import WARNING, Monitor
from loratui.standing import RUN_SIGNS
from loratui.terminal.braille import Pattern, Range
from loratui.terminal.glyphs import glyphs
from loratui.widgets.figures import Figure, Figures
from loratui.widgets.log_view import LogView
from loratui.widgets.plot import AxisMark, Line, Plot
from loratui.widgets.quiet_bar import QuietBar
from loratui.widgets.samples_panel import SamplesPanel

PANELS = ("loss", "samples", "rate", "gradient", "log")
MOST_HALVINGS = 6
WINDOW_PARTS = 8  # a window moves on by such a part of itself, for each move sends the whole plot


@dataclass(frozen=True)
class Window:
    """The steps that the plots show: all of them, or of so many halvings the newest ones, `back` half windows ago."""

    halvings: int = 0
    back: int = 0

    def steps(self, step: int, total: int) -> Range:
        """The first and the last step shown of a run of `total` steps that is at `step`."""
        if not self.halvings or total <= 0:
            return 0.0, float(max(total, step, 1))
        length = max(total / 2**self.halvings, 1.0)
        part = length / WINDOW_PARTS
        newest = min(max(-(-step // part) * part, length), max(total, step))
        last = max(newest - self.back * length / 2, length)
        return last - length, last

    def narrower(self) -> "Window":
        return replace(self, halvings=min(self.halvings + 1, MOST_HALVINGS), back=2 * self.back)

    def wider(self) -> "Window":
        return replace(self, halvings=max(self.halvings - 1, 0), back=self.back // 2 if self.halvings > 1 else 0)

    def moved(self, back: int, step: int, total: int) -> "Window":
        """Earlier by half a window for each `back`, or later, as far as there are steps."""
        moved = replace(self, back=max(self.back + back, 0))
        same = moved.steps(step, total) == self.steps(step, total)
        return self if same else moved


class Panel(Vertical, can_focus=True):
    """A plot with a frame, which can have the focus."""


class RunView(Vertical):
    """Draws a Monitor. The plots share window, smoothing and the kind of their y axis."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._monitor: Monitor | None = None
        self.panel = "loss"
        self.is_full = False
        self.is_log = False
        self.smoothing: int | None = SMOOTHING_STEPS
        self.window = Window()
        self._titles: dict[str, tuple[str, str]] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel", id="head"):
            with Horizontal(id="phase-line"):
                yield Static(id="phase", markup=False)
                yield QuietBar()
            yield Figures(id="figures")
        with Container(id="panels"):
            with Panel(classes="panel", id="loss"):
                yield Plot("loss-plot")
            yield SamplesPanel(id="samples")
            with Panel(classes="panel", id="rate"):
                yield Plot("effective-plot")
                yield Plot("lr-plot")
            with Panel(classes="panel", id="gradient"):
                yield Plot("gradient-plot")
            yield LogView(id="log", classes="panel")
        yield Static(id="note", classes="hint", markup=False)

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self.draw()

    def show(self, monitor: Monitor) -> None:
        """Turn to a run, from its first step on."""
        if monitor is not self._monitor:
            self._monitor, self.window = monitor, Window()
        self.draw()

    def draw(self) -> None:
        """Show what the run's Monitor says now; of what stands there already nothing is sent again."""
        monitor = self._monitor
        if monitor is None or not self.is_mounted:
            return
        self._draw_head(monitor)
        self._draw_plots(monitor)
        self.query_one(SamplesPanel).show(monitor)
        count = len(monitor.sample_sets)
        self._title(
            "samples", "Samples", f"of {count} {'step' if count == 1 else 'steps'}; enter: large" if count else ""
        )
        self.query_one("#log", LogView).show(
            [(message, message.startswith((WARNING, "failed: "))) for message in list(monitor.messages)]
        )
        self._title("log", f"Log{_warnings(monitor)}", "w: warnings" if monitor.warning_count else "")

    def say(self, text: str) -> None:
        """What stands below the panels."""
        note = self.query_one("#note", Static)
        if str(note.content) != text:
            note.update(text)
            note.display = bool(text)

    # How it is looked at

    def turn_to(self, panel: str) -> None:
        """Give a panel the focus; where only one fits, it is that one."""
        self.panel = panel
        self._lay_out()
        self._focus_target().focus()

    def turn(self, by: int) -> None:
        """Go to the next panel, or the one before."""
        self.turn_to(PANELS[(PANELS.index(self.panel) + by) % len(PANELS)])

    def toggle_full(self) -> None:
        """Have the panel fill the screen, or not any more."""
        self.is_full = not self.is_full
        self.turn_to(self.panel)

    def toggle_log(self) -> None:
        """Draw on a logarithmic y axis, or on a linear one."""
        self.is_log = not self.is_log
        self.draw()

    def smooth(self) -> None:
        """The next kind of running mean, or none."""
        kinds = (*SMOOTHINGS, None)
        self.smoothing = kinds[(kinds.index(self.smoothing) + 1) % len(kinds)]
        self.draw()

    def look_at(self, window: Window) -> None:
        """Draw other steps."""
        self.window = window
        self.draw()

    def earlier(self, by: int) -> None:
        """Move the window towards the beginning, or with a negative number towards the end."""
        if self._monitor:
            self.look_at(self.window.moved(by, self._monitor.step, self._monitor.total_steps))

    def _lay_out(self) -> None:
        self.set_class(self.is_full, "-full")
        for panel in PANELS:
            self.query_one(f"#{panel}").set_class(panel == self.panel, "-current")
        self.draw()

    def _focus_target(self) -> Widget:
        return self.query_one("#gallery" if self.panel == "samples" else f"#{self.panel}")

    def on_descendant_focus(self) -> None:
        """A click may focus a panel, too."""
        focused = self.screen.focused
        panel = next((node.id for node in focused.ancestors_with_self if node.id in PANELS), None) if focused else None
        if panel and panel != self.panel:
            self.panel = panel
            self._lay_out()

    # Its parts

    def _draw_head(self, monitor: Monitor) -> None:
        sign = glyphs().sign(RUN_SIGNS[monitor.state])
        self._title("head", f"{monitor.name}  {sign} {monitor.state}", "")
        done, total = monitor.progress or (monitor.step, monitor.total_steps)
        phase = (monitor.phase.replace("_", " ") or "starting the worker") if monitor.active else monitor.state
        left = monitor.phase_eta_seconds if monitor.active else None
        is_counted = monitor.progress or monitor.phase == "training" or not monitor.active
        words = f"{phase}{' ' if is_counted else ', step '}{done}/{total}" if total else phase
        words += "" if left is None else f", {duration(left)} left"
        said = self.query_one("#phase", Static)
        if str(said.content) != words:
            said.update(words, layout=len(str(said.content)) != len(words))
        self.query_one(QuietBar).show(done, total)
        self.query_one(Figures).show(figures(monitor))

    def _draw_plots(self, monitor: Monitor) -> None:
        steps = self.window.steps(monitor.step, monitor.total_steps)
        pivot = monitor.pivot_step
        marks = [AxisMark(pivot, f"pivot {pivot}")] if pivot is not None else []
        curves = monitor.curves

        def draw(plot: str, lines: Iterable[Line]) -> None:
            self.query_one(f"#{plot}", Plot).show(lines, steps, marks, self.is_log)

        mean, *each = self._lines(curves.losses)
        draw("loss-plot", [mean, *self._prior(curves.prior_losses), *each])
        draw("gradient-plot", self._lines(curves.grad_norms))
        rates = [Line(curve.points, pattern) for curve, pattern in _with_patterns(list(curves.lrs.values()))]
        # A rate as set lies between 0 and 1 with Prodigy, and the one in effect far below: two plots.
        has_d = monitor.d is not None
        draw("effective-plot", [Line(curves.effective_lrs.points)] if has_d else rates)
        draw("lr-plot", rates if has_d else [])
        self.query_one("#lr-plot").display = has_d
        self._title_plots(monitor, has_d)

    def _lines(self, measured: Measured) -> list[Line]:
        if self.smoothing is None:
            return [Line(measured.points)]
        return [Line(measured.mean(self.smoothing).curve.points), Line(measured.points, "dots")]

    def _prior(self, measured: Measured) -> list[Line]:
        points = measured.points if self.smoothing is None else measured.mean(self.smoothing).curve.points
        return [Line(points, "dashes")] if points else []

    def _title_plots(self, monitor: Monitor, has_d: bool) -> None:
        kind = ", log scale" if self.is_log else ""
        kind += f", x{2**self.window.halvings}" if self.window.halvings else ""
        each = "line: each step" if self.smoothing is None else f"line: mean of {self.smoothing}, dots: each step"
        prior = ", dashes: prior loss" if monitor.curves.prior_losses.raw.points else ""
        names = [visible(name) for name in monitor.curves.lrs]
        rates = "line: " + ", dashes: ".join(names[:2]) if names else ""
        self._title("loss", f"Loss{kind}", each + prior)
        self._title("gradient", f"Gradient norm{kind}", each)
        if has_d:
            self._title("rate", f"Effective rate (d x lr), lr below{kind}", f"lr: {rates}" if len(names) > 1 else "")
        else:
            self._title("rate", f"Learning rate{kind}", rates if len(names) > 1 else "")

    def _title(self, id: str, title: str, subtitle: str) -> None:
        """A title set is a panel repainted, so only when it changes."""
        if id == self.panel and (self.is_full or self.screen.has_class("-narrow")):
            title = f"{title}  ({PANELS.index(id) + 1} of {len(PANELS)}, tab: next)"
        if self._titles.get(id) != (title, subtitle):
            self._titles[id] = (title, subtitle)
            panel = self.query_one(f"#{id}")
            panel.border_title, panel.border_subtitle = Content(title), Content(subtitle)


def figures(monitor: Monitor) -> list[Figure]:
    """The run's numbers with their names; those that are not known are left out."""
    text = [(f"{visible(name)} lr", lr) for name, lr in list(monitor.lrs.items())[1:2]]
    numbers: Sequence[tuple[str, float | None, str]] = (
        ("loss", monitor.smoothed_loss, "#.4g"),
        ("prior loss", monitor.prior_loss and monitor.curves.prior_losses.mean().value, "#.4g"),
        ("grad norm", monitor.grad_norm, "#.3g"),
        ("lr", next(iter(monitor.lrs.values()), None), ".3g"),
        *((name, lr, ".3g") for name, lr in text),
        ("effective", monitor.effective_lr, ".2e"),
        ("samples/s", monitor.samples_per_second, "#.3g"),
        ("s/step", monitor.seconds_per_step, "#.3g"),
        ("cost", monitor.cost, ".2f"),
        ("to come", monitor.cost_to_come, ".2f"),
    )
    found = [(name, format(value, form)) for name, value, form in numbers if value is not None]
    if monitor.memory is not None:
        found.append(("memory", f"{monitor.memory / 2**30:.1f} GiB"))
    if monitor.eta_seconds is not None:
        found.append(("left", duration(monitor.eta_seconds)))
    return found


def sentences(monitor: Monitor) -> list[str]:
    """What its state means: why it ended and how it goes on, what it wrote, what will end it before its last step."""
    if monitor.outcome and not monitor.active:
        return [*monitor.outcome, f"Go on from the newest checkpoint: p, or loratui resume {monitor.run.address}"]
    if monitor.verified:
        state = "verified" if monitor.verified.ok else "NOT verified"
        names = ", ".join(visible(Path(file).name) for file in monitor.verified.files)
        return [f"Files, {state}: {names}", f"in {visible(str(monitor.run.output))}"]
    if monitor.state in ("paused", "stopped"):
        return [f"It goes on where it was: p, or loratui resume {monitor.run.address}"]
    if monitor.limit and monitor.seconds_to_limit is not None:
        limit, left = monitor.limit, duration(monitor.seconds_to_limit)
        return [f"It will be stopped before its last step: {limit.setting} = {limit.value:g} is reached in {left}."]
    return []


def _with_patterns(curves: Sequence[Curve]) -> Iterable[tuple[Curve, Pattern]]:
    """The first one as a line, the others as dashes."""
    return [(curve, "dashes" if number else "line") for number, curve in enumerate(curves)]


def _warnings(monitor: Monitor) -> str:
    count = monitor.warning_count
    return f", {count} {'warning' if count == 1 else 'warnings'} {glyphs().attention}" if count else ""
