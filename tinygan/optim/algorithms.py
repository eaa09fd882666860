"""The optimisers of most papers: settings, state, and the equation of each.

θ is a parameter, g its gradient, λ the weight decay, t the number of the step. With `maximize`, −g
takes the place of g: the optimiser climbs.

An equation works in place, so that a step allocates nothing and float32 stays float32 whatever the
type of the numbers; only weight decay that is added to the gradient makes a new array. `room` is an
array for what lies between, and add_scaled(y, b, x, a, room) is y ← b·y + a·x.
"""

from ..autograd import Tensor
from ..backend.device import array_module
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

    def prepare(self, theta, state, group):
        if group["momentum"] and not state:  # it was switched on after the first step
            state.update(step=0, momentum_buffer=Tensor(array_module(theta).zeros_like(theta)))
        return super().prepare(theta, state, group)

    def equation(self, theta, g, *rest, t, group):
        *b, room, add_scaled = rest
        lr, mu, tau = group["lr"], group["momentum"], group["dampening"]
        d = with_decay(theta, g, group)
        if mu and t == 1:
            b[0][...] = d
        elif mu:
            add_scaled(b[0], mu, d, 1 - tau, room)  # b ← μb + (1 − τ)d
        if mu and group["nesterov"]:
            array_module(theta).multiply(b[0], mu, out=room)
            room += d
            d = room
        elif mu:
            d = b[0]
        add_scaled(theta, 1.0, d, -lr, room)


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

    def equation(self, theta, g, m, v, *rest, t, group):
        *largest, room, add_scaled = rest
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        xp = array_module(theta)
        if self.decoupled:
            theta *= 1 - lr * decay
        else:
            g = with_decay(theta, g, group)
        add_scaled(m, beta1, g, 1 - beta1, room)  # m ← β₁m + (1 − β₁)g
        add_scaled(v, beta2, xp.multiply(g, g, out=room), 1 - beta2, room)  # v ← β₂v + (1 − β₂)g²
        if largest:
            v = xp.maximum(largest[0], v, out=largest[0])
        root = (1 - beta2**t) ** 0.5  # √v̂ = √v/root, and so √v̂ + ε = (√v + ε·root)/root
        xp.sqrt(v, out=room)
        room += group["eps"] * root
        xp.divide(m, room, out=room)
        add_scaled(theta, 1.0, room, -lr * root / (1 - beta1**t), room)  # θ ← θ − lr·m̂/(√v̂ + ε)


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
        names = ["square_avg"] + ["momentum_buffer"] * bool(group["momentum"])
        names += ["grad_avg"] * bool(group["centered"])
        return {"step": 0} | {name: p.zeros_like() for name in names}

    def equation(self, theta, g, v, *rest, t, group):
        *kept, room, add_scaled = rest
        alpha, mu, xp = group["alpha"], group["momentum"], array_module(theta)
        g = with_decay(theta, g, group)
        add_scaled(v, alpha, xp.multiply(g, g, out=room), 1 - alpha, room)  # v ← αv + (1 − α)g²
        if group["centered"]:
            a = kept[-1]
            add_scaled(a, alpha, g, 1 - alpha, room)  # a ← αa + (1 − α)g
            xp.subtract(v, xp.multiply(a, a, out=room), out=room)
            xp.sqrt(xp.maximum(room, 0, out=room), out=room)  # rounding can bring it below 0
        else:
            xp.sqrt(v, out=room)
        room += group["eps"]
        d = xp.divide(g, room, out=room)
        if mu:
            b = kept[0]
            add_scaled(b, mu, d, 1.0, room)  # b ← μb + d
            d = b
        add_scaled(theta, 1.0, d, -group["lr"], room)


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

    def equation(self, theta, g, s, room, add_scaled, t, group):
        lr, xp = group["lr"] / (1 + (t - 1) * group["lr_decay"]), array_module(theta)
        g = with_decay(theta, g, group)
        s += xp.multiply(g, g, out=room)
        xp.sqrt(s, out=room)
        room += group["eps"]
        add_scaled(theta, 1.0, xp.divide(g, room, out=room), -lr, room)


def with_decay(theta, g, group):
    """g + λθ; or g, after θ ← (1 − lr·λ)θ where the decay is decoupled."""
    decay = group["weight_decay"]
    if decay and group.get("decoupled_weight_decay"):
        theta *= 1 - group["lr"] * decay
        return g
    return g + decay * theta if decay else g
