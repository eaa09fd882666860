"""Optimisers, learning-rate schedules, gradient clipping, averaged weights."""

from .algorithms import SGD, Adagrad, Adam, AdamW, RMSprop
from .clip import clip_grad_norm_, clip_grad_value_
from .ema import EMA
from .optimizer import Optimizer
from .schedule import CosineAnnealingLR, LambdaLR, LinearLR, Schedule, SequentialLR, StepLR

__all__ = [
    "Adagrad", "Adam", "AdamW", "CosineAnnealingLR", "EMA", "LambdaLR", "LinearLR", "Optimizer",
    "RMSprop", "SGD", "Schedule", "SequentialLR", "StepLR", "clip_grad_norm_", "clip_grad_value_",
]  # fmt: skip
