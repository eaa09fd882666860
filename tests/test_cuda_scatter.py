"""Adding at places that an index names twice, on the GPU's own kernel, as fibres."""

import numpy as np
import pytest

from tests import fibres
from tinygan.backend import portable
from tinygan.backend.cuda.scatter import add_at

pytestmark = fibres.needed
RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    "index",
    [
        (RNG.integers(0, 5, 700),),
        (RNG.integers(-5, 5, (3, 40)), slice(1, 3)),
        (slice(None), RNG.integers(0, 4, 300)),
        (np.array([], int),),
        (2,),
    ],
    ids=["rows", "negative, and a slice", "columns", "nothing", "one row"],
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_it_adds_as_numpy_does(fibre_device, index, dtype):
    out = RNG.integers(-9, 9, (5, 4)).astype(dtype)
    values = RNG.integers(-9, 9, out[index].shape).astype(dtype)
    there = fibre_device.array(out)
    on = tuple(fibre_device.array(i) if isinstance(i, np.ndarray) else i for i in index)
    add_at(there, on, fibre_device.array(values))
    portable.add_at(out, index, values)
    np.testing.assert_array_equal(there.get(), out)


def test_the_order_of_a_sum_is_that_of_the_values(fibre_device):
    """float32 sums differ by their order: NumPy's is from first to last."""
    values = (RNG.standard_normal(500) * 10.0 ** RNG.integers(-6, 6, 500)).astype("f4")
    out, index = np.zeros(3, "f4"), RNG.integers(0, 3, 500)
    there = fibre_device.array(out)
    add_at(there, (fibre_device.array(index),), fibre_device.array(values))
    portable.add_at(out, (index,), values)
    np.testing.assert_array_equal(there.get(), out)


def test_one_value_for_all_places_and_memory_with_gaps(fibre_device):
    out = fibre_device.array(np.zeros((4, 6), "f4"))
    add_at(out, (fibre_device.array(np.array([1, 1, 3])),), 0.5)
    assert out.get().sum(1).tolist() == [0, 6, 0, 3]
    add_at(out[:, ::2], (fibre_device.array(np.array([0, 0])),), 1.0)
    assert out.get()[0].tolist() == [2, 0, 2, 0, 2, 0]
