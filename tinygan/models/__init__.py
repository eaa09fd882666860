"""The generative models: one system a file, its equations in the docstring, its losses in sight."""

from .adversarial import Adversarial
from .ae import AE
from .cvae import CVAE
from .dcgan import DCGAN
from .gan import GAN
from .gmm import ConvergenceWarning, GaussianMixture
from .system import SYSTEMS, System, build, evaluating
from .vae import VAE

__all__ = [
    "AE", "CVAE", "DCGAN", "GAN", "SYSTEMS", "VAE", "Adversarial", "ConvergenceWarning",
    "GaussianMixture", "System", "build", "evaluating",
]  # fmt: skip
