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


def adadelta(theta, gradients, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    v = u = np.zeros_like(theta)
    for g in gradients:
        g = g + weight_decay * theta
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        theta = theta - lr * d
        yield theta


def adamax(theta, gradients, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Algorithm 2 of Kingma and Ba, with PyTorch's ε."""
    m = u = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        g = g + weight_decay * theta
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + eps)
        theta = theta - lr / (1 - betas[0] ** t) * m / u
        yield theta


def decayed(theta, g, lr, weight_decay, decoupled):
    """θ and g after weight decay: of θ itself, or added to g."""
    if decoupled:
        return theta - lr * weight_decay * theta, g
    return theta, g + weight_decay * theta


def nadam(
    theta, gradients, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    momentum_decay=4e-3, decoupled_weight_decay=False,
):  # fmt: skip
    """Dozat 2016, with the warm-up of μ that he suggests."""
    m = v = np.zeros_like(theta)
    mu = lambda t: betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    for t, g in enumerate(gradients, 1):
        theta, g = decayed(theta, g, lr, weight_decay, decoupled_weight_decay)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        product = np.prod([mu(i) for i in range(1, t + 1)])
        m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        theta = theta - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        yield theta


def radam(
    theta, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    decoupled_weight_decay=False,
):  # fmt: skip
    """Algorithm 2 of Liu et al. 2020; ε beside √v before its correction, as PyTorch has it."""
    m = v = np.zeros_like(theta)
    rho_inf = 2 / (1 - betas[1]) - 1
    for t, g in enumerate(gradients, 1):
        theta, g = decayed(theta, g, lr, weight_decay, decoupled_weight_decay)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = m / (1 - betas[0] ** t)
        rho = rho_inf - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        step = m_hat
        if rho > 5:
            above = (rho - 4) * (rho - 2) * rho_inf
            r = np.sqrt(above / ((rho_inf - 4) * (rho_inf - 2) * rho))
            step = m_hat * r * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        theta = theta - lr * step
        yield theta


def rprop(theta, gradients, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    """Each number has a step of its own, which grows while its gradient keeps its sign."""
    step, before = np.full_like(theta, lr), np.zeros_like(theta)
    for g in gradients:
        same, changed = g * before > 0, g * before < 0
        step = np.where(same, step * etas[1], np.where(changed, step * etas[0], step))
        step = np.clip(step, *step_sizes)
        g = np.where(changed, 0, g)
        theta, before = theta - step * np.sign(g), g
        yield theta
