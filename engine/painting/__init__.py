"""Pictures asked for one by one: a process that loads a run's model once and paints, and what viewers know of it.

`python -m engine.painting RUN` reads requests as JSON lines on stdin and tells what comes of them in JSON lines on
stdout.  All but that process itself is told without torch.
"""
