"""Kin of Adam and Adagrad, and Rprop: settings, state, and the equation of each.

θ is a parameter, g its gradient, λ the weight decay, t the number of the step. These are seldom the
bottleneck of anything, so their equations make arrays on the way, where `algorithms` does not.
"""

from ..backend.device import array_module
from .algorithms import with_decay
from .optimizer import Optimizer, at_least, two_betas


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012): the root of the mean squared step so far takes the rate's place.

        v ← ρv + (1 − ρ)g²
        d = g·√(u + ε)/√(v + ε)
        u ← ρu + (1 − ρ)d²
        θ ← θ − lr·d

    Weight decay is added to the gradient (g + λθ).
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, *, maximize=False):
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "maximize": maximize})

    def check(self, group):
        at_least("Adadelta", group, lr=0, eps=0, weight_decay=0)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: expected rho in [0, 1], got {group['rho']!r}")

    def initial_state(self, p, group):
        return {"step": 0, "square_avg": p.zeros_like(), "acc_delta": p.zeros_like()}

    def equation(self, theta, g, v, u, room, add_scaled, t, group):
        xp, rho, eps = array_module(theta), group["rho"], group["eps"]
        g = with_decay(theta, g, group)
        add_scaled(v, rho, g * g, 1 - rho, room)  # v ← ρv + (1 − ρ)g²
        d = g * xp.sqrt(u + eps) / xp.sqrt(v + eps)
        add_scaled(u, rho, d * d, 1 - rho, room)  # u ← ρu + (1 − ρ)d²
        theta -= group["lr"] * d


class _WithBetas(Optimizer):
    """Two running means with the decay rates β₁ and β₂."""

    def check(self, group):
        at_least(type(self).__name__, group, lr=0, eps=0, weight_decay=0)
        two_betas(type(self).__name__, group)

    def initial_state(self, p, group):
        return {"step": 0, "exp_avg": p.zeros_like(), "exp_avg_sq": p.zeros_like()}


class Adamax(_WithBetas):
    """Adamax (Kingma & Ba 2015, 7.1): the largest gradient takes the mean square's place.

    m ← β₁m + (1 − β₁)g
    u ← max(β₂u, |g| + ε)
    θ ← θ − lr·m/((1 − β₁ᵗ)·u)
    """

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False
    ):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "maximize": maximize})

    def initial_state(self, p, group):
        return {"step": 0, "exp_avg": p.zeros_like(), "exp_inf": p.zeros_like()}

    def equation(self, theta, g, m, u, room, add_scaled, t, group):
        beta1, beta2 = group["betas"]
        g = with_decay(theta, g, group)
        add_scaled(m, beta1, g, 1 - beta1, room)  # m ← β₁m + (1 − β₁)g
        array_module(theta).maximum(beta2 * u, abs(g) + group["eps"], out=u)
        theta -= group["lr"] / (1 - beta1**t) * m / u


