"""Painting one by one: a process that tells of each step, keeps what it painted, and outlives no viewer."""

import io
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.errors import EngineError
from engine.painting.messages import ORDER, Cancel, Cancelled, Loading, Paint, Painted, Previewed, Refused, Told
from engine.painting.painter import Painter
from engine.painting.pictures import parameters, pictures_of
from engine.painting.preview import linear_rgb
from engine.painting.process import Orders, serve
from engine.painting.request import LIMITS, Request, default_request, problem_of, read_request
from engine.results.generate import generate
from engine.rundir import RunDir
from tests.engine.conftest import MakeRun

REQUEST = Request("a photo of TOK dog", "", seed=3, guidance_scale=5.0, num_inference_steps=2, size=64)
TYPED = {
    "prompt": "a TOK dog",
    "negative_prompt": "blurry",
    "seed": "7",
    "guidance_scale": "7.5",
    "num_inference_steps": "20",
    "size": "512",
    "lora_scale": "0.8",
}


def told(run: RunDir, *requests: Request) -> list[Told]:
    """What the process tells of these requests, until stdin closes."""
    heard: list[Told] = []
    remaining = list(requests)

    def lines() -> Iterator[str]:
        """One request after the other, so that the end of the last one does not cancel the first."""
        while remaining:
            finished = sum(isinstance(each, Painted | Refused | Cancelled) for each in heard)
            if finished == len(requests) - len(remaining):
                yield ORDER.dump_json(Paint(remaining.pop(0))).decode()
        while sum(isinstance(each, Painted | Refused | Cancelled) for each in heard) < len(requests):
            time.sleep(0.01)

    serve(run, Orders(lines()), heard.append)
    return heard


def pixels(path: str | Path) -> bytes:
    return Image.open(path).convert("RGB").tobytes()


