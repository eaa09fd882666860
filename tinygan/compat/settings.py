"""PyTorch's settings for a whole program, and its source of random numbers."""

import numpy as np

from ..autograd import enable_grad, no_grad
from ..autograd.mode import mode as _mode
from ..backend import Stream
from ..backend.cuda import set_float32_precision, tensor_cores


class set_grad_enabled:
    """Recording on or off from here on, or in a block, or in a function."""

    def __init__(self, mode):
        self.enabled, self.before = mode, _mode.grad
        _mode.grad = bool(mode)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        _mode.grad = self.before

    def __call__(self, function):
        _mode.grad = self.before  # it is a decorator: nothing is set here
        return (enable_grad if self.enabled else no_grad)(function)


def inference_mode(mode=True):
    """The same as `no_grad`."""
    if callable(mode):
        return no_grad(mode)
    return no_grad() if mode else set_grad_enabled(_mode.grad)


class Generator(Stream):
    """A source of random numbers of one's own."""

    def __init__(self, device="cpu"):
        super().__init__(0)

    def manual_seed(self, seed):
        super().__init__(seed)
        return self

    def initial_seed(self):
        return self._seed

    get_state, set_state = Stream.state, Stream.restore


def set_float32_matmul_precision(precision):
    """`"highest"` multiplies float32 exactly on a GPU; `"high"`, the default here, and `"medium"`
    as TF32.
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            "set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got "
            f"{precision!r}"
        )
    set_float32_precision("exact" if precision == "highest" else "tf32")


def get_float32_matmul_precision():
    return "high" if tensor_cores() else "highest"


def get_default_dtype():
    return np.dtype(np.float32)


def set_default_dtype(d):
    """Only float32 is the default; other dtypes are asked for."""
    if np.dtype(d) != np.float32:
        raise NotImplementedError(
            f"set_default_dtype: new tensors are float32 in tinygan; for {np.dtype(d)} say "
            "dtype=..., and module.double() or .half() for a network"
        )


def set_default_tensor_type(t):
    """FloatTensor is the default; others are asked for."""
    kind = t.rpartition(".")[2] if isinstance(t, str) else t.__name__
    on_gpu = "cuda" in t if isinstance(t, str) else t.device == "cuda"
    if kind != "FloatTensor" or on_gpu:
        raise NotImplementedError(
            f"set_default_tensor_type: new tensors are float32 on the default device, got {t!r}; "
            "say dtype=..., and choose a device by `with tg.device('cuda'):` or TINYGAN_DEVICE=cuda"
        )


def use_deterministic_algorithms(mode, *, warn_only=False):
    """They always are: the same seed gives the same numbers on the same machine."""


def is_deterministic():
    return True
