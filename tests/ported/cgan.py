"""A conditional GAN with labels, least squares, checkpoints and schedules."""

import os

import numpy as np
from tinygan.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau
from tinygan.utils.data import DataLoader, TensorDataset
from tinygan.utils.data.sampler import SubsetRandomSampler

import tinygan as torch
import tinygan.nn as nn
import tinygan.nn.functional as F
from tinygan.autograd import Variable

FloatTensor = torch.FloatTensor
LongTensor = torch.LongTensor
n_classes, latent_dim, size = 4, 3, 10


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.label_emb = nn.Embedding(n_classes, n_classes)
        self.model = nn.Sequential(
            nn.Linear(latent_dim + n_classes, 16), nn.PReLU(), nn.Linear(16, size), nn.Tanh()
        )

    def forward(self, noise, labels):
        return self.model(torch.cat((self.label_emb(labels), noise), -1))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.label_embedding = nn.Embedding(n_classes, n_classes)
        self.model = nn.Sequential(
            nn.Linear(n_classes + size, 16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout(0.0),
            nn.Linear(16, 1),
        )

    def forward(self, img, labels):
        d_in = torch.cat((img.view(img.size(0), -1), self.label_embedding(labels)), -1)
        return self.model(d_in)


def one_hot(labels):
    y = torch.zeros(labels.size(0), n_classes)
    return y.scatter_(1, labels.view(-1, 1), 1)


def main(begin, folder):
    x = torch.from_numpy(np.random.normal(size=(24, size))).float()
    y = torch.from_numpy(np.random.randint(0, n_classes, 24))
    assert one_hot(y).sum() == 24 and torch.equal(one_hot(y).max(1)[1], y)
    generator, discriminator = nn.DataParallel(Generator()), Discriminator()
    begin(generator), begin(discriminator)
    adversarial_loss = nn.MSELoss()
    optimizer_G = torch.optim.NAdam(generator.parameters(), lr=1e-2)
    optimizer_D = torch.optim.SGD(
        discriminator.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    schedulers = MultiStepLR(optimizer_D, [2, 3], gamma=0.5)
    plateau = ReduceLROnPlateau(optimizer_G, "min", patience=0, factor=0.5)
    loader = DataLoader(TensorDataset(x, y), batch_size=8)
    some = DataLoader(TensorDataset(x, y), 4, sampler=SubsetRandomSampler(range(12)))
    assert len(list(some)) == len(some) == 3
    history = []
    for epoch in range(4):
        for imgs, labels in loader:
            batch_size = imgs.shape[0]
            valid = Variable(FloatTensor(batch_size, 1).fill_(1.0), requires_grad=False)
            fake = Variable(FloatTensor(batch_size, 1).fill_(0.0), requires_grad=False)
            real_imgs = Variable(imgs.type(FloatTensor))
            labels = Variable(labels.type(LongTensor))
            optimizer_G.zero_grad()
            z = Variable(FloatTensor(np.random.normal(0, 1, (batch_size, latent_dim))))
            gen_labels = Variable(LongTensor(np.random.randint(0, n_classes, batch_size)))
            gen_imgs = generator(z, gen_labels)
            g_loss = adversarial_loss(discriminator(gen_imgs, gen_labels), valid)
            g_loss.backward()
            optimizer_G.step()
            optimizer_D.zero_grad()
            d_real_loss = adversarial_loss(discriminator(real_imgs, labels), valid)
            d_fake_loss = adversarial_loss(discriminator(gen_imgs.detach(), gen_labels), fake)
            d_loss = (d_real_loss + d_fake_loss) / 2
            d_loss.backward()
            nn.utils.clip_grad_norm_(discriminator.parameters(), 0.5)
            optimizer_D.step()
            history += [d_loss.item(), g_loss.item()]
        schedulers.step()
        plateau.step(g_loss.item())
        path = os.path.join(folder, "net.pth")
        torch.save(generator.state_dict(), path)
        generator.load_state_dict(torch.load(path, map_location=lambda storage, loc: storage))
        history += [optimizer_D.param_groups[0]["lr"], optimizer_G.param_groups[0]["lr"]]
        history.append(F.smooth_l1_loss(gen_imgs, real_imgs).item())
    return history
