"""The optimisers of most papers: settings, state, and the equation of each.

θ is a parameter, g its gradient, λ the weight decay. With `maximize`, −g takes the place of g: the
optimiser climbs.
"""

from ..autograd import Tensor
from ..backend.device import array_module, kernels
from .optimizer import Optimizer, at_least, two_betas


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

        d = g + λθ
        b ← μb + (1 − τ)d            (b = d in the first step)
        θ ← θ − lr·b                 or  θ − lr·(d + μb)  with `nesterov`

    μ is `momentum`, τ `dampening`.

    >>> from tinygan import tensor
    >>> theta = tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([theta], lr=0.25)
    >>> (theta * theta).sum().backward()
    >>> optimizer.step()
    >>> theta
    tensor([0.5, 1. ], requires_grad=True)
    """

    def __init__(
        self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, *,
        maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening}
        settings |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group):
        at_least("SGD", group, lr=0, momentum=0, weight_decay=0)
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening 0")

    def initial_state(self, p, group):
        return {"step": 0, "momentum_buffer": p.zeros_like()} if group["momentum"] else {}

    def update(self, param, grad, state, group, scratch):
        momentum, buffer, first = group["momentum"], None, False
        if momentum:
            if not state:  # momentum was switched on after the first step
                state.update(step=0, momentum_buffer=Tensor(array_module(param).zeros_like(param)))
            buffer, first = state["momentum_buffer"].array, state["step"] == 0
            state["step"] += 1
        kernels(param).sgd_step(
            param, grad, buffer, group["lr"], momentum, group["dampening"], group["weight_decay"],
            group["nesterov"], first, scratch,
        )  # fmt: skip


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps of about the same length in every direction.

        m ← β₁m + (1 − β₁)g              mean of the gradient,        m̂ = m/(1 − β₁ᵗ)
        v ← β₂v + (1 − β₂)g²             mean of its square,          v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    Weight decay is added to the gradient (g + λθ). `amsgrad` takes the largest v so far. GANs
    usually run with `lr=2e-4, betas=(0.5, 0.999)`.
    """

    decoupled = False

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, *,
        maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group):
        at_least(type(self).__name__, group, lr=0, eps=0, weight_decay=0)
        two_betas(type(self).__name__, group)

    def initial_state(self, p, group):
        state = {"step": 0, "exp_avg": p.zeros_like(), "exp_avg_sq": p.zeros_like()}
        return {**state, "max_exp_avg_sq": p.zeros_like()} if group["amsgrad"] else state

    def update(self, param, grad, state, group, scratch):
        state["step"] = step = state["step"] + 1
        beta1, beta2 = group["betas"]
        largest = state["max_exp_avg_sq"].array if group["amsgrad"] else None
        kernels(param).adam_step(
            param, grad, state["exp_avg"].array, state["exp_avg_sq"].array, largest, step,
            group["lr"], beta1, beta2, group["eps"], group["weight_decay"], self.decoupled, scratch,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): θ ← (1 − lr·λ)θ first."""

    decoupled = True

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
        maximize=False,
    ):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    """RMSprop (Hinton 2012): the gradient over a running root of its mean square.

        v ← αv + (1 − α)g²
        d = g/(√v + ε)               or, `centered`, over √(v − a²) + ε with a ← αa + (1 − α)g
        θ ← θ − lr·d                 or, with `momentum` μ,  b ← μb + d,  θ ← θ − lr·b

    The choice of the original WGAN, with lr=5e-5.
    """

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
        centered=False, *, maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        settings |= {"momentum": momentum, "centered": centered, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group):
        at_least("RMSprop", group, lr=0, alpha=0, eps=0, weight_decay=0, momentum=0)

    def initial_state(self, p, group):
        state = {"step": 0, "square_avg": p.zeros_like()}
        if group["momentum"]:
            state["momentum_buffer"] = p.zeros_like()
        if group["centered"]:
            state["grad_avg"] = p.zeros_like()
        return state

    def update(self, param, grad, state, group, scratch):
        state["step"] += 1
        mean = state["grad_avg"].array if group["centered"] else None
        buffer = state["momentum_buffer"].array if group["momentum"] else None
        kernels(param).rmsprop_step(
            param, grad, state["square_avg"].array, mean, buffer, group["lr"], group["alpha"],
            group["eps"], group["momentum"], group["weight_decay"], scratch,
        )  # fmt: skip


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011): the gradient over the root of the sum of all its squares.

    s ← s + g²
    θ ← θ − lrₜ·g/(√s + ε),      lrₜ = lr/(1 + (t − 1)·lr_decay)
    """

    def __init__(
        self, params, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0,
        eps=1e-10, *, maximize=False,
    ):  # fmt: skip
        settings = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        settings |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group):
        at_least(
            "Adagrad", group, lr=0, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=0
        )

    def initial_state(self, p, group):
        return {"step": 0, "sum": p.full_like(group["initial_accumulator_value"])}

    def update(self, param, grad, state, group, scratch):
        state["step"] = step = state["step"] + 1
        lr = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        kernels(param).adagrad_step(
            param, grad, state["sum"].array, lr, group["eps"], group["weight_decay"], scratch
        )
