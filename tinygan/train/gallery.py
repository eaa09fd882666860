"""What tells more of a generator than its samples alone: real pictures beside them, the training
pictures that are nearest to some, and the ways from one z to another.
"""

from .. import metrics
from ..data import Dataset
from ..models import System
from . import codes, pictures
from .sampling import ways

_SEARCHED = 2**25  # numbers of training pictures that neighbours are looked for in
_LOOKED_AT = 3000  # items among which real ones of all classes are found


def gallery(system: System, dataset: Dataset, columns: int = 10) -> dict:
    """name → (caption, picture). Nothing for points, which are drawn over the data anyway."""
    if len(dataset.shape) != 3:
        return {}
    batch = dataset.take(_LOOKED_AT)
    real = batch["x"][codes.of_all_classes(batch, 64)]
    shown = {"real": ("real pictures, for comparison", pictures.grid(real))}
    made = system.sample(system.noise(columns, "gallery").numpy())
    known = dataset.take(max(1, _SEARCHED // made[0].size))["x"]
    nearest, _ = metrics.nearest_neighbours(made, known)
    rows = {
        "samples": (made, columns),
        f"the nearest of {len(known):,} training pictures": (known[nearest], columns),
    }
    caption = "samples, and the training picture nearest to each: equal ones were learned by heart"
    shown["neighbours"] = (caption, codes.panels(rows))
    if getattr(system, "classes", None) is None:  # else a class is drawn, too
        z = ways(system.noise(5 * columns, "gallery").numpy(), columns)
        caption = "from one z to another: what lies between two samples should be samples, too"
        shown["ways"] = (caption, pictures.grid(system.sample(z), columns))
    return shown
