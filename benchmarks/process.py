"""Engines in processes of their own: neither warms a cache or holds a lock for the other."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parent.parent


class ParityError(AssertionError):
    """The two disagree, so their times mean nothing."""


class Worker:
    """A process that runs one engine; `worker.measure(repeats=3)` asks it to, and waits.

    Every library chooses the code for this processor by itself, whatever the shell pins it to.
    """

    def __init__(self, engine, threads, module, *arguments, stderr=None):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TINYGAN_THREADS")
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "MKL_"))
        }
        environment |= dict.fromkeys(variables, str(threads)) | {"PYTHONPATH": str(HOME)}
        self.engine = engine
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOME, env=environment,
            stderr=stderr,
        )  # fmt: skip

    def __getattr__(self, command):
        def ask(**arguments):
            order = json.dumps({"do": command, "with": arguments})
            print(order, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
            if not answer:
                raise RuntimeError(f"the {self.engine} process ended in {command}")
            answer = json.loads(answer)
            if "error" in answer:
                raise RuntimeError(f"{self.engine}, {command}: {answer['error']}")
            return answer["value"]

        return ask

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait()


def peak_mb():
    """The peak memory of this process alone (`ru_maxrss` would begin at its parent's)."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer_orders(*functions):
    """The other end of a Worker: run the function each line of standard input names, and answer."""
    commands = {function.__name__: function for function in functions}
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"value": commands[order["do"]](**order.get("with", {}))}
        except Exception as error:  # sent to the parent, which stops the benchmark with it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
