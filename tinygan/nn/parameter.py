"""A tensor that a module learns."""

from ..autograd import Tensor


class Parameter(Tensor):
    """A leaf tensor that requires gradients, found by `parameters()` of the module that holds it.

    >>> Parameter([1.0, 2.0])
    Parameter(tensor([1., 2.], requires_grad=True))
    """

    def __init__(self, data, requires_grad: bool = True):
        if isinstance(data, Tensor):
            super().__init__(data.array)
            self._version = data.version
        else:
            super().__init__(data)
        self.requires_grad_(requires_grad)

    def __repr__(self):
        return f"Parameter({super().__repr__()})"
