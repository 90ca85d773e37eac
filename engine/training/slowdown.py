"""Steps that have become slow, and GPU memory that runs over: noticed, and told with the likely cause."""

import platform
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from engine.events import Event, MicroBatchHalved, Step, Warned
from engine.sizes import gigabytes

# Steps whose median counts: a single slow one (a new shape, a picture before it, a compilation) is nothing.
WINDOW = 20
SLOW, RECOVERED = 2.0, 1.5  # times the run's fastest window
LEAST_SECONDS = 0.1  # by which a step is longer: doubled milliseconds are the machine's noise
FULL = 0.97  # of a GPU's memory
OTHERS = 2 * 2**30  # bytes: torch's own context takes less than one GiB
PRESSURE = 20.0  # percent of the last minute
SMI_SECONDS = 10.0
THROTTLING = ("hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown")
LOWER_MEMORY = "In a new run, low_memory = true or a smaller train_batch_size or rank makes it fit"


@dataclass(frozen=True)
class GpuMemory:
    """Bytes. reserved: held by torch.  free, total: of the GPU, for all processes.

    may_spill: the driver gives out the system's memory when the GPU's is gone, as on Windows.
    """

    reserved: int
    free: int
    total: int
    may_spill: bool = False

    @property
    def spills(self) -> bool:
        """Whether torch holds more than there is, or all that there was where the driver would give more."""
        return self.reserved > self.total or (self.may_spill and self.free < (1 - FULL) * self.total)


@dataclass(frozen=True)
class Strain:
    """What may hold steps up. memory: None without a GPU.  is_throttled: the GPU is hot, or short of power.

    pressure: percent of the last minute in which something waited, by resource: memory, io, cpu.
    """

    memory: GpuMemory | None
    is_throttled: bool
    pressure: Mapping[str, float]


class Slowdown:
    """Passes events on to `emit`, and warns when steps take twice as long as they did, once until they recovered.

    The time of steps alone counts, not that of captions, pictures and checkpoints between them.  memory, strain: how
    the machine is when they are called.
    """

    def __init__(
        self, emit: Callable[[Event], None], memory: Callable[[], GpuMemory | None], strain: Callable[[], Strain]
    ) -> None:
        self._emit, self._memory, self._strain = emit, memory, strain
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._fastest: float | None = None
        self._is_slow = self._is_full = False

    def __call__(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, MicroBatchHalved):  # from now on a step is other work
            self._recent.clear()
            self._fastest, self._is_slow = None, False
        if isinstance(event, Step):
            self._see(event)

    def _see(self, step: Step) -> None:
        self._recent.append(step.seconds)
        if len(self._recent) < WINDOW:
            return
        now = median(self._recent)
        before = self._fastest = min(now, self._fastest or now)
        was_slow = self._is_slow
        self._is_slow = is_slow(now, before, was_slow)
        if self._is_slow and not was_slow:
            cause = likely_cause(self._strain())
            self._warn(f"At step {step.step} a step takes {now:.2g} s, and took {before:.2g} s before. {cause}")
        if step.step % WINDOW == 0:
            self._see_memory(step.memory)

    def _see_memory(self, peak: int | None) -> None:
        """peak: the most bytes that tensors had on the GPU at once, None on a CPU."""
        if peak is None or (memory := self._memory()) is None:
            return
        was_full, self._is_full = self._is_full, memory.spills or peak > FULL * memory.total
        if self._is_full and not was_full and not self._is_slow:
            self._warn(_spilling(memory) if memory.spills else _nearly_full(peak, memory.total))

    def _warn(self, message: str) -> None:
        self._emit(Warned(message=message))


def is_slow(now: float, before: float, was_slow: bool) -> bool:
    """Whether steps of `now` seconds are slow against those of `before`; what is slow is so until it recovered."""
    return now - before >= LEAST_SECONDS and now >= (RECOVERED if was_slow else SLOW) * before


def likely_cause(strain: Strain) -> str:
    """Why steps may be slow, and what to do, in sentences; the surest sign counts."""
    memory = strain.memory
    if memory and memory.spills:
        return _spilling(memory)
    if strain.is_throttled:
        return "The GPU throttles itself: it is too hot, or short of power. Look at its cooling."
    if memory and (others := memory.total - memory.free - memory.reserved) > OTHERS:
        return f"Other processes hold {gigabytes(others)} of the GPU and may be using it. See which with: nvidia-smi"
    for resource, sentence in (
        ("memory", "The machine is short of memory, and swaps. End what else needs it."),
        ("io", "Something waits for the disk much of the time: it is slow, or others use it too."),
        ("cpu", "Other processes keep the CPU busy. End them, or give the run more cores."),
    ):
        if strain.pressure.get(resource, 0.0) >= PRESSURE:
            return sentence
    return "Nothing here tells why; look at nvidia-smi for the GPU's clock and other processes, and at the disk."


def watched(emit: Callable[[Event], None], device: torch.device) -> Slowdown:
    """`emit`, with a look at the steps on `device`."""
    return Slowdown(emit, lambda: gpu_memory(device), lambda: strain_on(device))


def strain_on(device: torch.device) -> Strain:
    """What holds steps on `device` up now."""
    pressure = {resource: _pressure(resource) for resource in ("memory", "io", "cpu")}
    return Strain(gpu_memory(device), device.type == "cuda" and _is_throttled(device), pressure)


def gpu_memory(device: torch.device) -> GpuMemory | None:
    """How the GPU's memory is now. None on a CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    is_wsl = "microsoft" in platform.release().lower()
    return GpuMemory(torch.cuda.memory_reserved(device), free, total, may_spill=is_wsl)


def _pressure(resource: str) -> float:
    """Percent of the last minute in which some task waited for `resource`; 0 where that is not told.

    Linux's pressure stall information (https://docs.kernel.org/accounting/psi.html).
    """
    try:
        some = Path(f"/proc/pressure/{resource}").read_text("ascii").splitlines()[0]
        return float(dict(field.split("=") for field in some.split()[1:])["avg60"])
    except (OSError, ValueError, LookupError):
        return 0.0


def _spilling(memory: GpuMemory) -> str:
    return (
        "GPU memory spills into the system's, which is many times slower: "
        f"torch holds {gigabytes(memory.reserved)}, and the GPU has {gigabytes(memory.total)}. {LOWER_MEMORY}."
    )


def _nearly_full(peak: int, total: int) -> str:
    return f"GPU memory is nearly full: {gigabytes(peak)} of {gigabytes(total)} were needed at once. {LOWER_MEMORY}."


def _is_throttled(device: torch.device) -> bool:
    """What NVIDIA's driver says; False where it says nothing."""
    if torch.version.cuda is None:
        return False
    gpu = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    fields = ",".join(f"clocks_throttle_reasons.{reason}" for reason in THROTTLING)
    ask = ["nvidia-smi", f"--id={gpu}", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=SMI_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return "Active" in [value.strip() for value in answer.split(",")]
