"""metrics.jsonl: one JSON object a line, and never a line twice.

A checkpoint keeps how far the log went (its length and checksum); a resumed run cuts off what was
written after that, and so writes the same lines again.
"""

import json
import math
import os
import zlib
from contextlib import contextmanager
from pathlib import Path

from ..io import write_atomically
from .folder import RunError


class MetricsLog:
    """Appends records {"step": …, …} to a file, and knows its place in it."""

    def __init__(self, path):
        self.path, self.length, self.checksum = Path(path), 0, 0
        self._file = None

    def open(self) -> "MetricsLog":
        """Begin to write: after the lines that `restore` kept, or in an empty file."""
        try:
            # unbuffered: what a full disk refused is not tried again, and complained of, at the end
            self._file = open(self.path, "ab" if self.length else "wb", 0)  # noqa: SIM115
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror}") from None
        return self

    def write(self, record: dict) -> None:
        line = (json.dumps(_finite(record)) + "\n").encode()
        rest = line
        with self._named_faults():
            while rest:
                rest = rest[self._file.write(rest) :]
        self.length += len(line)
        self.checksum = zlib.crc32(line, self.checksum)

    def sync(self) -> None:
        """Have it all on the disk before a checkpoint says that it is."""
        with self._named_faults():
            os.fsync(self._file.fileno())

    @contextmanager
    def _named_faults(self):
        try:
            yield
        except OSError as error:
            reason = f"could not write {self.path}: {error.strerror}"
            raise OSError(error.errno, reason) from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def state(self) -> dict:
        return {"length": self.length, "checksum": self.checksum}

    def restore(self, state: dict, step: int) -> str | None:
        """Cut the file back to `state`; tells if what should be there is not.

        Then the lines up to `step` that can be read are kept, and the rest is lost.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        content, lost = content[: state["length"]], None
        if len(content) < state["length"] or zlib.crc32(content) != state["checksum"]:
            kept = [r for r in parse(content) if r["step"] <= step]
            content = b"".join((json.dumps(r) + "\n").encode() for r in kept)
            lost = (
                f"{self.path} is not as the checkpoint left it (shortened or changed): some of its "
                f"lines before step {step} are lost; the run itself goes on exactly"
            )
        write_atomically(self.path, content)
        self.length, self.checksum = len(content), zlib.crc32(content)
        return lost


def parse(content: bytes) -> list[dict]:
    """The records that can be read."""
    records = []
    for line in content.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


def records(path) -> list[dict]:
    """The records in a log file; none if there is no file."""
    path = Path(path)
    return parse(path.read_bytes()) if path.exists() else []


def _finite(value):
    """NaN and infinity have no form in JSON: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
