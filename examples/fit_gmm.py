"""EM at work: a mixture of Gaussians fitted to points, one half-step a picture.

    python examples/fit_gmm.py [--data grid] [--components 25] [--covariance full] [--steps 30]
    python examples/fit_gmm.py --data points.csv --components 3      or a .npy or .npz file

In an E step every point takes the colours of the components that may have drawn it; in an M step
every component moves to its points. The components start blurred and displaced, so that there is
something to see. Writes a picture of each half-step, all of them as a GIF, and what was found.
Points of more than two dimensions are shown in the plane in which they vary most.
"""

import argparse
import re
import sys
import warnings
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

from tinygan import data, train
from tinygan.models import ConvergenceWarning, GaussianMixture

SHOWN = 3000  # points in the pictures
MOST = 1000  # components: more ellipses than anybody can tell apart
BUILT_IN = ("grid", "ring", "swissroll", "moons")


class Plane:
    """Where the pictures are drawn: the two directions in which points vary most, or in two
    dimensions the points themselves."""

    def __init__(self, x):
        d = x.shape[1]
        self.centre, self.axes = np.zeros(d), np.eye(d, 2)
        if d > 2:
            self.centre = x.mean(axis=0)
            self.axes = np.linalg.eigh(np.cov(x.T))[1][:, :-3:-1]

    def points(self, x):
        return (x - self.centre) @ self.axes

    def covariance(self, matrix):
        return self.axes.T @ matrix @ self.axes


def blurred_start(x, k, kind, seed):
    """k spread-out means, moved about, and round components as wide as half the gaps between."""
    random, d = np.random.default_rng(seed), x.shape[1]
    means = GaussianMixture(k, max_iter=0, random_state=seed).fit(x).means_
    gaps = np.linalg.norm(means[:, None] - means, axis=2) + 1e9 * np.eye(k)
    width = (0.5 * np.median(gaps.min(axis=1)) if k > 1 else 0) or x.std() or 1.0
    precision = np.eye(d) / width**2
    precisions = {
        "full": np.tile(precision, (k, 1, 1)), "tied": precision,
        "diag": np.full((k, d), 1 / width**2), "spherical": np.full(k, 1 / width**2),
    }[kind]  # fmt: skip
    return {
        "weights_init": np.full(k, 1 / k),
        "means_init": means + 0.35 * width * random.standard_normal((k, d)),
        "precisions_init": precisions,
    }


def ellipses(mixture, plane, colours):
    """Each component as its ellipse of two standard deviations."""
    k, d = mixture.means_.shape
    means = plane.points(mixture.means_)
    full = mixture.covariance_type in ("full", "tied")
    for i in range(k):
        if full:
            covariance = np.broadcast_to(mixture.covariances_, (k, d, d))[i]
        else:
            covariance = np.eye(d) * mixture.covariances_[i]
        size, axes = np.linalg.eigh(plane.covariance(covariance))
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        short, long = 4 * np.sqrt(size.clip(0))
        for fill, alpha in ((True, 0.12), (False, 0.9)):
            yield Ellipse(
                means[i], long, short, angle=angle, fill=fill, alpha=alpha,
                facecolor=colours[i], edgecolor=colours[i], linewidth=1.3,
            )  # fmt: skip


def picture(x, plane, mixture, shares, colours, title, history, steps, path):
    """Points in the mixed colours of their components, the components, and the climb so far."""
    figure = Figure(figsize=(6.4, 7.6), dpi=90, facecolor="white")
    view = figure.add_axes([0.04, 0.2, 0.92, 0.73])
    point_colours = np.full((len(x), 3), 0.75) if shares is None else shares @ colours
    x, means = plane.points(x), plane.points(mixture.means_)
    view.scatter(*x.T, c=point_colours.clip(0, 1), s=7, linewidths=0, alpha=0.8)
    for ellipse in ellipses(mixture, plane, colours):
        view.add_patch(ellipse)
    view.scatter(*means.T, c=colours, s=42, marker="X", edgecolors="black", linewidths=0.6)
    margin = 0.12 * np.ptp(x, axis=0).max() or 1.0
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    view.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
    view.set_title(title, fontsize=12, loc="left")
    climb = figure.add_axes([0.14, 0.07, 0.82, 0.1])
    climb.plot(
        range(1, len(history) + 1), history, color="0.25", marker="o", markersize=2.5, linewidth=1
    )
    climb.set_xlim(0.5, steps + 0.5)
    if not history:
        climb.set_yticks([])
    climb.set_xlabel("iteration", fontsize=8, labelpad=1)
    climb.set_ylabel("log p(x)\na point", fontsize=8)
    climb.tick_params(labelsize=7)
    climb.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def report(points, mixture, x):
    """What was found; against the truth, where the data have one."""
    state = "settled" if mixture.converged_ else "stopped"
    print(f"{state}   log p(x) {mixture.score(x):.4f} a point   BIC {mixture.bic(x):.0f}")
    modes = getattr(points, "modes", None)
    if modes is not None:
        distance = np.linalg.norm(modes[:, None] - mixture.means_, axis=2).min(axis=1)
        found = int((distance < 3 * points.sigma).sum())
        print(f"{found} of {len(modes)} modes found; the worst mean is off by {distance.max():.4f}")


