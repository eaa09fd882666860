"""The textbook equations behind tinygan, in a few lines of plain NumPy each.

Nothing here is fast, differentiable or shared with what it checks: loops where the equation has a
sum, float64 throughout. `tests/test_equations.py` holds every layer, loss, optimiser, schedule and
initialiser against them, so that no equation rests on another library being installed.

The functions take arrays, under the names that the tensor functions have, so that a row of
`tests/op_table.py` can be evaluated by them: `row.via(equations, *arrays)`.
"""

from .activations import *  # noqa: F403
from .attention import *  # noqa: F403
from .convolution import *  # noqa: F403
from .distances import *  # noqa: F403
from .indexing import *  # noqa: F403
from .losses import *  # noqa: F403
from .norms import *  # noqa: F403
from .pooling import *  # noqa: F403
from .sampling import *  # noqa: F403
from .shapes import *  # noqa: F403
