"""Sequences: an LSTM, attention, convolutions of signals, a reversed gradient, a cycle of rates."""

import numpy as np
from tinygan.nn.utils import clip_grad_norm_, spectral_norm, weight_norm

import tinygan as torch
import tinygan.nn as nn
import tinygan.nn.functional as F
from tinygan.autograd import Function


class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.strength, None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True, dropout=0.0)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.norm = nn.LayerNorm(12)
        self.conv = weight_norm(nn.Conv1d(12, 6, 3, padding=1))
        self.up = nn.ConvTranspose1d(6, 4, 4, stride=2, padding=1)
        self.act = nn.PReLU(4)
        self.head = nn.Linear(12, 12)
        self.domain = spectral_norm(nn.Linear(12, 2))

    def forward(self, tokens, hidden=None):
        x, (h, c) = self.lstm(self.embed(tokens), hidden)
        mask = torch.triu(torch.ones(x.size(1), x.size(1)), diagonal=1).bool()
        y, _ = self.attention(x, x, x, attn_mask=mask)
        x = self.norm(x + y)
        signal = self.act(self.up(self.conv(x.transpose(1, 2))))
        domain = self.domain(GradientReversal.apply(x.mean(1), 0.5))
        return self.head(x), signal, domain, (h.detach(), c.detach())


def main(begin, folder):
    net = Net()
    begin(net)
    optimizer = torch.optim.RAdam(net.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=6)
    second = torch.optim.Adadelta(net.head.parameters(), maximize=False)
    huber, kl = nn.HuberLoss(delta=0.5), nn.KLDivLoss(reduction="batchmean")
    history, hidden = [], None
    for _ in range(6):
        tokens = torch.LongTensor(np.random.randint(0, 12, (3, 7)))
        target = torch.FloatTensor(np.random.normal(size=(3, 4, 14)))
        logits, signal, domain, hidden = net(tokens, hidden)
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, 12), tokens[:, 1:].reshape(-1))
        loss = loss + huber(signal, target)
        uniform = torch.full((3, 2), 0.5)
        loss = loss + kl(F.log_softmax(domain, dim=1), uniform)
        unit = F.normalize(logits.mean(1), p=2, dim=1)
        loss = loss + 0.1 * torch.mm(unit, unit.t()).masked_fill(torch.eye(3).bool(), 0).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = clip_grad_norm_(net.parameters(), 1.0, norm_type=2)
        optimizer.step()
        second.step()
        scheduler.step()
        history += [loss.item(), float(norm), scheduler.get_last_lr()[0]]
    return history
