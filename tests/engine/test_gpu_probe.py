"""The product that `doctor` has a GPU compute is right where the device is."""

import json
import subprocess
import sys

import pytest
import torch

from engine.gpu_probe import TYPES, product_error
from loratui.gpu import WORST_ERROR


@pytest.mark.parametrize("name", TYPES)
def test_the_cpu_is_well_within_what_is_allowed(name: str) -> None:
    assert 0 < product_error(torch.device("cpu"), TYPES[name]) < WORST_ERROR[name] / 3


def test_its_answer_is_one_line_of_json() -> None:
    done = subprocess.run([sys.executable, "-m", "engine.gpu_probe"], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) == {"built_for", "rocm", "gpus"}
