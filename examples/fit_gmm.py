"""EM at work: a mixture of Gaussians fitted to points in the plane, one half-step a picture.

    python examples/fit_gmm.py [--data grid] [--components 25] [--covariance full] [--steps 30]

In an E step every point takes the colours of the components that may have drawn it; in an M step
every component moves to its points. The components start blurred and displaced, so that there is
something to see. Writes a picture of each half-step, all of them as a GIF, and what was found.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

from tinygan import data
from tinygan.models import ConvergenceWarning, GaussianMixture

SHOWN = 3000  # points in the pictures


def blurred_start(x, k, kind, seed):
    """k spread-out means, moved about, and round components as wide as half the gaps between."""
    random = np.random.default_rng(seed)
    means = GaussianMixture(k, max_iter=0, random_state=seed).fit(x).means_
    gaps = np.linalg.norm(means[:, None] - means, axis=2) + 1e9 * np.eye(k)
    width = 0.5 * np.median(gaps.min(axis=1)) if k > 1 else x.std()
    precision = np.eye(2) / width**2
    precisions = {
        "full": np.tile(precision, (k, 1, 1)), "tied": precision,
        "diag": np.full((k, 2), 1 / width**2), "spherical": np.full(k, 1 / width**2),
    }[kind]  # fmt: skip
    return {
        "weights_init": np.full(k, 1 / k),
        "means_init": means + 0.35 * width * random.standard_normal((k, 2)),
        "precisions_init": precisions,
    }


def ellipses(mixture, colours):
    """Each component as its ellipse of two standard deviations."""
    k = len(mixture.means_)
    full = mixture.covariance_type in ("full", "tied")
    for i in range(k):
        if full:
            shape = (k, 2, 2)
            covariance = np.broadcast_to(mixture.covariances_, shape)[i]
        else:
            covariance = np.eye(2) * mixture.covariances_[i]
        size, axes = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        long, short = 4 * np.sqrt(size[1]), 4 * np.sqrt(size[0])
        for fill, alpha in ((True, 0.12), (False, 0.9)):
            yield Ellipse(
                mixture.means_[i], long, short, angle=angle, fill=fill, alpha=alpha,
                facecolor=colours[i], edgecolor=colours[i], linewidth=1.3,
            )  # fmt: skip


def picture(x, mixture, shares, colours, title, history, steps, path):
    """Points in the mixed colours of their components, the components, and the climb so far."""
    figure = Figure(figsize=(6.4, 7.6), dpi=90, facecolor="white")
    plane = figure.add_axes([0.04, 0.2, 0.92, 0.73])
    point_colours = np.full((len(x), 3), 0.75) if shares is None else shares @ colours
    plane.scatter(*x.T, c=point_colours.clip(0, 1), s=7, linewidths=0, alpha=0.8)
    for ellipse in ellipses(mixture, colours):
        plane.add_patch(ellipse)
    plane.scatter(
        *mixture.means_.T, c=colours, s=42, marker="X", edgecolors="black", linewidths=0.6
    )
    margin = 0.12 * np.ptp(x, axis=0).max()
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    plane.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
    plane.set_title(title, fontsize=12, loc="left")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="grid", choices=["grid", "ring", "swissroll", "moons"])
    parser.add_argument(
        "--components", type=int, help="default: as many as the data have modes, or 12"
    )
    parser.add_argument(
        "--covariance", default="full", choices=["full", "tied", "diag", "spherical"]
    )
    parser.add_argument("--steps", type=int, default=30, help="iterations at most (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and start (default 0)")
    parser.add_argument("--out", type=Path, default=Path("runs/gmm"), help="default runs/gmm")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error("--steps must be at least 1")

    points = data.open(options.data, n=20_000, seed=options.seed)
    x = points.take(len(points))["x"]
    modes = getattr(points, "modes", None)
    k = options.components or (12 if modes is None else len(modes))
    colours = colormaps["hsv"](np.random.default_rng(2).permutation(k) / k)[:, :3] * 0.85
    folder = options.out / options.data
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("step-*.png"):
        old.unlink()

    start = blurred_start(x, k, options.covariance, options.seed)
    mixture = GaussianMixture(
        k, covariance_type=options.covariance, max_iter=0, warm_start=True, tol=1e-4, **start
    ).fit(x)
    mixture.set_params(max_iter=1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # one iteration at a time, on purpose
    history, frames = [], []

    def snapshot(title, name, shares):
        frames.append(folder / f"step-{name}.png")
        args = (title, history, options.steps, frames[-1])
        picture(x[:SHOWN], mixture, shares, colours, *args)

    snapshot("the start: wide components, points of no colour", "00", None)
    for step in range(1, options.steps + 1):
        shares = mixture.predict_proba(x[:SHOWN])
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


if __name__ == "__main__":
    main()
