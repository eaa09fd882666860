"""One table of samples for every differentiable function, which feeds the tests of ops and devices.

A row is written

    row("conv2d", [(2, 4, 5, 6), (6, 2, 3, 2)], stride=(2, 1), groups=2)

and reads: `tinygan.conv2d` of two random tensors of these shapes, with these keywords. What it must
give is computed by PyTorch's function of the same name where PyTorch is installed, or by `numpy=`,
a function of the arrays, everywhere. Where tensors are not simply the first arguments, `via=` says
how to call:

    row("gather", [(3, 4), labels(3, (2, 4))], via=lambda m, x, i: m.gather(x, 0, i))

with `m` either tinygan or PyTorch, so that one line serves both. An input is a shape (standard
normal numbers), or one of the generators below, chosen so that samples keep away from kinks, where
a derivative does not exist.
"""

import importlib.util
import zlib
from dataclasses import dataclass, field

import numpy as np
import scipy.special

import tinygan as tg

HAS_TORCH = importlib.util.find_spec("torch") is not None

# -- inputs: functions of a random generator that give an array -----------------------------------


def normal(*shape):
    return lambda random: random.standard_normal(shape)


def between(low, high, *shape):
    return lambda random: random.uniform(low, high, shape)


def positive(*shape):
    return between(0.5, 2.0, *shape)


def inside(*shape):
    """Within (−1, 1)."""
    return between(-0.8, 0.8, *shape)


def beyond(*shape):
    """Above 1."""
    return between(1.3, 3.0, *shape)


def apart(*shape):
    """Values well apart from each other and from 0, ±½ and ±1: for corners and extremes."""

    def make(random):
        n = int(np.prod(shape))
        values = (np.arange(n) - n // 2 + 0.5) * 0.1
        near = np.abs(values[:, None] - np.array([-1, -0.5, 0, 0.5, 1])) < 0.049
        return random.permutation(np.where(near.any(1), values + 0.033, values)).reshape(shape)

    return make


def fixed(make):
    """A floating-point input that nobody differentiates by."""
    make = _maker(make)
    function = lambda random: make(random)
    function.fixed = True
    return function


def labels(n, shape, low=0):
    return lambda random: random.integers(low, n, shape)


def mask(*shape):
    return lambda random: random.random(shape) < 0.5


def exactly(values):
    return lambda random: np.array(values)


def _maker(spec):
    return spec if callable(spec) else normal(*spec)


# -- rows -----------------------------------------------------------------------------------------


class _Torch:
    """PyTorch's functions wherever it keeps them."""

    def __getattr__(self, name):
        import torch

        return getattr(torch.nn.functional, name, None) or getattr(torch, name)


@dataclass
class Row:
    op: str
    inputs: list
    via: object = None
    numpy: object = None  # a reference, as a function of the input arrays
    torch: bool = True  # does PyTorch have the function under this name, with this meaning?
    order: int = 2  # how many derivatives there are to check
    syncs: bool = False  # must the host look at values, to check them or to shape the result?
    random: bool = False  # are the values those of one device only?
    keywords: dict = field(default_factory=dict)
    label: str = ""

    def arrays(self, dtype=np.float64):
        random = np.random.default_rng(zlib.crc32(self.label.encode()))
        arrays = [np.asarray(_maker(spec)(random)) for spec in self.inputs]
        return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]

    def tensors(self, arrays, device=None):
        """Tensors over these arrays; floating-point ones require gradients unless fixed."""
        tensors = [tg.Tensor(a) if device is None else tg.Tensor(a).to(device) for a in arrays]
        for t, spec in zip(tensors, self.inputs):
            if t.is_floating_point() and not getattr(spec, "fixed", False):
                t.requires_grad = True
        return tensors

    def __call__(self, *tensors, module=tg):
        """The results, as a list of tensors."""
        if self.via:
            out = self.via(module, *tensors)
        else:
            out = getattr(module, self.op)(*tensors, **self.keywords)
        return list(out) if isinstance(out, tuple | list) else [out]

    def expected(self, arrays):
        """The results according to NumPy or PyTorch; None where neither is at hand."""
        if self.numpy:
            out = self.numpy(*arrays)
        elif HAS_TORCH and self.torch:
            import torch

            out = self(*[torch.from_numpy(np.array(a)) for a in arrays], module=_Torch())
        else:
            return None
        return [np.asarray(o) for o in (out if isinstance(out, tuple | list) else [out])]


ROWS = []


def row(op, inputs, **settings):
    known = {
        k: settings.pop(k)
        for k in list(settings)
        if k in Row.__dataclass_fields__ and k != "keywords"
    }
    count = sum(r.op == op for r in ROWS) + 1
    ROWS.append(Row(op, inputs, keywords=settings, label=f"{op}-{count}", **known))


# -- arithmetic, with broadcasting ----------------------------------------------------------------

PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((4, 1, 3), (2, 1)),
    ((), ()),
    ((0, 3), (3,)),
]

for x, y in PAIRS:
    row("add", [x, y], numpy=np.add)
    row("sub", [x, y], numpy=np.subtract)
    row("mul", [x, y], numpy=np.multiply)
    row("div", [x, positive(*y)], numpy=np.divide)
    row("pow", [positive(*x), y], numpy=np.power)
    row("maximum", [apart(*x), between(-0.02, 0.02, *y)], numpy=np.maximum)
    row("minimum", [apart(*x), between(-0.02, 0.02, *y)], numpy=np.minimum)
    row("where", [mask(3) if 0 in x or y == (2, 1) else mask(2, 3), x, y], numpy=np.where)
    row("remainder", [between(2.1, 2.9, *x), between(0.9, 1.02, *y)], numpy=np.remainder)
    row("logaddexp", [x, y], numpy=np.logaddexp)
    row("atan2", [positive(*x), y], numpy=np.arctan2)
row("add", [(2, 3)], via=lambda m, x: 2 + x + 1.5 + np.float64(1), numpy=lambda x: x + 4.5)
row("sub", [(2, 3)], via=lambda m, x: 2 - (x - 1.5), numpy=lambda x: 3.5 - x)
row("mul", [(2, 3)], via=lambda m, x: 2 * x * 1.5, numpy=lambda x: x * 3)
row("div", [positive(2, 3)], via=lambda m, x: 2 / x + x / 4, numpy=lambda x: 2 / x + x / 4)
row(
    "remainder", [between(2.1, 2.9, 3)], via=lambda m, x: m.remainder(x, 1.0), numpy=lambda x: x % 1
)
row(
    "pow",
    [positive(2, 3)],
    via=lambda m, x: x**2.5 + x**-1 + x**3,
    numpy=lambda x: x**2.5 + 1 / x + x**3,
)
row(
    "pow", [(2, 3)], via=lambda m, x: x**2 + x**3 + x**1 + x**0, numpy=lambda x: x**2 + x**3 + x + 1
)
row("pow", [(2, 3)], via=lambda m, x: 2.0**x, numpy=lambda x: 2.0**x)
row("pow", [(2, 3)], via=lambda m, x: m.pow(0.1, x), numpy=lambda x: 0.1**x)
row("pow", [exactly([0.0, 1.0, 2.0])], via=lambda m, x: x**3, numpy=lambda x: x**3)
row(
    "where",
    [mask(2, 3), (2, 3)],
    via=lambda m, c, x: m.where(c, x, 0.5),
    numpy=lambda c, x: np.where(c, x, 0.5),
)
row(
    "where",
    [mask(2, 3), (3,)],
    via=lambda m, c, x: m.where(c, 0.0, x),
    numpy=lambda c, x: np.where(c, 0, x),
)
row(
    "maximum",
    [apart(2, 3)],
    via=lambda m, x: m.maximum(x, m.zeros_like(x)),
    numpy=lambda x: np.maximum(x, 0),
)
row("mul", [(2, 3)], via=lambda m, x: x * x * x, numpy=lambda x: x**3)
row("div", [positive(2, 3)], via=lambda m, x: x / (x + x), numpy=lambda x: x * 0 + 0.5)

