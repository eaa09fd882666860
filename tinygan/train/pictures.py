"""Pictures of samples and curves, and the film of a training.

Images are taken as they are, (−1, 1) to (0, 255): no scaling by what happens to be in a batch, so
that pictures of different steps compare.
"""

import io as bytes_io
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..io import write_atomically

_INK, _REAL, _FAKE = "#20242c", "#9aa3b2", "#d0342c"


def save_image(image: Image.Image, path, **options) -> None:
    """A picture on the disk, whole at any moment."""
    buffer = bytes_io.BytesIO()
    kind = Image.registered_extensions()[Path(path).suffix.lower()]
    image.save(buffer, format=kind, **options)
    write_atomically(path, buffer.getvalue())


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> Image.Image:
    """Images (N, C, H, W) in (−1, 1) side by side; small ones are enlarged.

    >>> grid(np.zeros((6, 1, 32, 32)), columns=3).size
    (200, 134)
    """
    n, channels, height, width = images.shape
    scale = max(1, 64 // max(height, width))
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    pixels = np.clip(np.rint((np.nan_to_num(images) + 1) * 127.5), 0, 255).astype(np.uint8)
    pixels = pixels[:, :3] if channels >= 3 else np.repeat(pixels[:, :1], 3, 1)
    pixels = pixels.repeat(scale, 2).repeat(scale, 3).transpose(0, 2, 3, 1)
    h, w = height * scale, width * scale
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 255, np.uint8)
    for i, picture in enumerate(pixels):
        y, x = divmod(i, columns)
        top, left = gap + y * (h + gap), gap + x * (w + gap)
        sheet[top : top + h, left : left + w] = picture
    return Image.fromarray(sheet)


def plane(samples: np.ndarray, real: np.ndarray, modes=None, field=None, title="") -> Image.Image:
    """Points (N, 2) over the data's; behind them `field(points)`, what D takes for real."""
    centre, half = frame(real)
    figure = Figure(figsize=(5, 5), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    if field is not None:
        side = np.linspace(-half, half, 80, dtype=np.float32)
        points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2) + centre
        axes.imshow(
            np.asarray(field(points)).reshape(80, 80), origin="lower", cmap="PuOr_r",
            vmin=0, vmax=1, alpha=0.6,
            extent=(centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half),
        )  # fmt: skip
        axes.set_xlabel("orange: D takes it for real, violet: for generated")
    axes.scatter(*real.T, s=3, color=_REAL, linewidths=0, label="data")
    if modes is not None:
        axes.scatter(*modes.T, s=90, facecolors="none", edgecolors=_INK, linewidths=0.6)
    axes.scatter(*samples.T, s=4, color=_FAKE, linewidths=0, label="samples")
    axes.set(
        xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half),
        aspect="equal", title=title,
    )  # fmt: skip
    axes.legend(loc="upper right", fontsize=8, markerscale=3)
    return drawn(figure)


def frame(real):
    """The middle of the data and half the side of a square around it with some air."""
    low, high = real.min(0), real.max(0)
    return ((low + high) / 2).astype(np.float32), float((high - low).max()) * 0.65


def drawn(figure: Figure) -> Image.Image:
    """Its pixels. `savefig` would lay it out twice, and pack what is at once unpacked again."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def curves(records: list[dict]) -> Image.Image | None:
    """The losses, and the scores if there are any, over the steps; None without a record."""
    losses = _series(records, "losses")
    scores = _series(records, "score")
    panels = [("losses", losses)] if losses else []
    panels += [(name, {name: line}) for name, line in scores.items() if len(line) > 1]
    if not panels:
        return None
    figure = Figure(figsize=(8, 2.6 * len(panels)), dpi=96, layout="constrained")
    for i, (title, lines) in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, i + 1)
        for name, line in sorted(lines.items()):
            axes.plot(*zip(*line), linewidth=1, label=name)
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return drawn(figure)


def _series(records, kind):
    """Name → [(step, value), …] of the numbers under `kind` in the log."""
    series = {}
    for record in records:
        for name, value in record.get(kind, {}).items():
            if isinstance(value, int | float):
                series.setdefault(name, []).append((record["step"], value))
    return series


def film(frames: list, path, seconds: float = 8.0, most: int = 60) -> list[str]:
    """The pictures as a GIF that rests on the last one; tells which could not be read."""
    if len(frames) > most:
        frames = [frames[i] for i in np.linspace(0, len(frames) - 1, most).round().astype(int)]
    images, unread = [], []
    for frame in frames:
        try:
            with Image.open(frame) as image:
                image.load()
                images.append(image.convert("RGB").quantize(128))
        except (OSError, SyntaxError, ValueError):
            unread.append(f"{frame}: cannot be read, left out of the film")
    if images:
        step = int(min(400, 1000 * seconds / len(images)))
        times = [step] * (len(images) - 1) + [2000]
        save_image(images[0], path, save_all=True, append_images=images[1:], duration=times, loop=0)
    return unread
