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
import os
import re
import shlex
import shutil
import tempfile
from itertools import count
from pathlib import Path

from ..io import write_atomically

_STEP = r"step-[0-9]{7,}"


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

        Files that a killed run left half written here are removed, and nothing else.
        """
        try:
            for unfinished in self._unfinished():
                unfinished.unlink(missing_ok=True)
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"x" * 4096)
        except OSError as error:
            reason = error.strerror or error
            raise RunError(
                f"the run cannot be written to {self.path}: {reason}; choose another folder with "
                "--out, or free the place"
            ) from None
        return self

    def _unfinished(self):
        """What `write_atomically` began for a file of this folder in a process that is no more."""
        own = "|".join(re.escape(path.name) for path in self._files())
        for folder, name in (
            (self.path, own), (self.samples, rf"{_STEP}\.png"),
            (self.checkpoints, rf"{_STEP}\.safetensors"), (self.figures, r"[\w-]+\.png"),
        ):  # fmt: skip
            for path in folder.glob(".*.part"):
                found = re.fullmatch(rf"\.(?:{name})\.(\d+)\.part", path.name)
                if found and not _alive(int(found[1])):
                    yield path

    def _files(self):
        return (self.metrics, self.config, self.losses, self.gif, self.report)

    def begun(self) -> bool:
        """Is this a run, with a checkpoint or stopped before its first one?"""
        try:
            config = json.loads(self.config.read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(config, dict) and "system" in config

    def in_the_way(self) -> Path | None:
        """A file that a run would write over or take for its own, if there is one."""
        pictures = [path for _, path in self.pictures()] + sorted(self.figures.glob("*.png"))
        return next((path for path in (*self._files(), *pictures) if path.exists()), None)

    def way_on(self) -> str:
        """How to go on after a fault, in words that begin a sentence."""
        good = [p for p in self.checkpoints.glob("step-*.safetensors") if number(p) is not None]
        if not good:
            return "there is no checkpoint yet, so begin again"
        return f"the last good checkpoint is {max(good, key=number)}: go on with {self.resume()}"

    def resume(self) -> str:
        """The option that takes this run up again, as one types it."""
        return f"--resume {shlex.quote(str(self.path))}"

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
    """The step in a file's name, `step-0001000.png`; None if a run would not call a file so."""
    return int(path.stem.removeprefix("step-")) if re.fullmatch(_STEP, path.stem) else None


def _alive(process: int) -> bool:
    """Is it another process that runs now?"""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def new_folder(out, system: str, data: str) -> RunFolder:
    """`out`, which must not hold a run yet, or the next free `runs/SYSTEM/DATA-NUMBER`."""
    if out is not None:
        folder = RunFolder(out)
        if folder.path.is_file():
            raise RunError(f"--out {out} is a file; expected a folder, which need not exist")
        if any(folder.checkpoints.glob("step-*")):
            raise RunError(
                f"--out {out} holds a run already: go on with it by {folder.resume()}, or choose "
                "another folder"
            )
        if not folder.begun() and (path := folder.in_the_way()):
            raise RunError(
                f"--out {out} holds {path.name}, which no run wrote and this one would write over: "
                "choose another folder"
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