class NAdam(_WithBetas):
    """NAdam (Dozat 2016): Adam with Nesterov's momentum, which looks one step ahead.

    μₜ = β₁·(1 − ½·0.96^(t·ψ)),    Πₜ = μ₁·…·μₜ          ψ is `momentum_decay`
    m, v as in Adam,               v̂ = v/(1 − β₂ᵗ)
    θ ← θ − lr·((1 − μₜ)/(1 − Πₜ)·g + μₜ₊₁/(1 − Πₜ₊₁)·m)/(√v̂ + ε)
    """

    def __init__(
        self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
        momentum_decay=4e-3, decoupled_weight_decay=False, *, maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        settings |= {"momentum_decay": momentum_decay, "maximize": maximize}
        super().__init__(params, {**settings, "decoupled_weight_decay": decoupled_weight_decay})

    def check(self, group):
        super().check(group)
        at_least("NAdam", group, momentum_decay=0)

    def initial_state(self, p, group):
        return {**super().initial_state(p, group), "mu_product": 1.0}

    def prepare(self, theta, state, group):
        group = super().prepare(theta, state, group)
        state["mu_product"] *= self.mu(state["step"], group)  # Πₜ, of all numbers of the parameter
        return {**group, "mu_product": state["mu_product"]}

    def mu(self, t, group):
        return group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))

    def equation(self, theta, g, m, v, room, add_scaled, t, group):
        (beta1, beta2), product = group["betas"], group["mu_product"]
        mu, mu_next = self.mu(t, group), self.mu(t + 1, group)
        g = with_decay(theta, g, group)
        add_scaled(m, beta1, g, 1 - beta1, room)  # m ← β₁m + (1 − β₁)g
        add_scaled(v, beta2, g * g, 1 - beta2, room)  # v ← β₂v + (1 − β₂)g²
        ahead = (1 - mu) / (1 - product) * g + mu_next / (1 - product * mu_next) * m
        v_hat = v / (1 - beta2**t)
        theta -= group["lr"] * ahead / (array_module(theta).sqrt(v_hat) + group["eps"])


class RAdam(_WithBetas):
    """RAdam (Liu et al. 2020): Adam that does not divide by √v before v can be trusted.

    m, v as in Adam,   m̂ = m/(1 − β₁ᵗ),   v̂ = v/(1 − β₂ᵗ)
    ρ∞ = 2/(1 − β₂) − 1,   ρₜ = ρ∞ − 2t·β₂ᵗ/(1 − β₂ᵗ)         how many gradients v averages
    r = √((ρₜ − 4)(ρₜ − 2)ρ∞/((ρ∞ − 4)(ρ∞ − 2)ρₜ))
    θ ← θ − lr·r·m̂/(√v̂ + ε)   where ρₜ > 5,   else θ − lr·m̂
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
        decoupled_weight_decay=False, *, maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        settings |= {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        super().__init__(params, settings)

    def equation(self, theta, g, m, v, room, add_scaled, t, group):
        beta1, beta2 = group["betas"]
        g = with_decay(theta, g, group)
        add_scaled(m, beta1, g, 1 - beta1, room)  # m ← β₁m + (1 − β₁)g
        add_scaled(v, beta2, g * g, 1 - beta2, room)  # v ← β₂v + (1 − β₂)g²
        step, unseen = m / (1 - beta1**t), beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * unseen / (1 - unseen)
        if rho > 5:
            r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            step *= r * (1 - unseen) ** 0.5 / (array_module(theta).sqrt(v) + group["eps"])
        theta -= group["lr"] * step


class Rprop(Optimizer):
    """Rprop (Riedmiller & Braun 1993): steps of their own length for each number, for full batches.

        s ← s·η₊ where g has the sign it had in the step before, s·η₋ where it changed
        g ← 0 where it changed
        θ ← θ − s·sign(g)

    s starts at `lr` and stays within `step_sizes`; `etas` are η₋ < 1 < η₊.
    """

    def __init__(
        self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0), *, maximize=False
    ):
        settings = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group):
        at_least("Rprop", group, lr=0)
        smaller, larger = group["etas"]
        if not 0 < smaller < 1 < larger:
            raise ValueError(f"Rprop: expected etas with 0 < η₋ < 1 < η₊, got {group['etas']!r}")

    def initial_state(self, p, group):
        return {"step": 0, "prev": p.zeros_like(), "step_size": p.full_like(group["lr"])}

    def equation(self, theta, g, before, s, room, add_scaled, t, group):
        xp, (shrink, grow) = array_module(theta), group["etas"]
        agreement = xp.sign(g * before)
        s *= xp.where(agreement > 0, grow, xp.where(agreement < 0, shrink, 1.0))
        xp.clip(s, *group["step_sizes"], out=s)
        before[...] = xp.where(agreement < 0, 0.0, g)
        theta -= s * xp.sign(before)
