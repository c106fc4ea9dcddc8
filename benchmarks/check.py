"""How long `omniwatch check` takes from its start to its end, beside a Python that does nothing.

usage: python benchmarks/check.py [--runs 9] [--config FILE] [--json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "tests" / "recordings" / "entrance.yaml"


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print a short table, or JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--config", default=str(CONFIG))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    commands = {"omniwatch check": [sys.executable, "-m", "appliance", "check", arguments.config], "python -c pass": [sys.executable, "-c", "pass"]}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    out = {name: {"median_s": statistics.median(runs), "least_s": min(runs), "most_s": max(runs)} for name, runs in taken.items()}
    if arguments.json:
        print(json.dumps(out))
        return
    for name, row in out.items():
        print(f"{name:16} {row['median_s']:.3f} s ({row['least_s']:.3f} to {row['most_s']:.3f})")


if __name__ == "__main__":
    main()
