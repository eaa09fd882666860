"""Every name and keyword that scripts were counted to reach for, each at least once."""

import numpy as np

import tinygan as torch
import tinygan.nn as nn
import tinygan.nn.functional as F


def tensor(*shape):
    return torch.from_numpy(np.random.normal(size=shape).astype(np.float32))


def methods():
    x, y = tensor(3, 4), tensor(4, 3)
    yield x.t().type(torch.DoubleTensor).sum()
    yield x.new(2, 3).zero_().sum() + x.new_zeros(2).sum() + x.new_ones(2, 2).sum()
    yield tensor(3, 1).expand_as(x).sum() + y.view_as(x).mean()
    yield torch.zeros(3, 4).scatter_(1, torch.LongTensor([[0], [2], [1]]), 1.5).cumsum(dim=1).sum()
    yield x.clip(-0.5, 0.5).sum() + x.clamp(min=0).sum() + torch.clamp(x, max=0.1).sum()
    yield x.masked_fill(x > 0, -1.0).sum() + x.masked_select(x > 0).sum()
    yield x.tril().sum() + torch.triu(x, diagonal=1).sum()
    yield torch.equal(x, x) + torch.allclose(x, x + 1e-9)
    yield torch.stack(x.unbind(1)).sum(0).mean() + x.repeat_interleave(2, dim=0).std(unbiased=False)
    yield sum(part.std() for part in torch.var_mean(x, dim=1, unbiased=True))
    yield x.permute(dims=(1, 0)).flip(dims=(0,))[0].sum() + x.transpose(0, 1).contiguous()[0, 0]
    yield x.sort(dim=1, stable=True)[0][:, 0].sum() + x.sum(dim=1, dtype=torch.float64).mean()
    yield x.max(1)[0].sum() + x.max(1)[1].float().sum() + torch.max(x, -x).sum()
    yield torch.ones_like(x, device=x.device, dtype=torch.double).sum()
    yield x.to("cpu", non_blocking=True).clone(memory_format=torch.preserve_format).norm(p=1)


def functions():
    x, y = tensor(3, 4), tensor(4, 3)
    yield torch.mm(x, y).sum() + torch.bmm(tensor(2, 3, 4), tensor(2, 4, 3)).mean()
    yield torch.addmm(tensor(3, 3), x, y, beta=0.5, alpha=2).sum() + torch.cdist(x, x).mean()
    yield torch.add(x, y.t(), alpha=3).sum() + torch.div(x, 0.3, rounding_mode="floor").sum()
    yield torch.randint(high=3, size=(5,)).float().mul(0).sum()
    yield torch.randint(0, 3, size=(2, 5)).shape[1]
    yield torch.normal(mean=torch.zeros(5), std=torch.zeros(5)).sum()
    yield torch.multinomial(torch.FloatTensor([0.0, 1.0]), 3, replacement=True).sum()
    yield torch.isnan(x).any() or torch.is_tensor(x)
    a, b = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
    yield (a * b).sum() + torch.linspace(0, 1, steps=5).sum()
    yield torch.where(x > 0, x, torch.zeros_like(x)).sum() + torch.flatten(x, 1).mean()


def layers():
    x, image = tensor(3, 4), tensor(2, 3, 6, 6)
    yield F.normalize(x, dim=1).sum() + F.relu(x, inplace=False).sum()
    yield F.leaky_relu(x, 0.2, inplace=False).sum() + F.softmax(x, dim=1, dtype=torch.float64).max()
    yield F.softplus(x, beta=2).sum() + F.elu(x, alpha=0.5).sum() + F.gelu(x).sum()
    target = (x > 0).float()
    weight = torch.FloatTensor([1.0, 2.0, 3.0, 4.0])
    yield F.binary_cross_entropy(torch.sigmoid(x), target, weight=weight)
    yield F.binary_cross_entropy_with_logits(x, target, pos_weight=weight)
    yield F.max_pool2d(image, 3, 2, 1, dilation=1, ceil_mode=True).sum()
    yield F.avg_pool2d(image, 3, 2, 0, True).sum() + F.adaptive_avg_pool2d(image, 1).sum()
    yield F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=True).std()
    yield F.pad(image, (1, 1, 1, 1), mode="circular").sum() + F.pad(x, (1, 0)).sum()
    theta = torch.FloatTensor([[[0.9, 0.1, 0.0], [0.0, 1.1, 0.2]]]).expand(2, 2, 3)
    grid = F.affine_grid(theta, image.size(), align_corners=False)
    yield F.grid_sample(image, grid, align_corners=False).sum()
    heads = tensor(2, 5, 4)
    yield F.scaled_dot_product_attention(heads, heads, heads, is_causal=True).sum()
    yield nn.MaxPool2d(2, return_indices=True)(image)[1].float().mean()
    yield F.huber_loss(x, target) + F.kl_div(F.log_softmax(x, 1), target, reduction="batchmean")
    yield F.one_hot(torch.LongTensor([0, 2, 1]), num_classes=3).float().sum()
    yield nn.Softmax(dim=1)(x).max() + nn.Hardtanh(-1, 1)(x).sum() + F.dropout(x, 0.0).sum()


def main(begin, folder):
    return [float(value) for group in (methods, functions, layers) for value in group()]
