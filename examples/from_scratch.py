"""A DCGAN on one page, with nothing hidden: two networks, two losses, one loop, one picture.

    python examples/from_scratch.py              draws from_scratch.png, in about two minutes

`train_dcgan.py` beside it trains the same networks with everything around them that a long run
wants: checkpoints, scores, a film, a report.
"""

import sys

from matplotlib.image import imsave
from tqdm import trange

import tinygan as tg
from tinygan import data, nn, optim
from tinygan.nn.functional import softplus

STEPS, BATCH, LATENT, WIDTH, RATE = 1500, 32, 64, 32, 1e-3

# G draws: noise z (N, 64, 1, 1) becomes 7×7, 14×14, 28×28 pixels in (−1, 1).
G = nn.Sequential(
    nn.ConvTranspose2d(LATENT, 2 * WIDTH, 7, bias=False), nn.BatchNorm2d(2 * WIDTH), nn.ReLU(),
    nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(),
    nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1, bias=False), nn.Tanh(),
)  # fmt: skip

# D judges: 28×28, 14×14, 7×7, and one number, large where it takes the picture for real.
D = nn.Sequential(
    nn.Conv2d(1, WIDTH, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
    nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * WIDTH), nn.LeakyReLU(0.2),
    nn.Conv2d(2 * WIDTH, 1, 7, bias=False), nn.Flatten(0),
)  # fmt: skip


def initialise(module):
    """Weights of convolutions ~ N(0, 0.02²), as the paper has them."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)


def train(steps):
    digits = data.Loader(data.open("digits", size=28), BATCH)
    adam_d = optim.Adam(D.parameters(), lr=RATE, betas=(0.5, 0.999))
    adam_g = optim.Adam(G.parameters(), lr=RATE, betas=(0.5, 0.999))
    for _ in (bar := trange(steps)):
        x = tg.tensor(digits.next()["x"])
        fake = G(tg.randn(BATCH, LATENT, 1, 1))

        # D: −log σ(D(x)) − log(1 − σ(D(G(z)))). What G did to make `fake` is none of its concern.
        loss_d = softplus(-D(x)).mean() + softplus(D(fake.detach())).mean()
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()

        # G: −log σ(D(G(z))). The gradient flows through D, but only as far as G's parameters.
        loss_g = softplus(-D(fake)).mean()
        adam_g.zero_grad()
        loss_g.backward(inputs=list(G.parameters()))
        adam_g.step()

        bar.set_postfix(D=f"{loss_d.item():.2f}", G=f"{loss_g.item():.2f}")


def draw(path, rows=8):
    """A sheet of samples. In evaluation BatchNorm uses its running statistics."""
    G.eval()
    with tg.no_grad():
        x = G(tg.randn(rows * rows, LATENT, 1, 1))
    sheet = x.reshape(rows, rows, 28, 28).transpose(1, 2).reshape(28 * rows, 28 * rows)
    imsave(path, sheet.numpy(), cmap="gray", vmin=-1, vmax=1)


if __name__ == "__main__":
    tg.manual_seed(0)
    for network in (G, D):
        network.apply(initialise)
    train(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
    draw("from_scratch.png")
    print("drew from_scratch.png")