# -- functions of one number ----------------------------------------------------------------------

_relu = lambda x: np.maximum(x, 0)
_softmax = lambda x, dim: scipy.special.softmax(x, dim) if x.ndim else np.ones(())
_log_softmax = lambda x, dim: scipy.special.log_softmax(x, dim) if x.ndim else x * 0
_sigmoid = scipy.special.expit

UNARY = {
    "abs": (apart, np.abs),
    "sign": (apart, np.sign),
    "floor": (apart, np.floor),
    "ceil": (apart, np.ceil),
    "round": (apart, np.round),
    "neg": (normal, np.negative),
    "exp": (normal, np.exp),
    "expm1": (normal, np.expm1),
    "log": (positive, np.log),
    "log1p": (positive, np.log1p),
    "sqrt": (positive, np.sqrt),
    "rsqrt": (positive, lambda x: 1 / np.sqrt(x)),
    "square": (normal, np.square),
    "reciprocal": (positive, np.reciprocal),
    "exp2": (normal, np.exp2),
    "log2": (positive, np.log2),
    "log10": (positive, np.log10),
    "sin": (normal, np.sin),
    "cos": (normal, np.cos),
    "tan": (inside, np.tan),
    "asin": (inside, np.arcsin),
    "acos": (inside, np.arccos),
    "atan": (normal, np.arctan),
    "sinh": (normal, np.sinh),
    "cosh": (normal, np.cosh),
    "asinh": (normal, np.arcsinh),
    "acosh": (beyond, np.arccosh),
    "atanh": (inside, np.arctanh),
    "trunc": (apart, np.trunc),
    "frac": (apart, lambda x: x - np.trunc(x)),
    "nan_to_num": (normal, lambda x: x),
    "tanh": (normal, np.tanh),
    "erf": (normal, scipy.special.erf),
    "sigmoid": (normal, _sigmoid),
    "softplus": (normal, lambda x: np.logaddexp(x, 0)),
    "relu": (apart, _relu),
    "leaky_relu": (apart, lambda x: np.where(x > 0, x, 0.01 * x)),
    "elu": (apart, lambda x: np.where(x > 0, x, np.expm1(x))),
    "gelu": (normal, lambda x: x * scipy.special.ndtr(x)),
    "silu": (normal, lambda x: x * _sigmoid(x)),
}
for name, (make, reference) in UNARY.items():
    for shape in [(3, 4), (), (0, 3)]:
        row(name, [make(*shape)], numpy=reference)
row("leaky_relu", [apart(3, 4)], negative_slope=0.2)
row("leaky_relu", [apart(3, 4)], negative_slope=1.5)
row("elu", [apart(3, 4)], alpha=0.7)
row("elu", [exactly([0.0, -0.3, 0.3])], order=1)
row(
    "nan_to_num", [exactly([np.nan, -np.inf, 0.3])], nan=2.0, neginf=-5.0, order=0,
    numpy=lambda x: np.nan_to_num(x, nan=2.0, neginf=-5.0),
)  # fmt: skip
row("gelu", [(3, 4)], approximate="tanh")
row("clamp", [apart(3, 4)], min=-0.3, max=0.4)
row("clamp", [apart(3, 4)], min=-0.3)
row("clamp", [apart(3, 4)], max=0.4)
row("clamp", [apart()], max=0.4)
row(
    "clamp",
    [apart(3, 4), between(-0.42, -0.38, 4), between(0.35, 0.4, 3, 1)],
    numpy=lambda x, low, high: np.minimum(np.maximum(x, low), high),
)
row(
    "clamp",
    [apart(3, 4)],
    via=lambda m, x: m.clamp(x, max=m.zeros_like(x[0])),
    numpy=lambda x: np.minimum(x, 0),
)
row("softplus", [exactly([-800.0, -30.0, 0.0, 30.0, 800.0])], numpy=lambda x: np.logaddexp(x, 0))
row("sigmoid", [exactly([-750.0, -30.0, 0.0, 30.0, 800.0])], numpy=_sigmoid)

# -- reductions -----------------------------------------------------------------------------------

AXES = [
    {},
    {"dim": 0},
    {"dim": -1, "keepdim": True},
    {"dim": (0, -1)},
    {"dim": (1, 2), "keepdim": True},
]


def _axes(keywords):
    return {{"dim": "axis", "keepdim": "keepdims"}[k]: v for k, v in keywords.items()}


for kw in AXES:
    row("sum", [(2, 3, 4)], numpy=lambda x, kw=kw: x.sum(**_axes(kw)), **kw)
    row("mean", [(2, 3, 4)], numpy=lambda x, kw=kw: x.mean(**_axes(kw)), **kw)
    row("var", [(2, 3, 4)], numpy=lambda x, kw=kw: x.var(ddof=1, **_axes(kw)), **kw)
    row("std", [(2, 3, 4)], correction=0, numpy=lambda x, kw=kw: x.std(**_axes(kw)), **kw)
    row("prod", [(2, 3, 2)], numpy=lambda x, kw=kw: x.prod(**_axes(kw)), syncs=True, **kw)
    row("amax", [apart(2, 3, 4)], numpy=lambda x, kw=kw: x.max(**_axes(kw)), **kw)
    row("amin", [apart(2, 3, 4)], numpy=lambda x, kw=kw: x.min(**_axes(kw)), **kw)
    row(
        "logsumexp",
        [(2, 3, 4)],
        numpy=lambda x, kw=kw: scipy.special.logsumexp(x, **_axes(kw)),
        **kw,
    )
    row("norm", [(2, 3, 4)], numpy=lambda x, kw=kw: np.sqrt((x**2).sum(**_axes(kw))), **kw)
for name in ["sum", "mean", "prod", "amax", "amin", "logsumexp", "norm"]:
    row(name, [positive()], numpy=lambda x: x, syncs=name == "prod")
