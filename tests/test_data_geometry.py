"""Where pixels go when pictures are resized, cropped and drawn, and which items are taken."""

import numpy as np

from tests import equations as eq
from tinygan.data import ArrayDataset, digits
from tinygan.data.resize import central_square, resize

random = np.random.default_rng(4)


def test_made_larger_it_is_interpolated_between_pixel_centres():
    x = random.standard_normal((2, 3, 5, 4))
    for side in (8, 9, 15):
        expected = eq.interpolate(x, (side, side), mode="bilinear")
        np.testing.assert_allclose(resize(x, side), expected, rtol=1e-12, atol=1e-12)


def test_made_smaller_each_pixel_is_a_mean_about_its_own_centre():
    """A tent twice as wide as the new pixel: over the pixels of a half, the weights 1, 3, 3, 1."""
    x = random.standard_normal((1, 1, 8, 8))
    rows = np.array([1, 3, 3, 1]) / 8
    middle = np.einsum("i,j,ij->", rows, rows, x[0, 0, 1:5, 3:7])
    assert np.isclose(resize(x, 4)[0, 0, 1, 2], middle)
    np.testing.assert_allclose(resize(x[:, :, ::-1, ::-1], 4), resize(x, 4)[:, :, ::-1, ::-1])


def test_a_square_is_cut_from_the_middle():
    x = np.arange(4 * 8).reshape(1, 1, 4, 8)
    np.testing.assert_array_equal(central_square(x), x[:, :, :, 2:6])
    turned = x.swapaxes(2, 3)
    np.testing.assert_array_equal(central_square(turned), turned[:, :, 2:6])


def test_some_items_are_spread_over_the_set():
    data = ArrayDataset("counted", np.arange(20.0).reshape(10, 2))
    assert data.take(4)["x"][:, 0].tolist() == [0, 4, 10, 14]  # items 0, 2, 5 and 7
    assert len(data.take(100)["x"]) == 10


def test_digits_are_turned_sheared_and_stretched_as_their_factors_say():
    """q = A⁻¹p with A = scale · rotation(θ) · shear(k) · diag(aspect, 1), rows pointing down."""
    theta, scale, shear, aspect = (random.uniform(low, 1, 3) for low in (-1, 0.5, -0.4, 0.7))
    inverse = digits._inverse_maps(np.rad2deg(theta), scale, shear, aspect)
    for i in range(3):
        c, s = np.cos(theta[i]), np.sin(theta[i])
        rotation, slant = np.array([[c, -s], [s, c]]), np.array([[1, -shear[i]], [0, 1]])
        a = scale[i] * rotation @ slant @ np.diag([aspect[i], 1])
        np.testing.assert_allclose(inverse[i] @ a, np.eye(2), atol=1e-12)
