"""Optimisers, learning-rate schedules, gradient clipping, averaged weights."""

from .algorithms import SGD, Adagrad, Adam, AdamW, RMSprop
from .clip import clip_grad_norm_, clip_grad_value_
from .cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .ema import EMA
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedule import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from .variants import Adadelta, Adamax, NAdam, RAdam, Rprop

__all__ = [
    "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ChainedScheduler", "ConstantLR",
    "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "EMA", "ExponentialLR",
    "LambdaLR", "LinearLR", "MultiStepLR", "NAdam", "OneCycleLR", "Optimizer", "PolynomialLR",
    "RAdam", "RMSprop", "ReduceLROnPlateau", "Rprop", "SGD", "Schedule", "SequentialLR", "StepLR",
    "clip_grad_norm_", "clip_grad_value_",
]  # fmt: skip
