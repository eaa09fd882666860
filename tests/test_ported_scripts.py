"""Scripts written for PyTorch, with the import swapped: they run, and give PyTorch's numbers.

The scripts in `tests/ported` are in the style of public collections of GANs and VAEs, and use only
names of PyTorch's. Each begins with the weights that `begin` gives it, and draws its noise by
NumPy, so that both libraries compute the same.
"""

import random
import re
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "ported"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def run(name, library, folder):
    """The numbers that a script's main returns, with "tinygan" as the library, or PyTorch."""
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    if library == "torch":  # whose workers are processes
        source = re.sub(r"num_workers=\d", "num_workers=0", source)
    namespace = {"__name__": name}
    exec(compile(re.sub(r"\btinygan\b", library, source), name, "exec"), namespace)
    np.random.seed(7)  # noqa: NPY002 (the scripts draw from NumPy's old generator)
    random.seed(7)
    numbers = np.random.default_rng(3)

    def begin(net):
        """The same weights in both libraries, of the size that is usual."""
        for p in net.parameters():
            fan = max(int(np.prod(tuple(p.shape)[1:])), 1)
            values = numbers.normal(0, fan**-0.5, tuple(p.shape))
            p.data.copy_(namespace["torch"].from_numpy(values.astype(np.float32)))
        for key, value in net.state_dict().items():
            if key.endswith(("weight_u", "weight_v")) and value.ndim == 1:
                unit = numbers.normal(size=tuple(value.shape))
                unit = (unit / np.linalg.norm(unit)).astype(np.float32)
                value.copy_(namespace["torch"].from_numpy(unit))

    return namespace["main"](begin, str(folder))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_and_its_losses_move(name, tmp_path):
    history = run(name, "tinygan", tmp_path)
    assert np.isfinite(history).all() and len(set(history)) > 3


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
@pytest.mark.parametrize("name", SCRIPTS)
def test_its_losses_are_those_of_pytorch(name, tmp_path):
    pytest.importorskip("torch")
    ours, theirs = run(name, "tinygan", tmp_path), run(name, "torch", tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
