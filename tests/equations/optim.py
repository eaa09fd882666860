"""The optimisers: from the first θ and the gradient of each step to the θ after each step."""

import numpy as np


def sgd(
    theta, gradients, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False,
    maximize=False,
):  # fmt: skip
    b = None
    for g in gradients:
        g = (-g if maximize else g) + weight_decay * theta
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        theta = theta - lr * g
        yield theta


def adam(
    theta, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False
):  # fmt: skip
    """Algorithm 1 of Kingma and Ba; AMSGrad is Reddi et al. 2018, as PyTorch has it: the largest v
    before the correction.
    """
    m = v = largest = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        g = g + weight_decay * theta
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        m_hat = m / (1 - betas[0] ** t)
        v_hat = (largest if amsgrad else v) / (1 - betas[1] ** t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        yield theta


def adamw(
    theta, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False
):  # fmt: skip
    """Algorithm 2 of Loshchilov and Hutter: θ decays by itself, unseen by m and v."""
    m = v = largest = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        theta = theta - lr * weight_decay * theta
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        largest = np.maximum(largest, v)
        m_hat = m / (1 - betas[0] ** t)
        v_hat = (largest if amsgrad else v) / (1 - betas[1] ** t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        yield theta


def rmsprop(
    theta, gradients, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    v = a = b = np.zeros_like(theta)
    for g in gradients:
        g = g + weight_decay * theta
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g
        variance = v - a**2 if centered else v
        d = g / (np.sqrt(variance) + eps)
        b = momentum * b + d
        theta = theta - lr * b
        yield theta


def adagrad(
    theta, gradients, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0,
    eps=1e-10,
):  # fmt: skip
    s = np.full_like(theta, initial_accumulator_value)
    for t, g in enumerate(gradients, 1):
        g = g + weight_decay * theta
        s = s + g**2
        theta = theta - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s) + eps)
        yield theta


def clipped_by_norm(gradients, limit, order=2.0):
    """All gradients, scaled together to a common norm of at most `limit`; and the norm they had."""
    every = np.abs(np.concatenate([g.ravel() for g in gradients]))
    total = every.max() if order == np.inf else (every**order).sum() ** (1 / order)
    scale = min(1.0, limit / (total + 1e-6))
    return [g * scale for g in gradients], total
