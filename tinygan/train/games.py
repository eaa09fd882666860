"""What the games without a condition share on the command line: the options of their networks, what
suits images better than points, and pictures of two games on the same data.
"""

import numpy as np
from matplotlib.figure import Figure

from . import codes, pictures
from .options import positive, width

_IMAGES = {
    "net": "dcgan", "width": 16, "latent": 16, "batch_size": 32, "lr": 2e-3, "ema": 0.99,
}  # fmt: skip


def model_options(parser, n_critic: int):
    """Add the options of the networks; gives their group, for a system's own."""
    group = parser.add_argument_group(
        "the model (for images a dcgan of 16 channels, z of 16 numbers, batches of 32)"
    )
    group.add_argument("--net", choices=("mlp", "dcgan"), default="mlp")
    group.add_argument(
        "--width", type=width, default=128,
        help="units of an mlp, or channels next to the image (default %(default)s)",
    )  # fmt: skip
    group.add_argument("--latent", type=width, default=2, help="length of z (default %(default)s)")
    group.add_argument(
        "--n-critic", type=positive, default=n_critic, metavar="N",
        help="steps of D for one of G (default %(default)s)",
    )  # fmt: skip
    return group


def suited(**own):
    """What suits images, for `train.run`; `own` are a system's settings that differ."""
    return lambda dataset: (_IMAGES | own) if len(dataset.shape) == 3 else {}


def side_by_side(systems: dict, test):
    """Samples of systems, by name: over the data and what each D takes for real, or as sheets."""
    z = next(iter(systems.values())).noise(1000, "study").numpy()
    if len(test.shape) == 3:
        return codes.panels({name: (each.sample(z[:48]), 16) for name, each in systems.items()})
    real, modes = test.take(1000)["x"], getattr(test, "modes", None)
    drawn = [
        np.asarray(pictures.plane(each.sample(z), real, modes, each.field, name))
        for name, each in systems.items()
    ]
    return pictures.Image.fromarray(np.concatenate(drawn, 1))


def map_of(function, test, made, label: str):
    """The values of `function` on the plane around the data: (N, 2) → (N,), with its contours."""
    real = test.take(1000)["x"]
    centre, half = pictures.frame(real)
    side = np.linspace(-half, half, 100, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2) + centre
    values = function(points).reshape(100, 100)
    figure = Figure(figsize=(6, 5), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    shown = axes.contourf(side + centre[0], side + centre[1], values, 30, cmap="viridis")
    figure.colorbar(shown, label=label)
    axes.scatter(*real.T, s=3, color="white", linewidths=0)
    axes.scatter(*made.T, s=4, color="#d0342c", linewidths=0)
    axes.set(
        xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half),
        aspect="equal", title="white: data, red: samples",
    )  # fmt: skip
    return pictures.drawn(figure)


def followed(step, lines: dict, made: list, real, title: str):
    """Two lines over the steps, each with its own axis, above samples of six of those steps.

    step: (T,), lines: name → (T,), made: T arrays of samples, real: examples.
    """
    figure = Figure(figsize=(9, 5.4), dpi=100, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 1))
    axes = top.subplots()
    for own, colour, (name, line) in zip((axes, axes.twinx()), ("C0", "C3"), lines.items()):
        own.plot(step, line, color=colour)
        own.set_ylabel(name, color=colour)
        own.set_ylim(min(0, min(line)), None)
    axes.set(title=title, xlabel="step")
    at = np.unique(np.geomspace(1, len(made), 6).round().astype(int)) - 1
    for axes, i in zip(bottom.subplots(1, len(at), squeeze=False)[0], at):
        axes.axis("off")
        axes.set_title(f"step {int(step[i])}", fontsize=9)
        if real.ndim == 4:
            axes.imshow(pictures.grid(made[i][:16]))
            continue
        axes.scatter(*real.T, s=2, color="0.7")
        axes.scatter(*made[i].T, s=2, color="C3")
        centre, half = pictures.frame(real)
        axes.set(xlim=(centre[0] - half, centre[0] + half), aspect="equal",
                 ylim=(centre[1] - half, centre[1] + half))  # fmt: skip
    return pictures.drawn(figure)
