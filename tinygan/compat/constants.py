"""PyTorch's names for dtypes, memory formats and numbers."""

import math

import numpy as np

_DTYPES = {
    "half": np.float16, "float": np.float32, "double": np.float64, "uint8": np.uint8,
    "int8": np.int8, "int16": np.int16, "short": np.int16, "int": np.int32, "long": np.int64,
    "bool": np.bool_,
}  # fmt: skip
globals().update({name: np.dtype(kind) for name, kind in _DTYPES.items()})
dtype, Size = np.dtype, tuple
strided, preserve_format, contiguous_format, channels_last = (
    "strided", "preserve_format", "contiguous_format", "channels_last",
)  # fmt: skip
finfo, iinfo = np.finfo, np.iinfo
inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None
