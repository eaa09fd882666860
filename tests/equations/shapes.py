"""Padding, and pixels that become channels."""

import numpy as np


def pad(x, pad, mode="constant", value=0.0):
    """`pad` lists (before, after) from the last axis backwards; negative widths cut."""
    for k in range(len(pad) // 2):
        before, after = pad[2 * k : 2 * k + 2]
        widths = [(0, 0)] * x.ndim
        widths[-1 - k] = (max(before, 0), max(after, 0))
        how = {"constant_values": value} if mode == "constant" else {}
        x = np.pad(x, widths, {"replicate": "edge"}.get(mode, mode), **how)
        n = x.shape[-1 - k]
        kept = range(max(-before, 0), n - max(-after, 0))
        x = np.take(x, kept, axis=-1 - k)
    return x


def pixel_shuffle(x, upscale_factor):
    """out[n, c, h·r + i, w·r + j] = x[n, c·r² + i·r + j, h, w]."""
    r = upscale_factor
    n, channels, h, w = x.shape
    out = np.zeros((n, channels // r**2, h * r, w * r))
    for i, j in np.ndindex(r, r):
        out[:, :, i::r, j::r] = x[:, i * r + j :: r**2]
    return out


def pixel_unshuffle(x, downscale_factor):
    """The inverse."""
    r = downscale_factor
    n, c, h, w = x.shape
    out = np.zeros((n, c * r**2, h // r, w // r))
    for i, j in np.ndindex(r, r):
        out[:, i * r + j :: r**2] = x[:, :, i::r, j::r]
    return out