row("sum", [(0, 3)], dim=0, numpy=lambda x: x.sum(0))
row("sum", [(0, 3)], numpy=lambda x: x.sum())
row("sum", [(2, 0)], dim=-1, keepdim=True, numpy=lambda x: x.sum(-1, keepdims=True))
row("mean", [(0, 3)], dim=1, numpy=lambda x: np.zeros(0))
row("prod", [(0, 3)], dim=0, syncs=True, numpy=lambda x: x.prod(0))
row(
    "prod",
    [exactly([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]])],
    dim=1,
    syncs=True,
    numpy=lambda x: x.prod(1),
)
row("prod", [exactly([[1.0, 0.0, 2.0], [4.0, 5.0, 3.0]])], syncs=True, numpy=lambda x: x.prod())
row("norm", [apart(3, 4)], p=1, dim=0, numpy=lambda x: np.abs(x).sum(0))
row("norm", [apart(3, 4)], p=3, dim=1, numpy=lambda x: (np.abs(x) ** 3).sum(1) ** (1 / 3))
row("norm", [(3, 4)], p=np.inf, dim=1, numpy=lambda x: np.abs(x).max(1))
row("logsumexp", [exactly([[-1e4, -1e4], [1e4, 1e4 - 1], [0.0, -800.0]])], dim=1)
row("max", [apart(3, 4)], numpy=lambda x: x.max())
row("min", [apart(3, 4)], numpy=lambda x: x.min())
row("max", [apart(3, 4)], dim=1, syncs=True, numpy=lambda x: (x.max(1), x.argmax(1)))
row("min", [apart(3, 4, 2)], dim=-2, keepdim=True, syncs=True, torch=True)
for dim in [0, -1]:
    row("softmax", [(3, 4)], dim=dim, numpy=lambda x, dim=dim: scipy.special.softmax(x, dim))
    row(
        "log_softmax", [(3, 4)], dim=dim, numpy=lambda x, dim=dim: scipy.special.log_softmax(x, dim)
    )
    row("cumsum", [(3, 4)], dim=dim, numpy=lambda x, dim=dim: x.cumsum(dim))
    row(
        "sort",
        [apart(3, 4)],
        dim=dim,
        syncs=True,
        numpy=lambda x, dim=dim: (np.sort(x, dim), np.argsort(x, dim)),
    )
row("softmax", [(2, 3, 4)], dim=1)
for shape in [(), (3,), (3, 4), (2, 3, 4), (2, 3, 2, 2)]:  # as PyTorch: axis 0 or 1, by ndim
    axis = 0 if len(shape) in (0, 1, 3) else 1
    row("softmax", [shape], numpy=lambda x, d=axis: _softmax(x, d))
    row("log_softmax", [shape], numpy=lambda x, d=axis: _log_softmax(x, d))
for dim in [0, -1]:
    row("cumprod", [(3, 4)], dim=dim, syncs=True, numpy=lambda x, d=dim: x.cumprod(d))
row(
    "cumprod",
    [exactly([[1.0, 0.0, 2.0, 3.0, 0.0], [1, 2, 3, 0, 4]])],
    dim=1,
    syncs=True,
    numpy=lambda x: x.cumprod(1),
)
row("cumprod", [()], dim=0, syncs=True, numpy=lambda x: x)
row("log_softmax", [exactly([[1000.0, 0.0, -1000.0]])], dim=1)
row("softmax", [()], dim=-1, numpy=lambda x: np.ones(()))
row("log_softmax", [()], dim=-1, numpy=lambda x: np.zeros(()))
row("cumsum", [()], dim=0)
row("sum", [(2, 3)], dim=(), numpy=lambda x: x.sum())
row("cumsum", [(0, 3)], dim=0)
row("sort", [apart(3, 4)], descending=True, syncs=True)
row("sort", [apart(0, 4)], syncs=True)
row("topk", [apart(3, 4)], k=2, syncs=True)
row("topk", [apart(3, 4)], k=3, dim=0, largest=False, syncs=True)

# -- shapes ---------------------------------------------------------------------------------------

row("reshape", [(2, 6)], via=lambda m, x: x.reshape(3, -1), numpy=lambda x: x.reshape(3, 4))
row("reshape", [(2, 3)], via=lambda m, x: m.reshape(x, (6, 1)), numpy=lambda x: x.reshape(6, 1))
row("reshape", [(0, 3)], via=lambda m, x: x.reshape(3, -1), numpy=lambda x: x.reshape(3, 0))
row("reshape", [()], via=lambda m, x: x.reshape(1, 1), numpy=lambda x: x.reshape(1, 1))
row("flatten", [(2, 3, 4)], numpy=lambda x: x.ravel())
row("flatten", [(2, 3, 4)], start_dim=1, numpy=lambda x: x.reshape(2, 12))
row("flatten", [(2, 3, 4)], start_dim=-3, end_dim=-2, numpy=lambda x: x.reshape(6, 4))
row("flatten", [()], numpy=lambda x: x.reshape(1))
row(
    "unflatten",
    [(2, 6)],
    via=lambda m, x: x.unflatten(-1, (2, 3)),
    numpy=lambda x: x.reshape(2, 2, 3),
)
row("transpose", [(2, 3, 4)], via=lambda m, x: x.transpose(0, -1), numpy=lambda x: x.swapaxes(0, 2))
row("transpose", [(2, 3)], via=lambda m, x: x.T @ x.mT.T, numpy=lambda x: x.T @ x)
row(
    "permute",
    [(2, 3, 4)],
    via=lambda m, x: x.permute(2, 0, -2),
    numpy=lambda x: x.transpose(2, 0, 1),
)
row("permute", [()], via=lambda m, x: x.permute(()), numpy=lambda x: x)
row("squeeze", [(1, 2, 1)], numpy=np.squeeze)
row("squeeze", [(1, 2, 1)], dim=-1, numpy=lambda x: x.squeeze(-1))
row("squeeze", [(1, 2, 1)], dim=1, numpy=lambda x: x)
row("unsqueeze", [(2, 3)], dim=-1, numpy=lambda x: x[..., None])
row("unsqueeze", [()], dim=0, numpy=lambda x: x[None])
row(
    "expand",
    [(2, 1, 3)],
    via=lambda m, x: x.expand(4, 2, 5, -1),
    numpy=lambda x: np.broadcast_to(x, (4, 2, 5, 3)),
)
row("expand", [()], via=lambda m, x: x.expand(2, 3), numpy=lambda x: np.broadcast_to(x, (2, 3)))
row("expand", [(1, 3)], via=lambda m, x: x.expand(0, 3), numpy=lambda x: np.zeros((0, 3)))
row(
    "broadcast_to",
    [(3, 1)],
    via=lambda m, x: m.broadcast_to(x, (2, 3, 4)),
    numpy=lambda x: np.broadcast_to(x, (2, 3, 4)),
)
row("sum_to", [(2, 3, 4)], shape=(3, 1), numpy=lambda x: x.sum((0, 2)).reshape(3, 1))
row(
    "cat",
    [(2, 3), (1, 3), (0, 3)],
    via=lambda m, *xs: m.cat(xs),
    numpy=lambda *xs: np.concatenate(xs),
)
row(
    "cat",
    [(2, 3), (2, 1)],
    via=lambda m, *xs: m.cat(xs, dim=-1),
    numpy=lambda *xs: np.concatenate(xs, 1),
)
row("cat", [(2, 3)], via=lambda m, x: m.cat([x, x], 0), numpy=lambda x: np.concatenate([x, x]))
row(
    "stack",
    [(2, 3), (2, 3)],
    via=lambda m, *xs: m.stack(xs, dim=-1),
    numpy=lambda *xs: np.stack(xs, -1),
)
row("stack", [(), ()], via=lambda m, *xs: m.stack(xs), numpy=lambda *xs: np.stack(xs))
row("split", [(5, 3)], via=lambda m, x: m.split(x, 2), numpy=lambda x: (x[:2], x[2:4], x[4:]))
row(
    "split",
    [(2, 5)],
    via=lambda m, x: m.split(x, [1, 4], dim=-1),
    numpy=lambda x: (x[:, :1], x[:, 1:]),
)
row("chunk", [(2, 5)], via=lambda m, x: m.chunk(x, 2, dim=1), numpy=lambda x: (x[:, :3], x[:, 3:]))
row("narrow", [(4, 3)], via=lambda m, x: m.narrow(x, 0, 1, 2), numpy=lambda x: x[1:3])
row("narrow", [(4, 3)], via=lambda m, x: m.narrow(x, -1, 1, 0), numpy=lambda x: x[:, 1:1])
row("flip", [(2, 3)], via=lambda m, x: m.flip(x, (0,)), numpy=lambda x: x[::-1])
row("flip", [(2, 3)], via=lambda m, x: m.flip(x, (0, -1)), numpy=lambda x: x[::-1, ::-1])
row("roll", [(2, 5)], via=lambda m, x: m.roll(x, 2, -1), numpy=lambda x: np.roll(x, 2, -1))
row("roll", [(2, 5)], via=lambda m, x: m.roll(x, -3), numpy=lambda x: np.roll(x, -3))
row(
    "roll",
    [(2, 5)],
    via=lambda m, x: m.roll(x, (1, -2), (0, 1)),
    numpy=lambda x: np.roll(x, (1, -2), (0, 1)),
)
row("repeat", [(2, 3)], via=lambda m, x: x.repeat(2, 1, 3), numpy=lambda x: np.tile(x, (2, 1, 3)))
row("repeat", [(2,)], via=lambda m, x: x.repeat(0), numpy=lambda x: np.zeros(0))
for mode in ["constant", "reflect", "replicate"]:
    row("pad", [(1, 2, 3, 4)], via=lambda m, x, mode=mode: m.pad(x, (1, 2, 2, 1), mode=mode))
