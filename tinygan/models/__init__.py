"""The generative models: one system a file, its equations in the docstring, its losses in sight."""

from .adversarial import Adversarial
from .dcgan import DCGAN
from .gan import GAN
from .gmm import ConvergenceWarning, GaussianMixture
from .system import SYSTEMS, System, build, evaluating

__all__ = [
    "DCGAN", "GAN", "SYSTEMS", "Adversarial", "ConvergenceWarning", "GaussianMixture", "System",
    "build", "evaluating",
]  # fmt: skip
