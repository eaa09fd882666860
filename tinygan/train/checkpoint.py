"""Checkpoints: all of a run's state in one safetensors file.

A checkpoint is written under a temporary name, flushed to the disk and renamed, so that a run
killed at any moment leaves whole files only. Reading one runs nothing (there is no pickle in it),
and checks its checksum and its kind; a damaged or foreign file is refused with the reason.
"""

import fnmatch
import os
import zlib
from pathlib import Path

import numpy as np

from .. import io
from ..autograd import Tensor
from ..backend import cuda_is_available
from ..io import FileError
from .folder import RunError, RunFolder, number

FORMAT = "tinygan run 2"
_OLDER = ("tinygan run 1",)  # its checksum did not cover shapes
_PARTS = {
    "step": int, "config": dict, "options": dict, "data": dict, "system": dict, "random": dict,
    "loader": dict, "callbacks": dict,
}  # fmt: skip


def write(folder: RunFolder, step: int, state: dict, keep: int) -> Path:
    """Save `state` as the checkpoint of `step`; of it and the older ones, the last `keep` stay."""
    path = folder.checkpoints / f"step-{step:07d}.safetensors"
    notes = {"format": FORMAT, "checksum": str(checksum(state))}
    try:
        io.save(state, path, notes)
    except OSError as error:
        raise OSError(
            error.errno, f"could not save step {step}: {error.strerror or error}"
        ) from None
    for old in [p for p in files(folder.path) if number(p) <= step][:-keep]:
        if old.is_file():
            old.unlink(missing_ok=True)
    return path


def read(path) -> dict:
    """The state in a checkpoint, its tensors on the CPU. Raises FileError with a reason."""
    path = Path(path)
    try:
        notes = io.load_metadata(path)
        state = io.load(path, device="cpu")
    except FileNotFoundError as error:
        raise FileError(str(error)) from None
    if notes.get("format") in _OLDER:
        raise FileError(
            f"{path}: was written by an older tinygan ({notes['format']!r}; this one reads "
            f"{FORMAT!r}): finish the run with the version that began it, or begin a new one"
        )
    if notes.get("format") != FORMAT:
        raise FileError(
            f"{path}: holds tensors, but is not a checkpoint of a run (its metadata says format "
            f"{notes.get('format')!r}, expected {FORMAT!r})"
        )
    if notes.get("checksum") != str(checksum(state)):
        raise FileError(f"{path}: is damaged: its checksum does not fit its content")
    if wrong := [part for part, kind in _PARTS.items() if type(state.get(part)) is not kind]:
        raise FileError(f"{path}: {', '.join(wrong)}: missing, or not what a run keeps there")
    if number(path) not in (state["step"], None):
        raise FileError(f"{path}: is of step {state['step']}, which its name does not say")
    return state


def files(run) -> list[Path]:
    """The checkpoints of a run, oldest first; what is called so, whatever it is."""
    folder = Path(run) / "checkpoints"
    try:
        found = [folder / name for name in fnmatch.filter(os.listdir(folder), "step-*.safetensors")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(f"{folder}: cannot be read ({error.strerror})") from None
    return sorted((p for p in found if number(p) is not None), key=number)


def find(run_or_file, say=print) -> tuple[RunFolder, dict]:
    """The run and its newest good checkpoint, or the very file that was named.

    A newer one that is damaged is passed over, which `say` tells.
    """
    path = Path(run_or_file)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    if is_file:
        try:
            return RunFolder(path.parent.parent), read(path)
        except FileError as error:
            others = [p for p in files(path.parent.parent) if p != path and _good(p)]
            offer = f"; this one is good: {others[-1]}" if others else ""
            raise RunError(f"{error}{offer}") from None
    if not is_folder:
        raise RunError(f"{path}: there is no such run; expected its folder, or a checkpoint in it")
    found, reasons = files(path), []
    for candidate in reversed(found):
        try:
            state = read(candidate)
        except FileError as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            say(f"passed over a checkpoint: {reason}")
        if reasons:
            say(f"using the one before it, {candidate}")
        return RunFolder(path), state
    if reasons:
        raise RunError("no checkpoint can be used:\n  " + "\n  ".join(reasons))
    raise RunError(
        f"{path}: no checkpoint in it (looked for {path / 'checkpoints'}/step-*.safetensors)"
    )


def _good(path) -> bool:
    try:
        read(path)
    except FileError:
        return False
    return True


def checksum(value, seed: int = 0) -> int:
    """A CRC-32 of nested dicts and lists of tensors and plain values, as a file keeps them: names,
    dtypes, shapes and bytes.
    """
    if isinstance(value, dict):
        seed = zlib.crc32(b"dict %d" % len(value), seed)
        for key in sorted(value, key=str):
            seed = checksum(value[key], zlib.crc32(repr(str(key)).encode(), seed))
        return seed
    if isinstance(value, list | tuple):
        seed = zlib.crc32(b"list %d" % len(value), seed)
        for item in value:
            seed = checksum(item, seed)
        return seed
    if isinstance(value, Tensor):
        array = np.ascontiguousarray(value.numpy())
        kind = f"tensor {array.dtype} {tuple(value.shape)}"
        return zlib.crc32(array, zlib.crc32(kind.encode(), seed))
    value = value.item() if isinstance(value, np.generic) else value
    return zlib.crc32(repr(value).encode(), seed)


def clone(value):
    """A copy of a state that later steps do not change."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clone(item) for item in value]
    return value.detach().clone() if isinstance(value, Tensor) else value


def has_cuda_streams(random: dict) -> bool:
    return any("cuda" in saved for saved in random["streams"].values())


def restorable(random: dict) -> dict:
    """The random streams as this machine can restore them: without a GPU, only the host's."""
    if cuda_is_available() or not has_cuda_streams(random):
        return random
    streams = {
        name: {k: v for k, v in saved.items() if k != "cuda"}
        for name, saved in random["streams"].items()
    }
    return {**random, "streams": streams}
