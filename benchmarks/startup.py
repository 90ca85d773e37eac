"""What it costs to start loratui: CPU time of its light commands, beside `import typer` and bare Python.

Run: python benchmarks/startup.py [ROUNDS]
"""

import resource
import subprocess
import sys
from statistics import median

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import typer'": ["-c", "import typer"],
    "loratui --help": ["-m", "loratui", "--help"],
    "loratui lint --help": ["-m", "loratui", "lint", "--help"],
    "loratui runs": ["-m", "loratui", "runs"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one `python ARGUMENTS`, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int) -> None:
    for name, arguments in COMMANDS.items():
        cpu_seconds(arguments)  # the first start compiles and fills the disk's cache
        times = [1000 * cpu_seconds(arguments) for _ in range(rounds)]
        print(f"{name:26} median {median(times):4.0f} ms of CPU, least {min(times):4.0f} ms")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
