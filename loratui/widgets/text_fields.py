"""Where keys are letters."""

from textual.widget import Widget


def takes_text(widget: Widget | None) -> bool:
    """Whether text is typed into it. It is asked itself: to import all kinds of fields takes 5 ms at the start."""
    return widget is not None and widget.check_consume_key("a", "a")
