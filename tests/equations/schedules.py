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