row("pad", [(2, 3)], pad=(1, 0), value=2.5)
row("pad", [(2, 3)], via=lambda m, x: m.pad(x, (-1, 1, 0, 2), value=1.0))
row("pad", [(0, 3)], pad=(1, 1))
for name in ["tril", "triu"]:
    for shape, diagonal in [((3, 4), 0), ((2, 4, 3), -1), ((3, 3), 2), ((0, 3), 0)]:
        band = lambda x, f=getattr(np, name), k=diagonal: f(x, k)
        row(name, [shape], diagonal=diagonal, numpy=band)
row("diagonal", [(3, 4)], numpy=np.diagonal)
row(
    "diagonal",
    [(2, 4, 3)],
    offset=-1,
    dim1=-1,
    dim2=1,
    numpy=lambda x: np.diagonal(x, -1, -1, 1),
)
row("diag", [(3,)], diagonal=1, numpy=lambda x: np.diag(x, 1))
row("diag", [(3, 4)], diagonal=-1, numpy=lambda x: np.diag(x, -1))
row("pixel_shuffle", [(2, 8, 2, 3)], upscale_factor=2)
row("pixel_unshuffle", [(2, 2, 4, 6)], downscale_factor=2)

# -- indexing -------------------------------------------------------------------------------------

INDICES = [
    1, -1, slice(None, None, 2), slice(3, 0, -1), (Ellipsis, 0), (1, None, slice(1, 3)), (),
    Ellipsis, None, [0, 2, 2], ([0, 1], [1, 1]), (slice(None), [2, 0]), ([[0], [1]], [0, 2]),
    (np.array([True, False, True, True]),), (slice(None), np.array([False, True, True])),
    (np.array([3, -1]), slice(None), 1), (0, [1, 1]), [], (2, 1, 0),
]  # fmt: skip
for i in INDICES:
    row("getitem", [(4, 3, 2)], via=lambda m, x, i=i: x[i], torch=False, numpy=lambda x, i=i: x[i])
row("getitem", [()], via=lambda m, x: x[()], numpy=lambda x: x)
row("getitem", [()], via=lambda m, x: x[None], numpy=lambda x: x[None])
row("getitem", [(0, 3)], via=lambda m, x: x[:, 1], numpy=lambda x: x[:, 1])
row("getitem", [(4, 3), labels(4, (2, 2))], via=lambda m, x, i: x[i], numpy=lambda x, i: x[i])
row("getitem", [(4, 3), mask(4, 3)], via=lambda m, x, i: x[i], syncs=True, numpy=lambda x, i: x[i])
row("getitem", [(3,)], via=lambda m, x: m.stack(list(x)), numpy=lambda x: x)


def _placed(x, index, source):
    """x with source[i, j] at [index[i, j], j]."""
    out = x.copy()
    for (i, j), row_number in np.ndenumerate(index):
        out[row_number, j] = source[i, j]
    return out


row("gather", [(3, 4), labels(3, (2, 4))], via=lambda m, x, i: m.gather(x, 0, i), syncs=True)
row("gather", [(3, 4), labels(4, (3, 5))], via=lambda m, x, i: m.gather(x, -1, i), syncs=True)
row("gather", [(3, 4, 2), labels(4, (2, 3, 1))], via=lambda m, x, i: m.gather(x, 1, i), syncs=True)
row("gather", [(3, 4), labels(3, (0, 4))], via=lambda m, x, i: m.gather(x, 0, i))
row(
    "scatter_add",
    [(3, 4), labels(3, (5, 4)), (5, 4)],
    via=lambda m, x, i, s: m.scatter_add(x, 0, i, s),
    syncs=True,
)
row(
    "scatter_add",
    [(3, 4), labels(4, (2, 3)), (3, 4)],
    via=lambda m, x, i, s: m.scatter_add(x, 1, i, s),
    syncs=True,
)
row(
    "gather",
    [(), labels(1, (1,))],
    via=lambda m, x, i: m.gather(x, 0, i),
    numpy=lambda x, i: np.full(i.shape, x),
)
row(
    "scatter",
    [(3, 4), exactly([[0, 2], [1, 0]]), (2, 3)],
    via=lambda m, x, i, s: m.scatter(x, 0, i, s),
    syncs=True,
    numpy=lambda x, i, s: _placed(x, i, s),
)
row(
    "scatter",
    [(3, 4), labels(4, (3, 1))],
    via=lambda m, x, i: m.scatter(x, 1, i, 0.5),
    syncs=True,
    numpy=lambda x, i: _placed(x.T, i.T, np.full((1, 3), 0.5)).T,
)
row(
    "masked_fill",
    [(3, 4), mask(4)],
    via=lambda m, x, i: x.masked_fill(i, -9.0),
    numpy=lambda x, i: np.where(i, -9, x),
)
row(
    "masked_fill",
    [(3, 4), mask(3, 1), ()],
    via=lambda m, x, i, v: x.masked_fill(i, v),
    numpy=lambda x, i, v: np.where(i, v, x),
)
row("masked_select", [(3, 4), mask(3, 4)], syncs=True, numpy=lambda x, i: x[i])
row(
    "masked_select",
    [(4,), mask(3, 4)],
    syncs=True,
    numpy=lambda x, i: np.broadcast_to(x, i.shape)[i],
)
row("take", [(3, 4), labels(12, (2, 2), low=-12)], numpy=lambda x, i: x.ravel()[i])
row("index_select", [(3, 4), labels(4, (5,))], via=lambda m, x, i: m.index_select(x, 1, i))
row("embedding", [labels(5, (2, 3)), (5, 4)], syncs=True)
row("embedding", [labels(5, ()), (5, 4)], syncs=True)
row("embedding", [labels(5, (0,)), (5, 4)])