def read(options):
    """The points (n, d), and the data set they are from if it is a built-in one."""
    if options.data in BUILT_IN:
        points = data.open(options.data, n=20_000, seed=options.seed)
        return points.take(len(points))["x"].astype(np.float64), points
    if options.data in data.NAMES:
        raise data.DataError(
            f"{options.data}: is not for this example; a mixture is fitted to points: "
            f"{', '.join(BUILT_IN)}, or a .npy, .npz or .csv file"
        )
    if not Path(options.data).exists():
        raise data.DataError(
            f"{options.data}: there is no such file, and none of the built-in sets "
            f"({', '.join(BUILT_IN)}) is called so"
        )
    return data.table(options.data), None


def fit(options):
    """Fit step by step, with a picture of each half."""
    x, points = read(options)
    modes = getattr(points, "modes", None)
    k = options.components or (min(12, len(x)) if modes is None else len(modes))
    if k > min(len(x), MOST):
        raise data.DataError(
            f"--components {k:,}: {options.data} has {len(x):,} points, and pictures show up to "
            f"{MOST:,} components; choose fewer"
        )
    start = blurred_start(x, k, options.covariance, options.seed)
    shown, plane = x[:: max(1, len(x) // SHOWN)][:SHOWN], Plane(x)
    colours = colormaps["hsv"](np.random.default_rng(2).permutation(k) / k)[:, :3] * 0.85
    folder = options.out / (options.data if points else Path(options.data).stem)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if re.fullmatch(r"step-\d{2,}[ab]?\.png", old.name):
            old.unlink()

    mixture = GaussianMixture(
        k, covariance_type=options.covariance, max_iter=0, warm_start=True, tol=1e-4, **start
    ).fit(x)
    mixture.set_params(max_iter=1)
    history, frames = [], []

    def snapshot(title, name, shares):
        frames.append(folder / f"step-{name}.png")
        picture(shown, plane, mixture, shares, colours, title, history, options.steps, frames[-1])

    snapshot("the start: wide components, points of no colour", "00", None)
    for step in range(1, options.steps + 1):
        shares = mixture.predict_proba(shown)
        history.append(mixture.score(x))
        snapshot(
            f"E step {step}: which components may have drawn each point?", f"{step:02}a", shares
        )
        mixture.fit(x)
        snapshot(f"M step {step}: each component moves to its points", f"{step:02}b", shares)
        print(f"iteration {step:3d}   log p(x) {history[-1]:9.5f} a point")
        if mixture.converged_:
            break
    report(points, mixture, x)
    images = [Image.open(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames]
    pause = [1200] + [350] * (len(images) - 2) + [2500]
    images[0].save(
        folder / "em.gif", save_all=True, append_images=images[1:], duration=pause, loop=0
    )
    print(f"wrote {folder / 'em.gif'} and {len(frames)} pictures step-*.png beside it")


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=train.some_text, metavar="NAME|PATH", default="grid",
        help=f"{', '.join(BUILT_IN)}, or a .npy, .npz or .csv file with a point a row (default "
        "%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--components", type=train.positive, metavar="K",
        help="default: as many as the data have modes, or 12",
    )  # fmt: skip
    parser.add_argument(
        "--covariance", default="full", choices=["full", "tied", "diag", "spherical"]
    )
    parser.add_argument(
        "--steps", type=train.positive, metavar="N", default=30,
        help="iterations at most (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=train.whole, metavar="N", default=0,
        help="of data and start (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=train.some_text, metavar="DIR", default="runs/gmm",
        help="the pictures go into a folder in it (default %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    options.out = Path(options.out)
    warnings.simplefilter("ignore", ConvergenceWarning)  # one iteration at a time, on purpose
    try:
        fit(options)
    except (data.DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: the pictures cannot be written to {options.out}: {error.strerror or error}; "
            "choose another folder with --out, or free the place",
            file=sys.stderr,
        )
        return 1
    except MemoryError:
        print("error: not enough memory: choose fewer --components", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the pictures so far are in", options.out, file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
