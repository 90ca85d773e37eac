"""The memory of one training step as it is counted on the meta device, against what the allocator hands out.

Run: python -m benchmarks.memory [tiny|sdxl] [RESOLUTION]: on the GPU where there is one (in bf16), else on the CPU.
"""

import json
import sys
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from engine.config import TrainConfig, compose
from engine.memory import question
from engine.memory.count import add_trainables, bare_models, run_step, step_bytes
from engine.models.load import DTYPES, default_device
from engine.plan import resolve

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "as it is": {},
    "batch of 2": {"run": {"train_batch_size": 2}},
    "gradient checkpointing": {"run": {"gradient_checkpointing": True}},
    "DoRA": {"lora": {"use_dora": True}},
    "feed-forward too": {"lora": {"lora_layers": "attention_and_feed_forward"}},
    "text-encoder LoRA": {"text_encoder": {"train_text_encoder": True}},
    "class images": {"prior": {"with_prior_preservation": True, "class_prompt": "a dog"}},
}


def asked(model: str, resolution: int, device: torch.device, **sections: dict[str, Any]) -> TrainConfig:
    """The config whose step is counted and measured."""
    flags: dict[str, dict[str, Any]] = {
        "model": {"pretrained_model_name_or_path": model},
        "data": {"resolution": resolution},
        **sections,
    }
    flags["run"] = {**sections.get("run", {}), "mixed_precision": "bf16" if device.type == "cuda" else "no"}
    return TrainConfig.model_validate(question(resolve(compose(flags=flags).config)))


def counted(config: TrainConfig) -> int:
    """Bytes above weights and gradients at the height of a step, as they are counted."""
    dtype = DTYPES[config.run.mixed_precision or "no"]
    models = bare_models(config, dtype)
    add_trainables(models, config)
    return step_bytes(models, config, dtype)


def measured(config: TrainConfig, device: torch.device) -> int:
    """The same as the allocator sees it: of the same modules with random weights on `device`."""
    dtype = DTYPES[config.run.mixed_precision or "no"]
    models = bare_models(config, dtype, device)
    add_trainables(models, config)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        with autocast:
            run_step(models, config, dtype, device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, autocast:
        run_step(models, config, dtype, device)
    assert profiler.profiler and profiler.profiler.kineto_results
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    bytes_now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        bytes_now += event.nbytes()  # pyright: ignore[reportAttributeAccessIssue]
        peak = max(peak, bytes_now)
    return peak


def main() -> None:
    model, resolution = [*sys.argv[1:], *("tiny", "256")[len(sys.argv) - 1 :]]
    device = default_device()
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    for variant, sections in VARIANTS.items():
        config = asked(model, int(resolution), device, **sections)
        count, truth = counted(config), measured(config, device)
        found = {"variant": variant, "counted": count, "measured": truth, "error": round(count / truth - 1, 4)}
        sys.stdout.write(json.dumps({"device": where, "model": model, "resolution": int(resolution), **found}) + "\n")


if __name__ == "__main__":
    main()