# -- products -------------------------------------------------------------------------------------

MATMULS = [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((0, 3), (3, 4)),
    ((2, 0), (0, 4)), ((0, 2, 3), (3, 4)), ((5, 2, 3), (1, 3, 4)),
]  # fmt: skip
for x, y in MATMULS:
    row("matmul", [x, y], numpy=np.matmul)
row("matmul", [(2, 3)], via=lambda m, x: x @ x.T, numpy=lambda x: x @ x.T)

row("linear", [(2, 3), (4, 3), (4,)], numpy=lambda x, w, b: x @ w.T + b)
row("linear", [(2, 3), (4, 3)], numpy=lambda x, w: x @ w.T)
row("linear", [(5, 2, 3), (4, 3), (4,)], numpy=lambda x, w, b: x @ w.T + b)
row("linear", [(3,), (4, 3), (4,)], numpy=lambda x, w, b: w @ x + b)
row("linear", [(0, 3), (4, 3), (4,)], numpy=lambda x, w, b: x @ w.T + b)

EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)), ("ij->ji", (2, 3)), ("ij->j", (2, 3)),
    ("ij->", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)), ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...i->...", (2, 3, 4)),
    ("bi,bj,bk->ijk", (4, 2), (4, 3), (4, 2)), ("ij,j->i", (2, 3), (3,)),
    ("ij,kl->jk", (2, 3), (4, 5)), ("iij->j", (2, 2, 3)), ("ba", (2, 3)), (",i->i", (), (3,)),
    ("...i,...i->...i", (2, 1, 3), (4, 3)), ("iji,j->i", (2, 3, 2), (3,)),
]  # fmt: skip
for equation, *shapes in EINSUMS:
    row(
        "einsum", list(shapes), via=lambda m, *xs, e=equation: m.einsum(e, *xs),
        numpy=lambda *xs, e=equation: np.einsum(e, *xs),
    )  # fmt: skip

# -- convolution ----------------------------------------------------------------------------------


def _same(x, w, dilation):
    """The convolution that keeps the image's size, as a sum over the places of the kernel."""
    totals = [d * (k - 1) for d, k in zip(dilation, w.shape[2:])]
    sides = [(0, 0)] * (x.ndim - 2) + [(t // 2, t - t // 2) for t in totals]
    padded, (h, width) = np.pad(x, sides), x.shape[-2:]
    return sum(
        np.einsum("...chw,oc->...ohw", padded[..., u : u + h, v : v + width], w[:, :, i, j])
        for i, u in enumerate(range(0, totals[0] + 1, dilation[0]))
        for j, v in enumerate(range(0, totals[1] + 1, dilation[1]))
    )


row("conv1d", [(2, 3, 7), (4, 3, 3), (4,)], padding=1)
row("conv1d", [(2, 4, 8), (6, 2, 3)], stride=2, dilation=2, groups=2, padding=2)
row("conv2d", [(2, 3, 5, 6), (4, 3, 3, 2)])
row("conv2d", [(2, 3, 5, 6), (4, 3, 3, 2), (4,)], stride=2, padding=1)
row("conv2d", [(1, 2, 8, 8), (3, 2, 4, 4), (3,)], stride=2, padding=1)
row("conv2d", [(2, 2, 4, 4), (3, 2, 4, 4), (3,)])
row("conv2d", [(2, 4, 5, 6), (6, 2, 3, 2), (6,)], stride=(2, 1), padding=(0, 1), groups=2)
row("conv2d", [(1, 4, 6, 7), (4, 1, 3, 2)], padding=(2, 1), dilation=(2, 3), groups=4)
row("conv2d", [(1, 2, 5, 5), (3, 2, 3, 3)], padding="same", dilation=2)
row("conv2d", [(1, 2, 6, 5), (3, 2, 2, 2)], stride=3)
row("conv2d", [(2, 3, 4, 5), (4, 3, 1, 1), (4,)])
row("conv2d", [(1, 3, 7, 7), (2, 3, 1, 1)], stride=2)
row("conv2d", [(2, 2, 7, 6), (3, 2, 3, 3)], stride=2)
row("conv2d", [(0, 2, 5, 5), (3, 2, 3, 3), (3,)])
row("conv2d", [(2, 5, 6), (3, 2, 3, 3), (3,)], stride=(2,))
for sizes in ([(2, 2, 5, 6), (3, 2, 2, 4)], [(2, 5, 6), (3, 2, 2, 4)]):
    row(
        "conv2d", sizes, numpy=lambda x, w: _same(x, w, (1, 3)),
        via=lambda m, x, w: m.conv2d(x, w, padding="same", dilation=(1, 3)),
    )  # fmt: skip
row(
    "conv1d", [(3, 7), (4, 3, 2)], via=lambda m, x, w: m.conv1d(x, w, padding="same"),
    numpy=lambda x, w: _same(x[:, None], w[:, :, None], (1, 1))[:, 0],
)  # fmt: skip
row("conv_transpose2d", [(2, 3, 4, 5), (3, 2, 3, 2), (2,)])
row("conv_transpose2d", [(1, 3, 4, 4), (3, 2, 4, 4), (2,)], stride=2, padding=1)
row("conv_transpose2d", [(2, 3, 1, 1), (3, 2, 4, 4)])
row("conv_transpose2d", [(2, 3, 3, 4), (3, 2, 3, 3)], stride=2, padding=1, output_padding=1)
row(
    "conv_transpose2d",
    [(1, 4, 3, 2), (4, 3, 2, 3), (6,)],
    stride=(2, 3),
    padding=(0, 1),
    output_padding=(1, 2),
    groups=2,
)
row(
    "conv_transpose2d",
    [(1, 2, 4, 3), (2, 2, 3, 2)],
    stride=(1, 2),
    dilation=(2, 3),
    padding=(1, 0),
    output_padding=(1, 1),
)
row("conv_transpose2d", [(1, 2, 4, 3), (2, 2, 3, 2)], stride=1, dilation=3, output_padding=2)
row("conv_transpose2d", [(1, 2, 3, 3), (2, 2, 2, 2)], stride=3)
row("conv_transpose2d", [(0, 2, 3, 3), (2, 2, 2, 2)], stride=3)
row("conv_transpose2d", [(3, 4, 5), (3, 2, 3, 2), (2,)])
row("conv_transpose1d", [(2, 3, 5), (3, 2, 3), (2,)], stride=2, padding=1, output_padding=1)
row("conv_transpose1d", [(4, 3), (4, 3, 2), (6,)], groups=2, dilation=2)
row("unfold", [(2, 3, 5, 6)], kernel_size=(3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1))
row("unfold", [(2, 4, 4)], kernel_size=2, stride=2)
row("fold", [(2, 12, 15)], output_size=(5, 6), kernel_size=(3, 2), padding=(1, 0), stride=(2, 1))
row("fold", [(8, 4)], output_size=4, kernel_size=2, stride=2)

# -- attention ------------------------------------------------------------------------------------

row("scaled_dot_product_attention", [(2, 3, 4), (2, 5, 4), (2, 5, 3)])
row("scaled_dot_product_attention", [(2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)], is_causal=True)
row("scaled_dot_product_attention", [(3, 4), (5, 4), (5, 2), (3, 5)], scale=0.3)
row(
    "scaled_dot_product_attention",
    [(2, 3, 4), (2, 3, 4), (2, 3, 2), exactly(np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]]) > 0)],
)
row("scaled_dot_product_attention", [(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3)], enable_gqa=True)

