"""WGAN with a penalty on gradients, and the clipped one, in the style of collections of GANs."""

import numpy as np

import tinygan as torch
import tinygan.autograd as autograd
import tinygan.nn as nn
from tinygan.autograd import Variable

cuda = True if torch.cuda.is_available() else False  # noqa: SIM210
Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor
img_shape, latent_dim = (1, 4, 4), 5


class Generator(nn.Module):
    def __init__(self):
        super().__init__()

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(
            *block(latent_dim, 8, normalize=False),
            *block(8, 16),
            nn.Linear(16, int(np.prod(img_shape))),
            nn.Tanh(),
        )

    def forward(self, z):
        img = self.model(z)
        return img.view(img.shape[0], *img_shape)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(int(np.prod(img_shape)), 16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(16, 1),
        )

    def forward(self, img):
        return self.model(img.view(img.shape[0], -1))


def compute_gradient_penalty(D, real_samples, fake_samples):
    alpha = Tensor(np.random.random((real_samples.size(0), 1, 1, 1)))
    alpha = alpha.expand_as(real_samples)
    interpolates = (alpha * real_samples + ((1 - alpha) * fake_samples)).requires_grad_(True)
    d_interpolates = D(interpolates)
    fake = Variable(Tensor(real_samples.shape[0], 1).fill_(1.0), requires_grad=False)
    gradients = autograd.grad(
        outputs=d_interpolates,
        inputs=interpolates,
        grad_outputs=fake,
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def main(begin, folder):
    generator, discriminator = Generator(), Discriminator()
    if cuda:
        generator.cuda(), discriminator.cuda()
    begin(generator), begin(discriminator)
    optimizer_G = torch.optim.Adam(generator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    history = []
    for i in range(8):
        imgs = torch.from_numpy(np.random.uniform(-1, 1, (6, *img_shape)))
        real_imgs = Variable(imgs.type(Tensor))
        optimizer_D.zero_grad()
        z = Variable(Tensor(np.random.normal(0, 1, (imgs.shape[0], latent_dim))))
        fake_imgs = generator(z)
        penalty = compute_gradient_penalty(discriminator, real_imgs.data, fake_imgs.data)
        d_loss = (
            -torch.mean(discriminator(real_imgs))
            + torch.mean(discriminator(fake_imgs.detach()))
            + 10 * penalty
        )
        d_loss.backward()
        optimizer_D.step()
        history.append(d_loss.item())
        if i % 2 == 0:
            optimizer_G.zero_grad()
            g_loss = -torch.mean(discriminator(generator(z)))
            g_loss.backward()
            optimizer_G.step()
            history.append(g_loss.item())
    one, mone = torch.ones(1), torch.ones(1) * -1
    optimizer_D = torch.optim.RMSprop(discriminator.parameters(), lr=5e-5)
    for _ in range(3):
        for p in discriminator.parameters():
            p.requires_grad = True
            p.data.clamp_(-0.01, 0.01)
        discriminator.zero_grad()
        errD_real = discriminator(real_imgs).mean(0).view(1)
        errD_real.backward(one)
        noisev = torch.FloatTensor(6, latent_dim).copy_(
            torch.from_numpy(np.random.normal(size=(6, latent_dim)))
        )
        with torch.set_grad_enabled(False):
            fake = generator(noisev)
        errD_fake = discriminator(fake).mean(0).view(1)
        errD_fake.backward(mone)
        optimizer_D.step()
        history.append((errD_real - errD_fake).item())
    return history
