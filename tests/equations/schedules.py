"""Learning rates: the base rate and the epoch to the rate of that epoch."""

import math


def step(base, epoch, step_size, gamma=0.1):
    """Divided at every multiple of `step_size`."""
    for _ in range(step_size, epoch + 1, step_size):
        base *= gamma
    return base


def cosine(base, epoch, T_max, eta_min=0.0):
    """η_min + ½(η − η_min)(1 + cos(π·t/T)): Loshchilov and Hutter 2017."""
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * epoch / T_max)) / 2


def linear(base, epoch, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    t = min(epoch / total_iters, 1)
    return base * ((1 - t) * start_factor + t * end_factor)


def warm_restarts(base, epoch, T_0, T_mult=1, eta_min=0.0):
    """Half cosines one after another, each T_mult times as long as the one before."""
    length = T_0
    while epoch >= length:
        epoch, length = epoch - length, length * T_mult
    return cosine(base, epoch, length, eta_min)


def triangle(epoch, low, high, up, down, height=lambda cycle: 1.0):
    """From low to high in `up` steps and back in `down`; `height` scales each cycle's peak."""
    cycle, into = divmod(epoch, up + down)
    share = into / up if into < up else 1 - (into - up) / down
    return low + (high - low) * share * height(cycle + 1)


def one_cycle(epoch, total, peak, pct_start=0.3, div=25.0, final_div=1e4):
    """Half a cosine up from peak/div, then half a cosine down to peak/div/final_div."""
    top = pct_start * total - 1
    start, end = peak / div, peak / div / final_div
    if epoch <= top:
        return cosine(start, epoch, top, peak)
    return cosine(peak, epoch - top, total - 1 - top, end)


def plateau(base, scores, factor=0.1, patience=10, threshold=1e-4):
    """The rate after each score, which falls after more than `patience` without improvement."""
    best, bad = math.inf, 0
    for score in scores:
        if score < best * (1 - threshold):
            best, bad = score, 0
        else:
            bad += 1
        if bad > patience:
            base, bad = base * factor, 0
        yield base