# -- pooling and resizing -------------------------------------------------------------------------

row("max_pool2d", [apart(2, 2, 4, 6)], kernel_size=2, syncs=True)
row("max_pool2d", [apart(2, 8, 7)], kernel_size=3, stride=2, padding=1, dilation=(2, 1), syncs=True)
row("max_pool2d", [apart(2, 1, 5, 5)], kernel_size=2, stride=2, ceil_mode=True, syncs=True)
row("max_pool2d", [(0, 2, 4, 4)], kernel_size=2)
row("max_pool1d", [apart(2, 3, 7)], kernel_size=3, stride=2, padding=1, syncs=True)
row("max_pool1d", [apart(3, 8)], kernel_size=2, dilation=3, ceil_mode=True, syncs=True)
row("adaptive_max_pool1d", [apart(2, 3, 7)], output_size=3, syncs=True)
row("adaptive_max_pool2d", [apart(2, 2, 5, 7)], output_size=(3, 2), syncs=True)
row("adaptive_max_pool2d", [apart(2, 3, 4)], output_size=(None, 5), syncs=True)
row("avg_pool1d", [(2, 3, 7)], kernel_size=3, stride=2, padding=1)
row("avg_pool1d", [(3, 8)], kernel_size=3, stride=2, ceil_mode=True, count_include_pad=False)
row("avg_pool2d", [(2, 6, 7)], kernel_size=3, stride=2, padding=1, ceil_mode=True)
row("avg_pool2d", [(1, 2, 6, 7)], kernel_size=3, stride=2, padding=1, divisor_override=5)
row("adaptive_avg_pool1d", [(2, 3, 7)], output_size=3)
row(
    "max_pool2d", [apart(1, 2, 5, 6)], kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), syncs=True
)
row("avg_pool2d", [(2, 2, 4, 6)], kernel_size=2)
row("avg_pool2d", [(2, 2, 5, 7)], kernel_size=(3, 2), stride=(2, 3), padding=(1, 0))
row("avg_pool2d", [(2, 2, 5, 7)], kernel_size=3, stride=2, padding=1, count_include_pad=False)
row("adaptive_avg_pool2d", [(2, 3, 5, 7)], output_size=(2, 3))
row("adaptive_avg_pool2d", [(2, 3, 5, 7)], output_size=1)
row("adaptive_avg_pool2d", [(2, 3, 4, 6)], output_size=(4, 9))
row("interpolate", [(1, 2, 3, 4)], scale_factor=2, mode="nearest")
row("interpolate", [(1, 2, 3, 4)], size=(5, 3), mode="nearest")
row("interpolate", [(1, 2, 5, 4)], scale_factor=1.5, mode="nearest")
row("interpolate", [(1, 2, 3, 4)], scale_factor=(2, 3), mode="bilinear")
row("interpolate", [(1, 2, 5, 4)], scale_factor=1.7, mode="bilinear")
row("interpolate", [(1, 2, 5, 6)], size=(3, 8), mode="bilinear")
row("interpolate", [(1, 2, 3, 4)], size=(6, 7), mode="bilinear", align_corners=True)
row("interpolate", [(1, 2, 3, 4)], size=(1, 1), mode="bilinear", align_corners=True)
row("interpolate", [(2, 3, 5)], size=8, mode="linear")
row("interpolate", [(1, 2, 3, 4, 2)], scale_factor=2.0, mode="trilinear")
row("interpolate", [(1, 2, 3, 4, 2)], size=(2, 6, 3), mode="nearest")
row("interpolate", [(1, 2, 3, 7)], size=(5, 3), mode="nearest-exact")
row("interpolate", [(1, 2, 5, 4)], scale_factor=1.6, mode="bicubic")
row("interpolate", [(1, 2, 5, 4)], size=(3, 9), mode="bicubic", align_corners=True)
row("interpolate", [(1, 2, 5, 4)], size=(3, 2), mode="area")
row("interpolate", [(1, 1, 5, 4)], scale_factor=1.7, mode="bilinear", recompute_scale_factor=True)

row(
    "affine_grid", [(2, 2, 3)],
    via=lambda m, theta: m.affine_grid(theta, (2, 3, 4, 5), align_corners=False),
)  # fmt: skip
row(
    "affine_grid", [(1, 2, 3)],
    via=lambda m, theta: m.affine_grid(theta, (1, 3, 4, 2), align_corners=True),
)  # fmt: skip
for mode in ["bilinear", "nearest", "bicubic"]:
    for padding_mode in ["zeros", "border", "reflection"]:
        for corners in [False, True]:
            row(
                "grid_sample", [(2, 2, 3, 4), between(-1.9, 1.9, 2, 3, 2, 2)], mode=mode,
                padding_mode=padding_mode, align_corners=corners,
            )  # fmt: skip

# -- normalisation --------------------------------------------------------------------------------


def _batch_norm(m, x, w=None, b=None, **keywords):
    return m.batch_norm(x, None, None, w, b, True, **keywords)


row("batch_norm", [(6, 3)], via=_batch_norm)
row("batch_norm", [(4, 3, 2, 3), (3,), (3,)], via=_batch_norm)
row("batch_norm", [(4, 3, 5), (3,), (3,)], via=lambda m, *a: _batch_norm(m, *a, eps=0.1))
row("batch_norm", [(4, 1, 2, 2), (1,), (1,)], via=_batch_norm)
row(
    "batch_norm", [(4, 3, 2, 2), fixed((3,)), fixed(positive(3)), (3,), (3,)],
    via=lambda m, x, mean, var, w, b: m.batch_norm(x, mean, var, w, b, False),
)  # fmt: skip
row(
    "batch_norm",
    [(4, 3), fixed((3,)), fixed(positive(3))],
    via=lambda m, x, mean, var: m.batch_norm(x, mean, var),
)


def _activated(name, slope):
    """The norm with its activation, which PyTorch has as two functions."""

    def via(m, x, w, b):
        norm = (
            _batch_norm
            if name == "batch_norm"
            else lambda m, *a, **kw: m.instance_norm(a[0], weight=a[1], bias=a[2], **kw)
        )
        if m.__name__.startswith("torch"):
            return m.leaky_relu(norm(m, x, w, b), slope)
        return norm(m, x, w, b, slope=slope)

    return via


