"""An equation in array operations, written down as a few statements of CUDA C++.

An optimiser states its equation once, as operations on arrays that Python can run: `m *= beta`,
`xp.sqrt(v, out=room)`. Run on *symbols* in the place of arrays, the same Python computes nothing:
each operation adds a line to a list. So nobody writes an optimiser twice, and a new one runs as a
single kernel without knowing of it.

>>> def heavy_ball(theta, g, b, room, add_scaled):
...     b *= 0.9
...     b += g
...     theta -= 0.1 * b
>>> written = write_down(heavy_ball, 3)
>>> print(*written.statements, sep="\\n")
a[2] = times(a[2], k[0]);
a[2] = a[2] + a[1];
REAL v0 = times(k[1], a[2]);
a[0] = a[0] - v0;
>>> written.numbers
[0.9, 0.1]

Numbers become arguments k, in the order in which they occur: they change from step to step, and the
statements remain. Where an equation branches upon a number it has other statements, and is another
kernel.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np

from .. import portable
from ..device import register_array_type


class CannotBeWrittenDown(TypeError):
    """The equation does something to its arrays that is not a statement about single numbers."""


class Written:
    """What an equation did to so many arrays: its statements and its numbers."""

    def __init__(self, arrays: int):
        self.arrays, self.statements, self.numbers = arrays, [], []
        self._changed, self._names = set(), 0

    @property
    def text(self) -> str:
        return " ".join(self.statements)

    @property
    def mask(self) -> int:
        """The arrays that it changed, a bit for each."""
        return sum(1 << i for i in range(self.arrays) if f"a[{i}]" in self._changed)

    def term(self, x) -> str:
        """How an operand is called in a statement."""
        if type(x) is Symbol:
            if x.name is None:
                raise CannotBeWrittenDown("`room` is read before anything was written to it")
            return x.name
        if not isinstance(x, int | float | np.integer | np.floating):
            raise CannotBeWrittenDown(f"expected a symbol or a number, got {type(x).__name__}")
        self.numbers.append(float(x))
        return f"k[{len(self.numbers) - 1}]"

    def result(self, pattern, operands, out=None, kind="REAL"):
        """A statement for an operation, whose result is a new symbol or goes to `out`."""
        value = pattern.format(*map(self.term, operands))
        if out is None:
            out = Symbol(self)
        if out.name is None:
            out.name = f"v{self._names}"
            self._names += 1
            self.statements.append(f"{kind} {out.name} = {value};")
        else:
            self._changed.add(out.name)
            self.statements.append(f"{out.name} = {value};")
        return out


class Symbol:
    """Stands for an array, element by element. Without a name until something is written to it."""

    __slots__ = ("name", "writer")
    __array_ufunc__ = None  # NumPy's own functions do not take it
    __hash__ = None

    def __init__(self, writer: Written, name: str | None = None):
        self.writer, self.name = writer, name

    def __setitem__(self, where, value):
        if where is not Ellipsis:
            raise CannotBeWrittenDown(f"expected x[...] = y, got x[{where!r}] = y")
        self.writer.result("{}", [value], self)

    def __bool__(self):
        raise CannotBeWrittenDown("the equation looks at a value")


def _operator(pattern, kind="REAL", swapped=False):
    def apply(x, y):
        return x.writer.result(pattern, (y, x) if swapped else (x, y), None, kind)

    return apply


def _in_place(pattern):
    return lambda x, y: x.writer.result(pattern, (x, y), x)


for _name, _text in {
    "add": "{} + {}", "sub": "{} - {}", "mul": "times({}, {})", "truediv": "{} / {}",
}.items():  # fmt: skip
    setattr(Symbol, f"__{_name}__", _operator(_text))
    setattr(Symbol, f"__r{_name}__", _operator(_text, swapped=True))
    setattr(Symbol, f"__i{_name}__", _in_place(_text))
for _name, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Symbol, f"__{_name}__", _operator(f"{{}} {_sign} {{}}", "bool"))
Symbol.__neg__ = lambda x: x.writer.result("-{}", [x])
Symbol.__abs__ = lambda x: x.writer.result("fabs({})", [x])
Symbol.__pow__ = lambda x, y: x.writer.result("pow({}, {})", (x, y))


# -- the array module of symbols -------------------------------------------------------------------

_FUNCTIONS = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "times({}, {})", "divide": "{} / {}",
    "negative": "-{}", "abs": "fabs({})", "square": "times({0}, {0})", "sqrt": "sqrt({})",
    "exp": "exp({})", "log": "log({})", "power": "pow({}, {})", "sign": "sign({})",
    "maximum": "larger({}, {})", "minimum": "smaller({}, {})", "where": "{} ? {} : {}",
    "clip": "smaller(larger({}, {}), {})",
}  # fmt: skip


def _call(pattern, *operands, out=None):
    writer = next(x.writer for x in operands if type(x) is Symbol)
    return writer.result(pattern, operands, out)


_symbols = SimpleNamespace(**{name: partial(_call, p) for name, p in _FUNCTIONS.items()})
register_array_type(Symbol, _symbols)


# -- writing an equation down ----------------------------------------------------------------------


def write_down(equation, arrays: int) -> Written:
    """The statements of equation(*arrays, room, add_scaled), which `portable.apply_to_many` would
    run on arrays.
    """
    writer = Written(arrays)
    symbols = [Symbol(writer, f"a[{i}]") for i in range(arrays)]
    equation(*symbols, Symbol(writer), portable.add_scaled)
    return writer
