"""The differentiable functions. Importing this package also attaches them to Tensor."""

from types import ModuleType as _Module

from . import methods  # noqa: F401
from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .cast import *  # noqa: F403
from .conv import *  # noqa: F403
from .create import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .index import *  # noqa: F403
from .linalg import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin_loss import *  # noqa: F403
from .norm import *  # noqa: F403
from .patches import *  # noqa: F403
from .pool import *  # noqa: F403
from .reduce import *  # noqa: F403
from .resize import *  # noqa: F403
from .sample import *  # noqa: F403
from .shape import *  # noqa: F403
from .sorting import *  # noqa: F403

__all__ = [
    name
    for name, value in list(globals().items())
    if not name.startswith("_") and not isinstance(value, _Module)
]
