"""A VAE of fully connected layers, as the example of most libraries has it."""

import numpy as np
from tinygan.utils.data import DataLoader, Dataset, random_split

import tinygan as torch
from tinygan import nn, optim
from tinygan.autograd import Variable
from tinygan.nn import functional as F

Tensor = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor


class Pictures(Dataset):
    def __init__(self, n):
        self.x = (np.random.rand(n, 1, 6, 6) > 0.6).astype(np.float32)

    def __getitem__(self, index):
        return self.x[index], index % 3

    def __len__(self):
        return len(self.x)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 20)
        self.fc21, self.fc22 = nn.Linear(20, 4), nn.Linear(20, 4)
        self.fc3 = nn.Linear(4, 20)
        self.fc4 = nn.Linear(20, 36)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = Variable(Tensor(np.random.normal(0, 1, (mu.size(0), mu.size(1)))))
        return eps.mul(std) + mu

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 36))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 36), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def main(begin, folder):
    data = Pictures(50)
    train_set, test_set = random_split(data, [40, 10])
    assert len(train_set) + len(test_set) == 50
    loader = DataLoader(data, batch_size=16, num_workers=1)
    model = VAE()
    begin(model)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.7)
    history = []
    for _ in range(3):
        model.train()
        train_loss = 0
        for data, _ in loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
        scheduler.step()
        history.append(train_loss)
    model.eval()
    with torch.no_grad():
        test_loss = 0
        for x, _ in loader:
            recon_batch, mu, logvar = model(x)
            test_loss += loss_function(recon_batch, x, mu, logvar).data
    assert not model.decode(torch.randn(3, 4)).isnan().any()
    return [*history, float(test_loss)]
