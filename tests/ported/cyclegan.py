"""Two generators that translate there and back, with buffers of fakes and a decaying rate."""

import itertools
import random

import numpy as np

import tinygan as torch
import tinygan.nn as nn
from tinygan.autograd import Variable

Tensor = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor


class LambdaLR:
    def __init__(self, n_epochs, offset, decay_start_epoch):
        self.n_epochs, self.offset, self.decay_start_epoch = n_epochs, offset, decay_start_epoch

    def step(self, epoch):
        passed = max(0, epoch + self.offset - self.decay_start_epoch)
        return 1.0 - passed / (self.n_epochs - self.decay_start_epoch)


class ReplayBuffer:
    def __init__(self, max_size=6):
        self.max_size = max_size
        self.data = []

    def push_and_pop(self, data):
        to_return = []
        for element in data.data:
            element = torch.unsqueeze(element, 0)
            if len(self.data) < self.max_size:
                self.data.append(element)
                to_return.append(element)
            elif random.uniform(0, 1) > 0.5:
                i = random.randint(0, self.max_size - 1)
                to_return.append(self.data[i].clone())
                self.data[i] = element
            else:
                to_return.append(element)
        return Variable(torch.cat(to_return))


class ResidualBlock(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(in_features, in_features, 3),
            nn.InstanceNorm2d(in_features),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(in_features, in_features, 3),
            nn.InstanceNorm2d(in_features),
        )

    def forward(self, x):
        return x + self.block(x)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        model = [nn.ReflectionPad2d(3), nn.Conv2d(3, 4, 7), nn.InstanceNorm2d(4), nn.ReLU(True)]
        model += [nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8), nn.ReLU(True)]
        model += [ResidualBlock(8)]
        model += [nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 3, stride=1, padding=1)]
        model += [nn.InstanceNorm2d(4), nn.ReLU(True), nn.ReflectionPad2d(3), nn.Conv2d(4, 3, 7)]
        self.model = nn.Sequential(*model, nn.Tanh())

    def forward(self, x):
        return self.model(x)


def discriminator():
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.ZeroPad2d((1, 0, 1, 0)),
        nn.Conv2d(4, 1, 4, padding=1),
    )


def main(begin, folder):
    G_AB, G_BA, D_A, D_B = Generator(), Generator(), discriminator(), discriminator()
    for net in (G_AB, G_BA, D_A, D_B):
        begin(net)
    criterion_GAN, criterion_cycle = torch.nn.MSELoss(), torch.nn.L1Loss()
    optimizer_G = torch.optim.Adam(
        itertools.chain(G_AB.parameters(), G_BA.parameters()), lr=2e-3, betas=(0.5, 0.999)
    )
    optimizer_D_A = torch.optim.Adam(D_A.parameters(), lr=2e-3, betas=(0.5, 0.999))
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lr_lambda=LambdaLR(4, 0, 1).step)
        for o in (optimizer_G, optimizer_D_A)
    ]
    buffer, history = ReplayBuffer(), []
    for _ in range(4):
        real_A = Variable(torch.from_numpy(np.random.rand(2, 3, 8, 8)).type(Tensor))
        real_B = Variable(torch.from_numpy(np.random.rand(2, 3, 8, 8)).type(Tensor))
        valid = Variable(Tensor(np.ones((2, 1, 4, 4))), requires_grad=False)
        fake = Variable(Tensor(np.zeros((2, 1, 4, 4))), requires_grad=False)
        optimizer_G.zero_grad()
        loss_identity = criterion_cycle(G_BA(real_A), real_A)
        fake_B, fake_A = G_AB(real_A), G_BA(real_B)
        loss_GAN = (criterion_GAN(D_B(fake_B), valid) + criterion_GAN(D_A(fake_A), valid)) / 2
        loss_cycle = criterion_cycle(G_BA(fake_B), real_A) + criterion_cycle(G_AB(fake_A), real_B)
        loss_G = loss_GAN + 10.0 * loss_cycle + 5.0 * loss_identity
        loss_G.backward()
        optimizer_G.step()
        optimizer_D_A.zero_grad()
        fake_A_ = buffer.push_and_pop(fake_A)
        loss_D = criterion_GAN(D_A(real_A), valid) + criterion_GAN(D_A(fake_A_.detach()), fake)
        loss_D.backward()
        optimizer_D_A.step()
        for schedule in schedules:
            schedule.step()
        history += [loss_G.item(), loss_D.item(), optimizer_G.param_groups[0]["lr"]]
    return history
