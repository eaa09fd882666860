"""PyTorch's signatures of layers that the core builds from fewer arguments, and Module's further
methods.

For each line of `SIGNATURES` the layer is built through PyTorch's parameters, in their order. Those
that the core does not have are refused where they are given, with what to do instead.
"""

import functools
import inspect

import numpy as np

from .. import nn
from ..backend import Device

_REDUCED = "size_average=None, reduce=None, reduction='mean'"
_CLASSES = "weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'"
_WEIGHTED = f"weight=None, {_REDUCED}"
_TABLE = "max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False"

_POISSON = "log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction='mean'"

SIGNATURES = f"""
BCELoss({_WEIGHTED})
BCEWithLogitsLoss({_WEIGHTED}, pos_weight=None)
CosineEmbeddingLoss(margin=0.0, {_REDUCED})
CrossEntropyLoss({_CLASSES}, label_smoothing=0.0)
Embedding(num_embeddings, embedding_dim, padding_idx=None, {_TABLE}, device=None, dtype=None)
GaussianNLLLoss(*, full=False, eps=1e-06, reduction='mean')
Hardtanh(min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None)
HingeEmbeddingLoss(margin=1.0, {_REDUCED})
HuberLoss(reduction='mean', delta=1.0)
KLDivLoss({_REDUCED}, log_target=False)
L1Loss({_REDUCED})
MSELoss({_REDUCED})
MarginRankingLoss(margin=0.0, {_REDUCED})
MultiLabelSoftMarginLoss({_WEIGHTED})
MultiMarginLoss(p=1, margin=1.0, {_WEIGHTED})
NLLLoss({_CLASSES})
PoissonNLLLoss({_POISSON})
SmoothL1Loss({_REDUCED}, beta=1.0)
SoftMarginLoss({_REDUCED})
TripletMarginLoss(margin=1.0, p=2.0, eps=1e-06, swap=False, {_REDUCED})
"""

REFUSED = {
    "size_average": "is retired: say reduction='mean' or reduction='sum'",
    "reduce": "is retired: say reduction='mean', 'sum' or 'none'",
    "min_value": "is retired: say min_val",
    "max_value": "is retired: say max_val",
    "max_norm": "is not served: scale the rows of the table yourself, under no_grad()",
    "scale_grad_by_freq": "is not served: divide the gradient by the counts in a hook",
}
_UNUSED = {"norm_type", "sparse"}  # without max_norm; how gradients are stored


def spoken(kind: type, signature: inspect.Signature):
    """The `__init__` of a layer under PyTorch's signature."""
    plain, name = kind.__init__, kind.__name__
    own = set(inspect.signature(plain).parameters)

    @functools.wraps(plain)
    def __init__(self, *values, **keywords):
        try:
            given = signature.bind(*values, **keywords).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}; it takes {signature}") from None
        for key in [key for key in given if key not in own]:
            value = given.pop(key)
            if key not in _UNUSED and value != signature.parameters[key].default:
                raise TypeError(f"{name}: {key}={value!r} {REFUSED[key]}")
        plain(self, **given)

    shown = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    __init__.__signature__ = inspect.Signature([*shown, *signature.parameters.values()])
    return __init__


# -- modules ---------------------------------------------------------------------------------------


def _type(self, dst_type):
    """Parameters and buffers of another dtype: a dtype, or a constructor such as FloatTensor."""
    if isinstance(dst_type, str):
        dst_type = dst_type.rpartition(".")[2].removesuffix("Tensor").lower()
        dst_type = {"long": "int64", "half": "float16"}.get(dst_type, dst_type)
    where = getattr(dst_type, "device", None)
    return self.to(where, np.dtype(dst_type)) if where else self.to(dtype=np.dtype(dst_type))


def _cuda(self, device=None):
    """On the GPU: the first one, or one by its number or name."""
    if isinstance(device, Device | str):
        return self.to(device)
    return self.to(f"cuda:{device or 0}")


def _get(self, target, what, members):
    path, _, name = target.rpartition(".")
    member = dict(members(self.get_submodule(path))).get(name)
    if member is None:
        raise AttributeError(f"{type(self).__name__} has no {what} {target!r}")
    return member


def _get_parameter(self, target):
    """The parameter under a dotted name."""
    return _get(self, target, "parameter", lambda m: m.named_parameters(recurse=False))


def _get_buffer(self, target):
    """The buffer under a dotted name."""
    return _get(self, target, "buffer", lambda m: m.named_buffers(recurse=False))


def _backward_hook(self, hook, prepend=False):
    raise NotImplementedError(
        "Module: hooks on its backward pass are not served; hook the tensors: in forward, "
        "y.register_hook(lambda g: ...)"
    )


def _alone(self):
    raise NotImplementedError("Module: tinygan computes in one process, on threads; leave it out")


METHODS = {
    "type": _type, "cuda": _cuda, "get_parameter": _get_parameter, "get_buffer": _get_buffer,
    "register_module": nn.Module.add_module, "register_backward_hook": _backward_hook,
    "register_full_backward_hook": _backward_hook, "share_memory": _alone,
}  # fmt: skip


def install() -> None:
    for line in SIGNATURES.strip().splitlines():
        name, _, text = line.removesuffix(")").partition("(")
        signature = inspect.signature(eval(f"lambda {text}: None"))
        kind = getattr(nn, name)
        kind.__init__ = spoken(kind, signature)
    for name, method in METHODS.items():
        setattr(nn.Module, name, method)
