"""The generative models: one system a file, its equations in the docstring, its losses in sight."""

from .acgan import ACGAN
from .adversarial import Adversarial
from .ae import AE
from .cgan import CGAN
from .cgan_heads import CGANHeads
from .cvae import CVAE
from .dcgan import DCGAN
from .ebgan import EBGAN
from .estimator import ConvergenceWarning, NotFittedError
from .gan import GAN
from .gmm import GaussianMixture
from .hinge import HingeGAN
from .infogan import InfoGAN
from .lsgan import LSGAN
from .mse_adversarial import MSEAdversarial
from .system import SYSTEMS, System, build, evaluating
from .text2image import TextToImage
from .vae import VAE
from .wgan import WGAN
from .wgan_gp import WGANGP

__all__ = [
    "ACGAN", "AE", "CGAN", "CGANHeads", "CVAE", "DCGAN", "EBGAN", "GAN", "HingeGAN", "InfoGAN",
    "LSGAN", "MSEAdversarial", "SYSTEMS", "TextToImage", "VAE", "WGAN", "WGANGP", "Adversarial",
    "ConvergenceWarning", "GaussianMixture", "NotFittedError", "System", "build", "evaluating",
]  # fmt: skip