def test_a_picture_is_told_step_by_step_and_is_what_generate_draws(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    first, *steps, last = told(run, REQUEST)
    assert first == Loading()
    assert [(step.done, step.total) for step in steps if isinstance(step, Previewed)] == [(1, 2), (2, 2)]
    assert isinstance(last, Painted)
    drawn = generate(run, [REQUEST.prompt], num_inference_steps=2, guidance_scale=5.0, seed=3, size=64)
    assert pixels(last.path) == drawn[0].tobytes()


def test_the_model_is_loaded_once_for_many_pictures_and_anew_for_a_checkpoint(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    heard = told(run, REQUEST, replace(REQUEST, seed=4), replace(REQUEST, step=3))
    assert [type(each) for each in heard].count(Loading) == 2
    one, other, same = [pixels(each.path) for each in heard if isinstance(each, Painted)]
    assert one != other
    assert one == same  # the exported files are those of this checkpoint


def test_the_loras_strength_and_the_negative_prompt_count(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog", train_text_encoder=True)
    wishes = [REQUEST, replace(REQUEST, lora_scale=0.0), replace(REQUEST, negative_prompt="a cat"), REQUEST]
    full, none, negative, again = [pixels(each.path) for each in told(run, *wishes) if isinstance(each, Painted)]
    base = generate(run, [REQUEST.prompt], num_inference_steps=2, guidance_scale=5.0, seed=3, size=64, from_base=True)
    assert none == base[0].tobytes()
    assert len({full, none, negative}) == 3
    assert again == full


def test_what_was_painted_is_kept_with_its_settings(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    request = replace(REQUEST, prompt="TOK, [red] 犬", negative_prompt="blurry", lora_scale=0.5)
    told(run, request, replace(REQUEST, seed=9))
    newest, older = pictures_of(run)
    assert (newest.request, older.request) == (replace(REQUEST, seed=9), request)
    assert Image.open(older.path).info["parameters"] == parameters(request)  # pyright: ignore[reportAttributeAccessIssue]
    assert parameters(request).splitlines()[0] == "TOK, [red] 犬"
    assert json.loads(older.path.with_suffix(".json").read_text())["run"] == "dog"
    older.path.with_suffix(".json").write_text("{")
    assert pictures_of(run)[1].request is None


def test_a_run_that_cannot_paint_says_so_and_the_next_request_is_served(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    refused, *_, painted = [each for each in told(run, replace(REQUEST, step=99), REQUEST) if each != Loading()]
    assert isinstance(refused, Refused) and "no checkpoint of step 99" in refused.problem
    assert isinstance(painted, Painted)


def test_a_picture_can_be_given_up_between_steps(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    heard: list[Told] = []

    def lines() -> Iterator[str]:
        yield ORDER.dump_json(Paint(replace(REQUEST, num_inference_steps=500))).decode()
        while not any(isinstance(each, Previewed) for each in heard):
            time.sleep(0.01)
        yield ORDER.dump_json(Cancel()).decode()
        while Cancelled() not in heard:
            time.sleep(0.01)

    serve(run, Orders(lines()), heard.append)
    assert heard[-1] == Cancelled()
    assert pictures_of(run) == []


def test_stdin_that_closes_gives_up_the_picture_and_ends_the_process(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    heard: list[Told] = []
    serve(run, Orders(io.StringIO(ORDER.dump_json(Paint(REQUEST)).decode() + "\n")), heard.append)
    assert heard == [Loading(), Cancelled()]


@pytest.mark.slow
def test_a_painter_starts_its_process_cancels_and_starts_it_again(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _, _ = make_run("dog")
    painter, heard = Painter(run), []
    try:
        path = painter.paint(REQUEST, lambda: True, heard.append)
        assert path and path.is_file()
        assert [type(each) for each in heard] == [Loading, Previewed, Previewed]
        many = replace(REQUEST, num_inference_steps=900)
        heard.clear()
        assert painter.paint(many, lambda: not heard, heard.append) is None
        with pytest.raises(EngineError, match="no checkpoint of step 99"):
            painter.paint(replace(REQUEST, step=99), lambda: True, heard.append)
        painter.close()
        assert painter.paint(REQUEST, lambda: False, heard.append) is None
        monkeypatch.setattr(sys, "executable", shutil.which("false"))
        with pytest.raises(EngineError, match="has ended") as caught:
            painter.paint(REQUEST, lambda: True, heard.append)
        assert str(painter.log_file) in caught.value.remedy
    finally:
        painter.close()
    assert len(pictures_of(run)) == 1


def test_latents_of_zero_are_the_grey_of_the_linear_approximation() -> None:
    latents = torch.zeros(4, 2, 3)
    assert np.array_equal(linear_rgb(latents), np.full((2, 3, 3), (150, 140, 130)))
    latents[0, 0, 0], latents[0, 1, 1] = 1.0, torch.nan
    assert tuple(linear_rgb(latents)[0, 0]) == (210, 200, 190)
    assert linear_rgb(latents).dtype == np.uint8


def test_what_was_typed_becomes_a_request() -> None:
    assert read_request(TYPED, 500) == Request("a TOK dog", "blurry", 7, 7.5, 20, 512, 0.8, 500)


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("prompt", "  ", "prompt is empty"),
        ("seed", "-1", "seed is out of range"),
        ("seed", "1.5", "seed is not a whole number"),
        ("guidance_scale", "nan", "guidance scale is out of range"),
        ("guidance_scale", "much", "guidance scale is not a number"),
        ("num_inference_steps", "0", "num inference steps is out of range"),
        ("size", "100", "cannot be 100 pixels wide"),
        ("lora_scale", "", "lora scale is not a number"),
    ],
)
def test_what_cannot_be_used_is_told(field: str, text: str, problem: str) -> None:
    told = problem_of(field, text)
    assert told and problem in told.problem
    with pytest.raises(EngineError, match=problem):
        read_request({**TYPED, field: text}, None)


@given(st.sampled_from([*LIMITS, "prompt", "negative_prompt"]), st.text())
def test_any_text_is_either_used_or_told(field: str, text: str) -> None:
    typed = {**TYPED, field: text}
    if problem_of(field, text) is None:
        assert isinstance(read_request(typed, None), Request)


def test_the_defaults_are_those_of_the_runs_own_samples(make_run: MakeRun) -> None:
    run, _, _ = make_run("dog")
    request = default_request(run.config())
    assert (request.prompt, request.size, request.num_inference_steps) == ("a photo of TOK dog", 64, 2)
