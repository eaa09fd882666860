"""The rows that a GPU is measured with, and the work that each does.

Work is counted from the geometry. A convolution of B images multiplies and adds k²·C_in·C_out times
for each place of its smaller image; forward and both gradients are three such products, and a
multiplication with its addition is two operations. What only moves numbers is counted in bytes.
"""

from dataclasses import dataclass, replace

from .. import rows as cpu

FLOAT = 4  # bytes


@dataclass(frozen=True)
class GpuRow:
    row: cpu.Row
    flops: float | None = None  # floating-point operations in a step
    traffic: float | None = None  # bytes that a step must move at least
    compiled: bool = False  # is PyTorch's compiler given a try? It takes half a minute


ROWS: dict[str, GpuRow] = {}


def _add(name, known, compiled=False, flops=None, traffic=None, **changes):
    row = replace(known, name=name, **changes)
    ROWS[name] = GpuRow(row, flops, traffic, compiled)


# -- training steps and generation ----------------------------------------------------------------

# Per image: G forward and both gradients; D thrice for the real, thrice for the false images, and
# in G's step forward and the gradient of its input.
DCGAN64 = 2 * (3 * 104.6e6 + 8 * 103.8e6)

for _batch in (128, 64, 512):
    _add(
        f"dcgan64-b{_batch}",
        replace(cpu.ROWS["dcgan64"], build=cpu._dcgan(64, 3, 64, _batch), images=_batch),
        compiled=_batch < 512,
        flops=DCGAN64 * _batch,
    )
for _name in ("dcgan32", "vae"):
    _add(_name, cpu.ROWS[_name], compiled=True)
for _name in ("wgan-gp", "convvae", "resblock"):
    _add(_name, cpu.ROWS[_name])
_add("resblock-b8", cpu.ROWS["resblock"], build=cpu._resblock(8), images=8)
_add("generate-b64", cpu.ROWS["generate-b64"], flops=2 * 104.6e6 * 64)

# -- layers ---------------------------------------------------------------------------------------

BATCH = 128  # small layers finish before the next call is made: all layers are captured, too


def _conv(name, c_in, c_out, kernel, stride, size, transposed=False, batch=BATCH):
    """A layer of a convolution from `size`² pixels, as the DCGAN has them."""
    places = size * size if transposed else (size // stride) ** 2

    def make(nn):
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        return kind(c_in, c_out, kernel, stride, 1, bias=False)

    build = cpu._layer(make, batch, c_in, size, size)
    flops = 3 * 2 * batch * places * c_in * c_out * kernel * kernel
    _add(name, cpu.Row(name, "layer", build, images=batch), flops=flops)


_conv("conv4x4s2-64", 64, 128, 4, 2, 32)
_conv("conv4x4s2-128", 128, 256, 4, 2, 16)
_conv("conv4x4s2-256", 256, 512, 4, 2, 8)
_conv("conv4x4s2-rgb", 3, 64, 4, 2, 64)
_conv("conv3x3s1-64", 64, 64, 3, 1, 64, batch=16)
_conv("transposed4x4s2-512", 512, 256, 4, 2, 4, transposed=True)
_conv("transposed4x4s2-128", 128, 64, 4, 2, 16, transposed=True)
_conv("transposed4x4s2-rgb", 64, 3, 4, 2, 32, transposed=True)

# Forward reads x twice (statistics, then values) and writes y; backward reads x and y's gradient
# twice each and writes that of x.
_add(
    "batchnorm-64",
    replace(
        cpu.ROWS["batchnorm-64"],
        build=cpu._layer(lambda nn: nn.BatchNorm2d(64), BATCH, 64, 32, 32),
        images=BATCH,
    ),
    traffic=8 * FLOAT * BATCH * 64 * 32 * 32,
)
# Adam reads the parameter, its gradient and two moments, and writes all but the gradient.
_add("adam-3.6M", cpu.ROWS["adam-3.6M"], traffic=7 * FLOAT * 3_576_704)
