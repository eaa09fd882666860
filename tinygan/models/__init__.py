"""The generative models: one system a file, its equations in the docstring, its losses in sight."""

from .adversarial import Adversarial
from .ae import AE
from .cvae import CVAE
from .dcgan import DCGAN
from .gan import GAN
from .gmm import ConvergenceWarning, GaussianMixture
from .hinge import HingeGAN
from .lsgan import LSGAN
from .system import SYSTEMS, System, build, evaluating
from .vae import VAE
from .wgan import WGAN
from .wgan_gp import WGANGP

__all__ = [
    "AE", "CVAE", "DCGAN", "GAN", "HingeGAN", "LSGAN", "SYSTEMS", "VAE", "WGAN", "WGANGP",
    "Adversarial", "ConvergenceWarning", "GaussianMixture", "System", "build", "evaluating",
]  # fmt: skip
