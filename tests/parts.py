"""A test run in parts, side by side: for a GPU, whose kernels are compiled on many cores at once.

    python -m tests.parts 12 [--log FILE] [--limit SECONDS] -m gpu

runs `python -m pytest -m gpu` in 12 processes, each with every 12th handful of the tests. Without
plugins, so that none is needed and none gets in the way. A part that breaks the device or hangs
loses its own tests alone.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).parent.parent
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


def start(part, parts, arguments, folder):
    log = Path(folder) / f"{part}.log"
    command = [
        sys.executable, "-m", "pytest", "--part", f"{part}/{parts}", "-p", "no:cacheprovider",
        "--tb=short", "-o", "faulthandler_timeout=60", *arguments,
    ]  # fmt: skip
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TINYGAN_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    with open(log, "w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=HOME, env=environment
        )
    return process, log


def finish(process, log, deadline):
    """The exit status and the text of a part; -1 for one that had to be ended."""
    try:
        status = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        status = -1
    return status, log.read_text(errors="replace")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.parts", description=__doc__)
    parser.add_argument("parts", type=int)
    parser.add_argument("--log", help="write all that pytest says")
    parser.add_argument("--limit", type=float, default=400)
    options, rest = parser.parse_known_args(arguments)
    deadline = time.monotonic() + options.limit
    with tempfile.TemporaryDirectory() as folder:
        running = [start(i, options.parts, rest, folder) for i in range(options.parts)]
        done = [finish(process, log, deadline) for process, log in running]
    if options.log:
        Path(options.log).write_text(
            "\n".join(f"=== part {i}\n{t}" for i, (_, t) in enumerate(done))
        )
    total, lines = {}, []
    for i, (status, text) in enumerate(done):
        told = text.rstrip().split("\n")
        for count, what in COUNTS.findall(told[-1]):
            total[what] = total.get(what, 0) + int(count)
        lines += [line[:230] for line in told if line.startswith(("FAILED", "ERROR"))]
        if status not in (0, 1, 5):
            lines.append(f"part {i} ended with {status}: {' / '.join(told[-3:])[-400:]}")
    print("\n".join(lines[:60]))
    if len(lines) > 60:
        print(f"… and {len(lines) - 60} more")
    print(", ".join(f"{count} {what}" for what, count in total.items()) or "no tests")
    return max(status not in (0, 5) for status, _ in done)


if __name__ == "__main__":
    sys.exit(main())
