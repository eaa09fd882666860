"""`philox.cu` in NumPy: what its kernels must compute, and what the strict device has instead.

`kernel("philox.cu", name)` is called as the GPU's is.
"""

import numpy as np

A, B = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
LOW = np.uint64(0xFFFFFFFF)


def philox(counter, key):
    """Philox4x32-10 of counters (…, 4) and a key (2), words of 32 bits."""
    x, y, z, w = np.moveaxis(np.asarray(counter, np.uint64), -1, 0)
    key = np.asarray(key, np.uint32)
    for _ in range(10):
        a, b = A * x, B * z
        x, y = (b >> np.uint64(32)) ^ y ^ np.uint64(key[0]), b & LOW
        z, w = (a >> np.uint64(32)) ^ w ^ np.uint64(key[1]), a & LOW
        key = key + KEY_STEPS
    return np.stack([x, y, z, w], -1).astype(np.uint32)


def words(state, count):
    """The next `count` words of 32 bits; the count of the counters stays."""
    key, used = state.tolist()
    n = np.uint64(used) + np.arange(-(-count // 4), dtype=np.uint64)
    counter = np.stack([n & LOW, n >> np.uint64(32), 0 * n, 0 * n], -1)
    return philox(counter, [key & 0xFFFFFFFF, key >> 32]).ravel()[:count]


def long_words(state, count):
    """Words of 64 bits."""
    low, high = words(state, 2 * count).reshape(-1, 2).T.astype(np.uint64)
    return high << np.uint64(32) | low


def box_muller(u, v):
    """Radii from u on (0, 1], angles from v on [0, 1]; in float64."""
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).ravel()


def uniform_float32(state, out, size):
    out[...] = (words(state, size) >> 8) * np.float32(2**-24)


def uniform_float64(state, out, size):
    out[...] = (long_words(state, size) >> np.uint64(11)) * 2.0**-53


def normal_float32(state, out, size):
    u, v = words(state, size + size % 2).reshape(-1, 2).T.astype(np.float32)
    u = u * np.float32(2**-32) + np.float32(2**-33)
    out[...] = box_muller(u.astype(np.float64), v * 2.0**-32)[:size]


def normal_float64(state, out, size):
    u, v = (long_words(state, size + size % 2) >> np.uint64(11)).reshape(-1, 2).T * 2.0**-53
    out[...] = box_muller(u + 2.0**-53, v)[:size]


def integers(state, out, size, low, span):
    span = int(span) or 1 << 64
    exact = [int(low) + (int(word) * span >> 64) for word in long_words(state, size)]
    out[...] = np.array(exact, np.int64)


def advance(state, counters):
    state[1] += np.uint64(counters)


def restart(state, key, used):
    state[:] = key, used


def kernel(file, name):
    assert file == "philox.cu"
    function = globals()[name]

    def launch(grid, block, arguments):
        state, *rest = (getattr(a, "_array", a) for a in arguments)
        if rest and isinstance(rest[0], np.ndarray):
            rest[0] = rest[0].reshape(-1)  # a view: arrays of kernels are contiguous
        function(state, *rest)

    return launch
