"""A run shown live on the command line: rich panels in a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from curation.text import duration
from engine.rundir import RunDir
from loratui.runs.monitor import Monitor
from loratui.terminal.braille import Point, extent, plot
from loratui.terminal.glyphs import glyphs
from loratui.terminal.half_blocks import Shown, places_in_a_row, shows_pictures, side_by_side

REFRESH_SECONDS = 0.5
PLOT_HEIGHT = 7
MESSAGES_SHOWN = 4
# Without a terminal: a line for this many seconds at most, so that a log of hours stays readable.
LINE_SECONDS = 10.0


def show_panels(run: RunDir, console: Console) -> Monitor:
    """Draw the run until it ends. A KeyboardInterrupt leaves the panels standing and the run going."""
    monitor = Monitor(run)
    monitor.refresh()
    with Live(_screen(monitor, console), console=console, auto_refresh=False, transient=False) as live:
        while True:
            if monitor.refresh():
                live.update(_screen(monitor, console), refresh=True)
            if not monitor.active and not run.is_alive():
                return monitor
            time.sleep(REFRESH_SECONDS)


def show_lines(run: RunDir, say: Callable[[str], None]) -> Monitor:
    """Say what happens, one plain line each, until the run ends: all messages, and now and then a new step."""
    monitor = Monitor(run)
    said, step_said, step = 0, -LINE_SECONDS, 0
    while True:
        monitor.refresh()
        new = monitor.message_count - said
        for message in list(monitor.messages)[-new:] if new else []:
            say(message)
        said = monitor.message_count
        ended = not monitor.active and not run.is_alive()
        if monitor.step != step and (time.monotonic() - step_said > LINE_SECONDS or ended):
            say(step_line(monitor))
            step_said, step = time.monotonic(), monitor.step
        if ended:
            return monitor
        time.sleep(REFRESH_SECONDS)


def step_line(monitor: Monitor) -> str:
    """The run's numbers in one line."""
    parts = [f"step {monitor.step}/{monitor.total_steps}"]
    if monitor.loss is not None:
        parts.append(f"loss {monitor.loss:.4f}")
    if monitor.prior_loss is not None:
        parts.append(f"prior {monitor.prior_loss:.4f}")
    if monitor.effective_lr is not None:
        parts.append(f"lr {monitor.effective_lr:.3g}")
    if monitor.d is not None:
        parts.append(f"d {monitor.d:.3g}")
    if monitor.samples_per_second is not None:
        parts.append(f"{monitor.samples_per_second:.2f} samples/s")
    if monitor.eta_seconds is not None:
        parts.append(f"{duration(monitor.eta_seconds)} left")
    if monitor.cost is not None:
        to_come = "" if monitor.cost_to_come is None else f" of about {monitor.cost + monitor.cost_to_come:.2f}"
        parts.append(f"cost {monitor.cost:.2f}{to_come}")
    return ", ".join(parts)


def _screen(monitor: Monitor, console: Console) -> RenderableType:
    """All that fits: in a low terminal the sample pictures take the charts' place."""
    if not (monitor.sample_sets and shows_pictures(console)):
        return panels(monitor, console.width)
    pictures = film(monitor.sample_sets, console.width)
    needed = sum(len(console.render_lines(part)) for part in (panels(monitor, console.width), pictures))
    return Group(panels(monitor, console.width, with_charts=needed <= console.height), pictures)


def panels(monitor: Monitor, width: int, with_charts: bool = True) -> RenderableType:
    """Progress, loss, learning rate and the last messages, for a terminal of `width` columns."""
    messages = Text("\n".join(list(monitor.messages)[-MESSAGES_SHOWN:]), style="dim", no_wrap=True, overflow="ellipsis")
    return Group(_progress(monitor, width), *([_charts(monitor, width)] if with_charts else []), messages)


def film(sample_sets: Mapping[int, Sequence[Path]], width: int) -> RenderableType:
    """The first pictures of the run beside its newest ones, each with its step: one row for each picture of a step.

    sample_sets: paths by step, at least one.  Pictures of one row have the same prompt and the same seed.
    """
    count, columns = places_in_a_row(width)
    steps = list(sample_sets)
    if len(steps) > count:
        steps = [*steps[: count > 1], *steps[-max(count - 1, 1) :]]
    rows = zip_longest(*[sample_sets[step] for step in steps])
    return Group(
        *[
            side_by_side([Shown(path, f"step {step}") for step, path in zip(steps, row, strict=True) if path], columns)
            for row in rows
        ]
    )


def _charts(monitor: Monitor, width: int) -> RenderableType:
    charts = Table.grid(expand=True)
    charts.add_column(ratio=1)
    charts.add_column(ratio=1)
    half = width // 2 - 4
    charts.add_row(
        _chart(monitor, "loss (smoothed)", monitor.smoothed_losses, monitor.smoothed_loss, half, "cyan"),
        _chart(monitor, "learning rate", monitor.effective_lrs, monitor.effective_lr, half, "magenta"),
    )
    return charts


def _progress(monitor: Monitor, width: int) -> RenderableType:
    phase, done, total = monitor.phase or monitor.state, monitor.step, monitor.total_steps
    if monitor.progress and monitor.phase != "training":
        done, total = monitor.progress
    head = Text.assemble((monitor.name, "bold"), f"  {monitor.state}")
    if monitor.active and phase != monitor.state:
        head.append(f": {phase.replace('_', ' ')}")
    bar = ProgressBar(total=max(total, 1), completed=done, width=max(width - 4, 10))
    rows = Table.grid(expand=True)
    for row in (head, bar, Text(step_line(monitor), no_wrap=True, overflow="ellipsis")):
        rows.add_row(row)
    return Panel(rows, padding=(0, 1))


def _chart(monitor: Monitor, title: str, points: Sequence[Point], now: float | None, width: int, style: str) -> Panel:
    low, high = extent([value for _, value in points])
    marks = [monitor.pivot_step] if monitor.pivot_step else []
    steps = (0.0, float(max(monitor.total_steps, 1)))
    lines = plot(
        points,
        max(width, 8),
        PLOT_HEIGHT,
        x_range=steps,
        y_range=(low, high),
        marks=marks,
        in_ascii=glyphs().is_ascii,
    )
    return Panel(
        Text("\n".join(lines), style=style, no_wrap=True),
        title=Text(title if now is None else f"{title} {now:.4g}"),
        subtitle=Text(f"{low:.3g} to {high:.3g}" + (f", pivot at {monitor.pivot_step}" if monitor.pivot_step else "")),
        padding=(0, 1),
    )
