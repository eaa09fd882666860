"""tinygan: a deep-learning engine that reads in a weekend, and the generative models built on it.

>>> import tinygan as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

import numpy as _np

from . import compat as _compat
from . import io, nn, ops, optim
from .autograd import (
    AnomalyError,
    GradcheckError,
    Op,
    Tensor,
    detect_anomaly,
    draw,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    is_grad_enabled,
    no_grad,
    profile,
)
from .backend import (
    Device,
    DeviceError,
    Stream,
    cuda_is_available,
    default_device,
    device,
    manual_seed,
    random_state,
    restore_random_state,
    stream,
)
from .capturing import CaptureWarning, capture
from .io import load, save
from .ops import *  # noqa: F403

float16, float32, float64 = _np.dtype("float16"), _np.dtype("float32"), _np.dtype("float64")
int32, int64, bool_ = _np.dtype("int32"), _np.dtype("int64"), _np.dtype("bool")

__version__ = "0.1.0"

_compat.install(globals())
