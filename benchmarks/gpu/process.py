"""A worker that is asked and answered separately, and given up when it does not answer in time."""

import json
import select

from ..process import Worker


class Late(RuntimeError):
    """A worker did not answer in time."""


class Patient(Worker):
    """`tell` gives an order; `answer` waits for what came of it, no longer than a limit."""

    life, prepared = 0, None

    def __init__(self, engine, options, log):
        arguments = (engine, options.device, options.threads)
        super().__init__(engine, options.threads, "benchmarks.gpu.worker", *arguments, stderr=log)

    def tell(self, command, **arguments):
        try:
            print(
                json.dumps({"do": command, "with": arguments}), file=self.process.stdin, flush=True
            )
        except BrokenPipeError as error:
            raise Late(f"the {self.engine} process has ended") from error

    def answer(self, seconds):
        if not select.select([self.process.stdout], [], [], max(seconds, 0.01))[0]:
            raise Late(f"no answer from {self.engine} in {seconds:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise Late(f"the {self.engine} process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def ask(self, command, limit=60, **arguments):
        self.tell(command, **arguments)
        return self.answer(limit)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Renewed:
    """A worker that is replaced by a new one after an error that may have spoilt its device."""

    def __init__(self, engine, options, log):
        self.make = lambda: Patient(engine, options, log)
        self.worker, self.life = self.make(), 0

    def ask(self, command, limit=60, **arguments):
        try:
            return self.worker.ask(command, limit, **arguments)
        except Exception as error:
            if isinstance(error, Late) or any(w in str(error).lower() for w in ("cuda", "cublas")):
                self.end()
                self.worker, self.life = self.make(), self.life + 1
            raise

    def end(self):
        self.worker.end()
