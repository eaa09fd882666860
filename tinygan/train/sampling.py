"""`python -m tinygan sample RUN`: new samples of a trained model, from its checkpoint alone."""

import argparse
import math
from pathlib import Path

import numpy as np

from ..backend import DeviceError, device, manual_seed
from ..io import FileError
from ..models import System, build
from ..optim import EMA
from . import asked, checkpoint, codes, pictures
from .folder import RunError
from .options import positive, some_text, whole

_SHOWN = 1024  # samples in a picture, at most
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def picture_name(text: str) -> str:
    if Path(text).suffix.lower() not in _PICTURES:
        raise argparse.ArgumentTypeError(f"expected a picture's name, as grid.png, got {text!r}")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a run, or one of its checkpoints")
    parser.add_argument("--n", type=positive, default=64, help="how many samples (default 64)")
    parser.add_argument(
        "--out",
        type=picture_name,
        metavar="FILE",
        default="samples.png",
        help="picture: .png, .jpg, .gif or .webp (default samples.png)",
    )
    parser.add_argument(
        "--interpolate", action="store_true",
        help="rows of ways from one z to another, instead of single samples",
    )  # fmt: skip
    parser.add_argument(
        "--npz", type=some_text, metavar="FILE", help="write the samples and their z as arrays"
    )
    parser.add_argument(
        "--last", action="store_true", help="the last weights, where the run keeps average ones"
    )
    asked.add_arguments(parser)
    parser.add_argument("--seed", type=whole, default=0, help="of the noise (default 0)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default auto)")


def main(options: argparse.Namespace) -> int:
    """Draw samples as the options say; RunError tells what is wrong with them."""
    try:
        where = device(options.device)
    except DeviceError as error:
        raise RunError(str(error)) from None
    with where:
        system, state = load(options.run, average=not options.last)
        manual_seed(options.seed)
        z = system.noise(options.n, "sample").numpy()
        columns = getattr(system, "classes", None)  # without a wish the classes come in turn
        names, c = asked.condition(system, state, options)
        if options.interpolate:
            z, names, columns = ways(z, columns := 8), [], columns
        made = system.sample(z, c)
    _write(made, z, names, columns, options)
    shown = f", the first {_SHOWN:,} of them" if made.ndim == 4 and len(made) > _SHOWN else ""
    print(f"{len(made):,} samples of {options.run}, step {state['step']}: {options.out}{shown}")
    return 0


def load(run, average: bool = True, say=print) -> tuple[System, dict]:
    """The trained system of a run, its weights averaged if the run did so, and its state."""
    _, state = checkpoint.find(run, say)
    try:
        system = build(state["config"])
        system.load_state_dict(state["system"])
        for name, saved in state.get("average", {}).items() if average else ():
            ema = EMA(system.modules[name], saved["decay"])
            ema.load_state_dict(saved)
            ema.copy_to(system.modules[name])
    except (KeyError, TypeError, ValueError, RuntimeError, FileError) as error:
        raise RunError(
            f"{run}: its checkpoint does not fit this version of tinygan: {error}"
        ) from None
    return system, state


def ways(z, columns: int):
    """From each z to the next one in `columns` points, along the great circle between them: as many
    points as there are z.

    Normal noise in many dimensions lies close to a sphere; the straight line between two points of
    it runs through its inside, where the model has hardly ever been.

        z(t) = [sin((1 − t)Ω) z₀ + sin(tΩ) z₁] / sin Ω,     cos Ω = z₀·z₁ / (|z₀||z₁|)
    """
    rows = math.ceil(len(z) / columns)
    begin, end = z[:rows], np.roll(z[: rows + 1], -1, 0)[:rows]
    if len(z) < 2:
        begin, end = z[:1], -z[:1]
    cosine = (begin * end).sum(1) / (np.linalg.norm(begin, axis=1) * np.linalg.norm(end, axis=1))
    omega = np.arccos(np.clip(cosine, -1, 1))[:, None, None]
    t = np.linspace(0, 1, columns)[None, :, None]
    with np.errstate(all="ignore"):
        a, b = np.sin((1 - t) * omega) / np.sin(omega), np.sin(t * omega) / np.sin(omega)
    straight = np.sin(omega) < 1e-4
    a, b = np.where(straight, 1 - t, a), np.where(straight, t, b)
    points = (a * begin[:, None] + b * end[:, None]).reshape(-1, z.shape[1])
    return points[: len(z)].astype(z.dtype)


def _write(made, z, names, columns, options):
    try:
        if made.ndim == 4 and names:
            picture = codes.panels(asked.rows(names, made[:_SHOWN]))
        elif made.ndim == 4:
            picture = pictures.grid(made[:_SHOWN], columns)
        else:
            picture = pictures.plane(made, made, title=f"{len(made)} samples")
        pictures.save_image(picture, options.out)
        if options.npz:
            with open(options.npz, "wb") as file:
                np.savez(file, samples=made, z=z)
    except OSError as error:
        raise RunError(f"cannot write: {error}") from None