def _activated_evaluation(slope):
    def via(m, x, mean, var, w, b):
        if m.__name__.startswith("torch"):
            return m.leaky_relu(m.batch_norm(x, mean, var, w, b, False), slope)
        return m.batch_norm(x, mean, var, w, b, False, slope=slope)

    return via


for slope in (0.0, 0.2):
    row(
        "batch_norm", [(4, 3, 2, 2), fixed((3,)), fixed(positive(3)), (3,), (3,)],
        via=_activated_evaluation(slope),
    )  # fmt: skip
    row("batch_norm", [(4, 3, 2, 3), (3,), (3,)], via=_activated("batch_norm", slope))
    row("instance_norm", [(2, 3, 4, 2), (3,), (3,)], via=_activated("instance_norm", slope))
row("layer_norm", [(2, 3, 4)], normalized_shape=(4,))
row("layer_norm", [(2, 3, 4), (3, 4), (3, 4)], via=lambda m, x, w, b: m.layer_norm(x, (3, 4), w, b))
row("layer_norm", [(5,), (5,), (5,)], via=lambda m, x, w, b: m.layer_norm(x, (5,), w, b))
row("instance_norm", [(2, 3, 4, 2)])
row(
    "instance_norm",
    [(2, 3, 4, 2), (3,), (3,)],
    via=lambda m, x, w, b: m.instance_norm(x, weight=w, bias=b),
)
row(
    "instance_norm", [(2, 3, 4), fixed((3,)), fixed(positive(3)), (3,), (3,)],
    via=lambda m, x, mean, var, w, b: m.instance_norm(x, mean, var, w, b, False),
)  # fmt: skip
row("rms_norm", [(2, 3, 4), (4,)], via=lambda m, x, w: m.rms_norm(x, (4,), w))
row("rms_norm", [(2, 3, 4)], normalized_shape=(3, 4), eps=0.1)
row("group_norm", [(2, 4, 3, 2)], num_groups=2)
row("group_norm", [(2, 6, 3), (6,), (6,)], via=lambda m, x, w, b: m.group_norm(x, 3, w, b))


def _same_dropout(m, x):
    tg.manual_seed(3)
    return m.dropout(x, 0.4)


def _dropout_mask(x):
    tg.manual_seed(3)
    return x * (tg.stream("dropout").uniform(x.shape) >= 0.4) / 0.6


row("dropout", [(5, 6)], via=_same_dropout, numpy=_dropout_mask, random=True)
row("dropout", [(5, 6)], via=lambda m, x: m.dropout(x, 0.4, training=False), numpy=lambda x: x)


row("dropout", [(5, 6)], via=lambda m, x: m.dropout(x, 1.0), numpy=lambda x: x * 0)


def _seeded(call):
    def via(m, x):
        tg.manual_seed(3)
        return call(m, x)

    return via


def _drawn(x, shape=None):
    tg.manual_seed(3)
    return tg.stream("dropout").uniform(x.shape if shape is None else shape)


def _alpha_dropout(x):
    kept, low, p = _drawn(x) >= 0.3, -1.0507009873554805 * 1.6732632423543772, 0.3
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    return a * np.where(kept, x, low) - a * p * low


def _gumbel_softmax(x):
    e = np.exp((x - np.log(-np.log(_drawn(x)))) / 0.7)
    return e / e.sum(-1, keepdims=True)


row(
    "dropout1d", [(2, 3, 4)], via=_seeded(lambda m, x: m.dropout1d(x, 0.4)),
    numpy=lambda x: x * (_drawn(x, (2, 3, 1)) >= 0.4) / 0.6, random=True,
)  # fmt: skip
row(
    "dropout2d", [(2, 3, 4, 2)], via=_seeded(lambda m, x: m.dropout2d(x, 0.4)),
    numpy=lambda x: x * (_drawn(x, (2, 3, 1, 1)) >= 0.4) / 0.6, random=True,
)  # fmt: skip
row(
    "alpha_dropout", [(5, 6)], via=_seeded(lambda m, x: m.alpha_dropout(x, 0.3, True)),
    numpy=_alpha_dropout, random=True,
)  # fmt: skip
row(
    "gumbel_softmax", [(4, 3)], via=_seeded(lambda m, x: m.gumbel_softmax(x, 0.7)),
    numpy=_gumbel_softmax, random=True,
)  # fmt: skip
row(
    "gumbel_softmax", [(4, 3)], via=_seeded(lambda m, x: m.gumbel_softmax(x, 0.7, True)),
    numpy=lambda x: np.eye(3)[_gumbel_softmax(x).argmax(-1)], random=True, order=0,
)  # fmt: skip

# -- activations that are formulas ----------------------------------------------------------------

for name in ["relu6", "hardsigmoid", "hardswish", "selu", "mish", "logsigmoid", "softsign",
             "tanhshrink", "hardtanh", "softshrink", "hardshrink", "celu"]:  # fmt: skip
    row(name, [apart(3, 4)])
row("relu6", [between(-8, 8, 20)])
row("hardsigmoid", [between(-8, 8, 20)])
row("hardswish", [between(-8, 8, 20)])
row("logsigmoid", [exactly([-800.0, 0.0, 800.0])])
row("hardtanh", [apart(3, 4)], min_val=-0.5, max_val=1.0)
row("celu", [apart(3, 4)], alpha=0.4)
row("softshrink", [apart(3, 4)], lambd=0.0)
row("hardshrink", [apart(3, 4)], lambd=0.0)
row("threshold", [apart(3, 4)], threshold=0.5, value=7.0)
row("prelu", [apart(2, 3, 4), (3,)])
row("prelu", [apart(2, 3), (1,)])
row("prelu", [apart(5), (1,)])
row("glu", [(2, 6)])
row("glu", [(2, 4, 3)], dim=1)
row("softmin", [(2, 3)], dim=1)

# -- distances ------------------------------------------------------------------------------------

row(
    "bilinear", [(2, 3), (2, 4), (5, 3, 4), (5,)],
    numpy=lambda x, y, w, b: np.stack([((x @ m) * y).sum(-1) for m in w], -1) + b,
)  # fmt: skip
row(
    "bilinear", [(2, 1, 3), (2, 1, 4), (1, 3, 4)],
    numpy=lambda x, y, w: ((x @ w[0]) * y).sum(-1)[..., None],
)  # fmt: skip
row("normalize", [(2, 3, 4)])
row("normalize", [apart(2, 3)], p=1, dim=-1)
row("normalize", [(2, 3)], p=3.0, dim=0, eps=5.0)
row("cosine_similarity", [(2, 3, 4), (2, 3, 4)])
row("cosine_similarity", [(2, 3), (1, 3)], dim=-1)
row("pairwise_distance", [(2, 3), (2, 3)])
row("pairwise_distance", [apart(2, 3), between(-0.02, 0.02, 3)], p=1, eps=0.0, keepdim=True)

# -- losses ---------------------------------------------------------------------------------------

