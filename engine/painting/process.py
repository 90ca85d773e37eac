"""The painting process: the run's model in memory, one picture after the other, until nobody asks any more."""

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from curation.errors import StatedError
from engine.painting.messages import ORDER, Cancelled, Loading, Paint, Painted, Previewed, Refused, Told
from engine.painting.pictures import save_picture
from engine.painting.preview import preview
from engine.painting.request import Request
from engine.results.generate import load_pipeline, out_of_memory_told, render, set_lora_scale, to_image
from engine.rundir import RunDir
from engine.text.abstractions import replace_abstractions, run_tokens

IDLE_SECONDS = 300.0
"""Without a request for so long, the process ends: the GPU is wanted for training."""
PREVIEWS_KEPT = 20  # a viewer may still be reading one that is some steps old


class NotWanted(Exception):
    """Raised between two steps of a picture that is not wanted any more."""


class Orders:
    """What is asked for, line by line, heard while a picture is being painted."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.is_cancelled = threading.Event()
        self._requests: queue.Queue[Request | None] = queue.Queue()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def next(self) -> Request | None:
        """Wait for a request; None when there will be no more, or none came for IDLE_SECONDS."""
        try:
            request = self._requests.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            return None
        return request

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            order = ORDER.validate_json(line)
            if isinstance(order, Paint):
                self.is_cancelled.clear()
                self._requests.put(order.request)
            else:
                self.is_cancelled.set()
        self.is_cancelled.set()  # nobody is there to see it
        self._requests.put(None)


class Studio:
    """The run's pipeline, loaded when first needed and anew for another checkpoint."""

    def __init__(self, run: RunDir, say: Callable[[Told], None]) -> None:
        self.run, self.say = run, say
        self._pipeline: Any = None
        self._source: tuple[int | None, int] | None = None

    def pipeline(self, step: int | None) -> Any:
        """Of the exported files as they are now, or the checkpoint of `step`. Raises EngineError."""
        source = (step, self._exported_at())
        if source != self._source:
            self.say(Loading())
            self.empty()  # two models would not fit
            self._pipeline = load_pipeline(self.run, step)
            self._source = source
        return self._pipeline

    def empty(self) -> None:
        """Let go of the model."""
        self._pipeline = self._source = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _exported_at(self) -> int:
        return self.run.output.stat().st_mtime_ns if self.run.output.is_dir() else 0


def serve(run: RunDir, orders: Orders, say: Callable[[Told], None]) -> None:
    """Paint what is asked for until nothing more is."""
    studio = Studio(run, say)
    with TemporaryDirectory(prefix="loratui-previews-") as previews:
        while request := orders.next():
            told = _answer(studio, request, orders, Path(previews))
            if isinstance(told, Refused):
                studio.empty()  # after a full GPU the model may be half on it
            say(told)


def _answer(studio: Studio, request: Request, orders: Orders, previews: Path) -> Told:
    """What came of a request; no traceback of it is left, which would hold tensors."""
    try:
        with out_of_memory_told():
            return Painted(str(paint(studio, request, orders, previews)))
    except NotWanted:
        return Cancelled()
    except StatedError as error:
        return Refused(error.problem, error.remedy)
    except OSError as error:
        return Refused(f"The picture cannot be written: {error.strerror}.", f"Make room in {studio.run.samples}.")


def paint(studio: Studio, request: Request, orders: Orders, previews: Path) -> Path:
    """Paint and save one picture, telling of each step. Raises EngineError, NotWanted, OSError."""
    pipeline, config = studio.pipeline(request.step), studio.run.config()
    set_lora_scale(pipeline, request.lora_scale)
    tokens = run_tokens(config)
    asked = replace(
        request,
        prompt=replace_abstractions(request.prompt, tokens),
        negative_prompt=replace_abstractions(request.negative_prompt, tokens),
    )

    def on_step(done: int, latents: Tensor) -> None:
        if orders.is_cancelled.is_set():
            raise NotWanted
        path = previews / f"{done:04d}.png"
        preview(pipeline, latents).save(path)
        (previews / f"{done - PREVIEWS_KEPT:04d}.png").unlink(missing_ok=True)
        studio.say(Previewed(done, request.num_inference_steps, str(path)))

    pixels = render(
        pipeline,
        [asked.prompt],
        num_inference_steps=asked.num_inference_steps,
        guidance_scale=asked.guidance_scale,
        seed=asked.seed,
        size=asked.size,
        text_encoder=config.text_encoder,
        negative_prompt=asked.negative_prompt,
        on_step=on_step,
    )
    return save_picture(studio.run, to_image(pixels[0]), request)
