"""What README shows is so: its Python runs when it is pasted, one piece after the other."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np

HOME = Path(__file__).parent.parent
README = (HOME / "README.md").read_text()


def test_all_python_in_the_readme_runs_in_order():
    pieces = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(pieces) >= 4
    names, said = {}, io.StringIO()
    with contextlib.redirect_stdout(said):
        for i, piece in enumerate(pieces):
            exec(compile(piece, f"README.md, piece {i + 1}", "exec"), names)
    assert names["loss"].item() < 0.4 and str(names["loss"]) in said.getvalue()
    assert names["penalty"].item() >= 0
    game = names["RaGAN"](shape=(2,), latent=2, width=8)
    losses = game.step({"x": np.ones((6, 2), np.float32)})
    assert {"discriminator", "generator"} == set(losses) and game.config["system"] == "ragan"


def test_every_command_in_the_readme_is_there():
    for path in re.findall(r"python (examples/\w+\.py)", README):
        assert (HOME / path).exists(), path