for reduction in ["mean", "sum", "none"]:
    row("mse_loss", [(3, 4), (3, 4)], reduction=reduction)
    row("l1_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], reduction=reduction)
    row("smooth_l1_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], reduction=reduction)
    row(
        "binary_cross_entropy",
        [between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4)],
        reduction=reduction,
        syncs=True,
    )
    row("binary_cross_entropy_with_logits", [(3, 4), between(0.1, 0.9, 3, 4)], reduction=reduction)
    row("nll_loss", [(4, 3), labels(3, 4)], reduction=reduction, syncs=True)
    row("cross_entropy", [(4, 3), labels(3, 4)], reduction=reduction, syncs=True)
    row("cross_entropy", [(4, 3), between(0, 1, 4, 3)], reduction=reduction)
    row(
        "gaussian_kl", [(3, 4), (3, 4)], reduction=reduction,
        numpy=lambda mu, lv, r=reduction: _reduce((mu**2 + np.exp(lv) - 1 - lv) / 2, r),
    )  # fmt: skip
    row(
        "hinge_loss", [apart(3, 4)],
        via=lambda m, x, r=reduction: m.hinge_loss(x, -1.0, reduction=r),
        numpy=lambda x, r=reduction: _reduce(_relu(1 + x), r),
    )  # fmt: skip


def _reduce(values, reduction):
    return values if reduction == "none" else getattr(values, reduction)()


row("hinge_loss", [apart(4), exactly([1, -1, 1, -1])], numpy=lambda x, s: _relu(1 - s * x).mean())
row("smooth_l1_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], beta=0.3)
row(
    "binary_cross_entropy",
    [exactly([0.0, 1.0, 0.3]), fixed(exactly([0.0, 1.0, 1.0]))],
    order=0,
    syncs=True,
)
row(
    "binary_cross_entropy_with_logits",
    [exactly([-800.0, 800.0, 40.0]), fixed(exactly([0.0, 1.0, 0.0]))],
)
row(
    "binary_cross_entropy_with_logits", [(3, 4), between(0.1, 0.9, 3, 4), fixed(positive(4))],
    via=lambda m, x, t, w: m.binary_cross_entropy_with_logits(x, t, pos_weight=w),
)  # fmt: skip
row(
    "binary_cross_entropy", [between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4), fixed(positive(4))],
    syncs=True,
)  # fmt: skip
row("binary_cross_entropy_with_logits", [(3, 4), between(0.1, 0.9, 3, 4), fixed(positive(3, 1))])
row("nll_loss", [(4, 3, 2), labels(3, (4, 2))], syncs=True)
row("nll_loss", [(3,), labels(3, ())], syncs=True)
row("cross_entropy", [(3,), labels(3, ())], syncs=True)
row("cross_entropy", [(4, 3), exactly([-100, -100, -100, -100])], order=0, syncs=True)
row(
    "nll_loss", [(4, 3), exactly([-100, -100, -100, -100]), fixed(positive(3))], order=0, syncs=True
)
row("nll_loss", [(4, 3), exactly([0, -100, 2, 1])], syncs=True)
row("nll_loss", [(4, 3), labels(3, 4), fixed(positive(3))], syncs=True)
row("cross_entropy", [(4, 3, 2, 2), labels(3, (4, 2, 2))], syncs=True)
row("cross_entropy", [(4, 3), labels(3, 4)], label_smoothing=0.1, syncs=True)
row(
    "cross_entropy",
    [(4, 3), exactly([0, -100, 2, 1]), fixed(positive(3))],
    label_smoothing=0.1,
    syncs=True,
)
row("cross_entropy", [(4, 3), exactly([0, -100, 2, 1]), fixed(positive(3))], syncs=True)
row("cross_entropy", [(4, 3, 2), between(0, 1, 4, 3, 2), fixed(positive(3))])
row("cross_entropy", [(4, 3), between(0, 1, 4, 3)], label_smoothing=0.2)
row("huber_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], delta=0.3)
row("huber_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], reduction="sum")
for loss in ("smooth_l1_loss", "huber_loss"):
    row(loss, [exactly([0.0, 0.3]), fixed(exactly([0.0, 0.2]))])
row("smooth_l1_loss", [apart(3, 4), between(-0.02, 0.02, 3, 4)], beta=0)
row("kl_div", [(3, 4), positive(3, 4)], reduction="batchmean")
row("kl_div", [(3, 4), fixed(exactly(np.eye(3, 4)))], reduction="sum")
row("kl_div", [(3, 4), (3, 4)], log_target=True, reduction="none")
row("gaussian_nll_loss", [(3, 4), (3, 4), positive(3, 4)], syncs=True)
row("gaussian_nll_loss", [(3, 4), (3, 4), positive(3)], full=True, reduction="none", syncs=True)
row("poisson_nll_loss", [(3, 4), positive(3, 4)])
row("poisson_nll_loss", [positive(3, 4), positive(3, 4)], log_input=False, full=True)

SIGNS = fixed(exactly([1.0, -1.0, 1.0, -1.0]))
for reduction in ["mean", "none"]:
    row("soft_margin_loss", [(4,), SIGNS], reduction=reduction)
    row("hinge_embedding_loss", [apart(4), SIGNS], reduction=reduction)
    row("margin_ranking_loss", [apart(4), exactly([0.0] * 4), SIGNS], reduction=reduction)
    row("cosine_embedding_loss", [(4, 3), (4, 3), SIGNS], margin=0.05, reduction=reduction)
    row("triplet_margin_loss", [(4, 3), (4, 3), (4, 3)], margin=3.0, reduction=reduction)
    row("multi_margin_loss", [(4, 3), labels(3, 4)], reduction=reduction, syncs=True)
    row("multilabel_soft_margin_loss", [(4, 3), labels(2, (4, 3))], reduction=reduction)
row("triplet_margin_loss", [(4, 3), (4, 3), (4, 3)], margin=3.0, swap=True, p=3.0, eps=0.01)
row("triplet_margin_with_distance_loss", [(4, 3), (4, 3), (4, 3)], margin=3.0)
row(
    "multi_margin_loss", [(4, 3), labels(3, 4), fixed(positive(3))],
    via=lambda m, x, t, w: m.multi_margin_loss(x, t, 2, 0.7, w), syncs=True,
)  # fmt: skip
row("multilabel_soft_margin_loss", [(4, 3), between(0, 1, 4, 3), fixed(positive(3))])

# -- copies ---------------------------------------------------------------------------------------

row("clone", [(2, 3)], numpy=lambda x: x)
row("contiguous", [(2, 3)], via=lambda m, x: x.T.contiguous(), numpy=lambda x: x.T)
row("to", [(2, 3)], via=lambda m, x: x.to(x.dtype), numpy=lambda x: x)

# -- what has no derivative -----------------------------------------------------------------------

NOT_DIFFERENTIABLE = {
    "all", "any", "arange", "argmax", "argmin", "argsort", "bitwise_and", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "empty", "eq", "eye",
    "floor_divide", "from_dlpack", "from_numpy", "full", "full_like", "ge", "gt", "isfinite",
    "isinf", "isnan", "le", "linspace", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "ne", "one_hot", "ones", "ones_like", "rand", "rand_like", "randint",
    "randn", "randn_like", "randperm", "tensor", "zeros", "zeros_like",
}  # fmt: skip
