"""The folder of a run: what lies where, and whether it can be written.

runs/dcgan/digits-1/
    checkpoints/   step-0001000.safetensors, the last few
    samples/       step-0001000.png, one picture each time
    metrics.jsonl  losses and scores, one JSON object a line
    config.json    the settings of the run
    losses.png  samples.gif  report.html
    figures/       what an example shows besides, at the end
"""

import json
import shutil
from itertools import count
from pathlib import Path

from ..io import write_atomically


class RunError(RuntimeError):
    """A run cannot start or go on; the message says why and what to do."""


class RunFolder:
    """Paths of a run's files."""

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"
        self.metrics, self.config = self.path / "metrics.jsonl", self.path / "config.json"
        self.losses, self.gif = self.path / "losses.png", self.path / "samples.gif"
        self.report, self.figures = self.path / "report.html", self.path / "figures"

    def __str__(self):
        return str(self.path)

    def prepare(self) -> "RunFolder":
        """Make the folders, and find out now whether they can be written.

        Files that a killed run left half written are removed.
        """
        try:
            for unfinished in self.path.rglob(".*.part"):
                unfinished.unlink()
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / ".probe", b"x" * 4096)
                (folder / ".probe").unlink()
        except OSError as error:
            reason = error.strerror or error
            raise RunError(
                f"the run cannot be written to {self.path}: {reason}; choose another folder with "
                "--out, or free the place"
            ) from None
        return self

    def require_space(self, needed: int) -> None:
        """Refuse to begin where `needed` bytes of checkpoints and pictures would not fit."""
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise RunError(
                f"{self.path} has {free / 1e6:,.0f} MB free, and the run needs about "
                f"{needed / 1e6:,.0f} MB: free some, choose another --out, or lower --keep"
            )

    def write_config(self, config: dict) -> None:
        write_atomically(self.config, (json.dumps(config, indent=1) + "\n").encode())

    def pictures(self) -> list[tuple[int, Path]]:
        """(step, file) of the sample pictures, in order."""
        found = [(number(path), path) for path in self.samples.glob("step-*.png")]
        return sorted(pair for pair in found if pair[0] is not None)


def number(path: Path) -> int | None:
    """The step in a file's name, `step-0001000.png`."""
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isdecimal() else None


def new_folder(out, system: str, data: str) -> RunFolder:
    """`out`, which must not hold a run yet, or the next free `runs/SYSTEM/DATA-NUMBER`."""
    if out is not None:
        folder = RunFolder(out)
        if folder.path.is_file():
            raise RunError(f"--out {out} is a file; expected a folder, which need not exist")
        if any(folder.checkpoints.glob("step-*")):
            raise RunError(
                f"--out {out} holds a run already: go on with it by --resume {out}, or choose "
                "another folder"
            )
        return folder.prepare()
    home = Path("runs") / system
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(data).name) or "data"
    try:
        home.mkdir(parents=True, exist_ok=True)
        for i in count(1):
            try:
                (home / f"{name}-{i}").mkdir()
            except FileExistsError:
                continue
            return RunFolder(home / f"{name}-{i}").prepare()
    except OSError as error:
        raise RunError(
            f"the run cannot be written to {home}: {error.strerror}; choose a folder with --out"
        ) from None
