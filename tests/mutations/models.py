"""Slips in the models: losses, players, bounds, EM."""

from . import slips

GAMES = "tests/test_models.py tests/test_gan_family.py tests/test_conditional_games.py"
LIKELIHOOD = "tests/test_likelihood.py"
MIXTURES = "tests/test_gmm.py"

SLIPS = [
    *slips(
        "models/gan.py", GAMES,
        ("real and generated exchanged", "return softplus(-D(x)).mean() + softplus(D(fake)).mean()", "return softplus(D(x)).mean() + softplus(-D(fake)).mean()"),
        ("losses of one side only", "return softplus(-D(x)).mean() + softplus(D(fake)).mean()", "return softplus(-D(x)).mean() + softplus(-D(fake)).mean()"),
        ("saturating the wrong way", "return -softplus(D(fake)).mean() if self.saturating", "return softplus(D(fake)).mean() if self.saturating"),
        ("saturating by default", "if self.saturating else softplus(-D(fake)).mean()", "if not self.saturating else softplus(-D(fake)).mean()"),
    ),
    *slips(
        "models/dcgan.py", GAMES,
        ("D as wide as G", "self.critic_width or self.width", "self.width"),
    ),
    *slips(
        "models/adversarial.py", GAMES,
        ("gradients of both players", "        losses[player].backward(inputs=own)\n", "        losses[player].backward()\n"),
        ("gradients add up over steps", "        optimizer.zero_grad()\n        own", "        own"),
        ("G never moves", "            self._descend(\"generator\", losses)\n", "            pass\n"),
        ("G's turn at every step", "return self.updates % self.n_critic == 0", "return True"),
        ("beta of another player", "betas=(self.beta1, 0.999)", "betas=(0.9, 0.999)"),
        ("weights clipped before the step", "        self.after_discriminator_step()\n", ""),
    ),
    *slips(
        "models/wgan.py", GAMES,
        ("the critic's sign", "return f(fake).mean() - f(x).mean()", "return f(x).mean() - f(fake).mean()"),
        ("weights clipped above only", "p.clamp_(-self.clip, self.clip)", "p.clamp_(None, self.clip)"),
        ("momentum in the critic", "return optim.RMSprop(parameters, lr=self.lr, alpha=self.alpha)", "return optim.Adam(parameters, lr=self.lr)"),
    ),
    *slips(
        "models/wgan_gp.py", GAMES,
        ("slope 0 asked for", "ops.square(between - 1).mean()", "ops.square(between).mean()"),
        ("penalty of another weight", "penalty: float = 10.0", "penalty: float = 1.0"),
        ("penalty that nobody learns from", "grad(self.discriminator(x).sum(), x, create_graph=True)", "grad(self.discriminator(x).sum(), x)"),
        ("points of the data only", "return epsilon * x + (1 - epsilon) * fake", "return x"),
    ),
    *slips(
        "models/lsgan.py", GAMES,
        ("labels exchanged", "0.5 * square(D(x) - 1).mean() + 0.5 * square(D(fake)).mean()", "0.5 * square(D(x)).mean() + 0.5 * square(D(fake) - 1).mean()"),
        ("without its half", "return 0.5 * square(D(fake) - 1).mean()", "return square(D(fake) - 1).mean()"),
    ),
    *slips(
        "models/hinge.py", GAMES,
        ("margins on the wrong side", "relu(1 - D(x)).mean() + relu(1 + D(fake)).mean()", "relu(1 + D(x)).mean() + relu(1 - D(fake)).mean()"),
        ("G by a margin", "        return -D(fake).mean()", "        return relu(1 - D(fake)).mean()"),
    ),
    *slips(
        "models/ebgan.py", GAMES,
        ("no margin", "real.mean() + ops.relu(self.margin - false).mean()", "real.mean() - false.mean()"),
        ("energies exchanged", "real.mean() + ops.relu(self.margin - false).mean()", "false.mean() + ops.relu(self.margin - real).mean()"),
        ("energy squared", "ops.square(self.decode(code) - x).flatten(1).mean(1).sqrt(), code", "ops.square(self.decode(code) - x).flatten(1).mean(1), code"),
        ("one place of the example", "ops.square(self.decode(code) - x).flatten(1)", "ops.square(self.decode(code) - x.detach()).flatten(1)"),
        ("pushes together", "energy.mean() + self.pull * pulling_away(code)", "energy.mean() - self.pull * pulling_away(code)"),
        ("pairs with themselves", "return (ops.square(cosines).sum() - n) / (n * (n - 1))", "return ops.square(cosines).mean()"),
        ("what is real has a high energy", "        return -energy\n", "        return energy\n"),
    ),
    *slips(
        "models/acgan.py", GAMES,
        ("D denies the class of what is generated", "log_probability(of_real, c).mean() + log_probability(of_false, c).mean()", "log_probability(of_real, c).mean() - log_probability(of_false, c).mean()"),
        ("classes forgotten", "return -(source + classes)", "return -source"),
        ("G makes classes unclear", "softplus(-real).mean() - log_probability(of_class, c).mean()", "softplus(-real).mean() + log_probability(of_class, c).mean()"),
    ),
    *slips(
        "models/cgan.py", GAMES,
        ("D is not told", "self.discriminator(beside(x if self.net == \"dcgan\" else x.flatten(1), c))", "self.discriminator(beside(x if self.net == \"dcgan\" else x.flatten(1), c * 0))"),
        ("any class but its own", ".amax(0)", ".amin(0)"),
    ),
    *slips(
        "models/cgan_heads.py", GAMES,
        ("D helps to recognise what is generated", "- log_rest(of_false, c).mean()", "- log_probability(of_false, c).mean()"),
        ("the class itself among the rest", "logsumexp(where(c > 0, -1e30, y), 1) - logsumexp(y, 1)", "logsumexp(y, 1) - logsumexp(y, 1)"),
    ),
    *slips(
        "models/infogan.py", GAMES,
        ("codes of nobody's wish are the middle", "self.even_codes(len(z))", "self.code(np.arange(len(z)) % self.classes)"),
        ("numbers of the codes go together", "np.arange(1.0, self.numbers + 1)", "np.ones(self.numbers)"),
        ("information unwanted", "return softplus(-real).mean() - self.information * L_I", "return softplus(-real).mean() + self.information * L_I"),
        ("errors of the numbers as they are", "ops.square((c[:, k:]", "ops.abs((c[:, k:]"),
        ("the deviation forgotten", " / self.deviation)", ")"),
        ("clarity of each by itself", "float(entropy(p.mean(0)) - entropy(p).mean())", "float(np.log(self.classes) - entropy(p).mean())"),
        ("numbers above 0 only", "2 * random.uniform((n, self.numbers)) - 1", "random.uniform((n, self.numbers))"),
        ("numbers unread", "log_probability(guess[:, :k], c[:, :k]) + normal", "log_probability(guess[:, :k], c[:, :k]) + 0 * normal"),
    ),
    *slips(
        "models/mse_adversarial.py", GAMES,
        ("lambda forgotten", "error + self.weight * convinced", "error + convinced"),
        ("losses exchanged", "return convinced if self.loss == \"adversarial\"", "return convinced if self.loss != \"adversarial\""),
        ("the encoder never learns", "self.optimizer([*G.parameters(), *E.parameters()])", "self.optimizer([*G.parameters()])"),
    ),
    *slips(
        "models/text2image.py", GAMES,
        ("pairs that match count as mismatched", "range(1, min(self.others, len(phi) - 1) + 1)", "range(min(self.others, len(phi) - 1))"),
        ("mismatched pairs weigh double", "loss + 0.5 * (softplus(believed", "loss + 1.0 * (softplus(believed"),
        ("captions louder than noise", ".sum(1) / t.shape[1] ** 0.5", ".sum(1)"),
        ("the least believed caption", "believed.amax(0)", "believed.amin(0)"),
        ("G teaches the reader", "s, phi = self.discriminator, self.encoder(c).detach()\n        return softplus(-s(fake, phi)).mean()", "s, phi = self.discriminator, self.encoder(c)\n        return softplus(s(fake, phi)).mean()"),
    ),
    *slips(
        "models/condition.py", GAMES,
        ("the condition before z", "ops.cat([z, self.tensor(c)], 1)", "ops.cat([self.tensor(c), z], 1)"),
        ("classes of chance", "np.arange(len(z)) % self.classes", "np.arange(len(z)) // self.classes % self.classes"),
        ("labels too large", "    if labels.size and not 0 <=", "    if False and not 0 <="),
        ("the planes of another example", "ops.cat([x, planes], 1)", "ops.cat([x, planes.roll(1, 0)], 1)"),
    ),
    *slips(
        "models/networks.py", GAMES,
        ("weights ten times as large", "nn.init.normal_(layer.weight, 0.0, 0.02)", "nn.init.normal_(layer.weight, 0.0, 0.2)"),
        ("another slope", "return nn.LeakyReLU(0.2)", "return nn.LeakyReLU(0.01)"),
        ("no tanh", "return initialised([*layers, last, nn.Tanh()])", "return initialised([*layers, last])"),
    ),
    *slips(
        "models/system.py", GAMES + " tests/test_loop.py",
        ("noise ignores its purpose", "(n * of, self.latent), dtype=self.dtype, device=self.device, generator=stream(purpose)", "(n * of, self.latent), dtype=self.dtype, device=self.device"),
        ("samples in training mode", "            module.eval()\n        yield", "            pass\n        yield", GAMES),
        ("left in evaluation mode", "        for module in training:\n            module.train()", "        pass", GAMES),
        ("optimisers are not loaded", "for part, own in ((\"modules\", self.modules), (\"optimizers\", self.optimizers)):", "for part, own in ((\"modules\", self.modules),):", GAMES),
    ),
    *slips(
        "models/vae.py", LIKELIHOOD,
        ("variance as deviation", "z = mu + ops.exp(0.5 * log_var) * self.noise(len(x))\n        reconstruction", "z = mu + ops.exp(log_var) * self.noise(len(x))\n        reconstruction"),
        ("beta forgotten", "\"loss\": reconstruction + self.beta * paid,", "\"loss\": reconstruction + paid,"),
        ("free bits of the whole code", "kl.clamp(self.free_bits).sum() if", "kl.sum().clamp(self.free_bits) if"),
        ("pixels averaged", "return self.observation.log_prob(x, y).flatten(1).sum(1)", "return self.observation.log_prob(x, y).flatten(1).mean(1)"),
        ("bound without its KL", "return log_p - gaussian_kl(mu, log_var, reduction=\"none\").sum(1)", "return log_p"),
        ("importance weights without the prior", "+ log_prior - log_q", "- log_q"),
        ("sum of weights for their mean", "return math.log(k) - log_w.reshape(n, k).logsumexp(1)", "return -log_w.reshape(n, k).logsumexp(1)"),
    ),
    *slips(
        "models/likelihood.py", "tests/test_equations.py -k decoder",
        ("examples left in -1 … 1", "t = x * 0.5 + 0.5", "t = x"),
        ("gaussian without its constant", "self.log_var + math.log(2 * math.pi)", "self.log_var"),
        ("mean in 0 … 1", "return ops.sigmoid(y) * 2 - 1", "return ops.sigmoid(y)"),
    ),
    *slips(
        "models/cvae.py", LIKELIHOOD,
        ("what is shown is scored", "log_p = log_p * (1 - self.mask(c))", "log_p = log_p * self.mask(c)"),
        ("decoder without the condition", "        return self.decoder(self.join(z, c))", "        return self.decoder(self.join(z, c * 0))"),
    ),
    *slips(
        "models/ae.py", LIKELIHOOD,
        ("spread of the first codes", "mine.mul_(1 - self.momentum).add_(now * self.momentum)", "mine.mul_(1 - self.momentum).add_(now * 0)"),
    ),
    *slips(
        "models/gaussians.py", MIXTURES,
        ("reg_covar forgotten", "    covariances += reg_covar * (", "    covariances += 0 * ("),
        ("tied by the plain mean", "square = (shift.T * count) @ shift", "square = shift.T @ shift"),
        ("spherical by the sum", "covariances = covariances.mean(axis=1, keepdims=True)", "covariances = covariances.sum(axis=1, keepdims=True)"),
        ("moments about the origin", "covariances = second / count[:, None] - shift * shift", "covariances = second / count[:, None]"),
        ("constant of the density", "- 0.5 * d * np.log(2 * np.pi)", "- 0.5 * np.log(2 * np.pi)"),
        ("weights do not sum to 1", "Gaussians(kind, count / count.sum(), origins + shift, covariances)", "Gaussians(kind, count / len(count), origins + shift, covariances)"),
    ),
    *slips(
        "models/gmm.py", MIXTURES,
        ("the worst of n_init", "if best is None or run[1] > best[1]:", "if best is None or run[1] < best[1]:"),
        ("weights of rows ignored", "                shares *= data.weight[start:stop]\n", ""),
        ("bic with aic's penalty", "self._n_parameters() * np.log(n)", "self._n_parameters() * 2"),
        ("free parameters of the weights", "free[self.covariance_type] + k * d + k - 1", "free[self.covariance_type] + k * d + k"),
        ("never settles", "            settled = abs(bound - before) < self.tol", "            settled = abs(bound - before) < 0"),
    ),
    *slips(
        "models/given.py", MIXTURES,
        ("asymmetric precisions", "            raise np.linalg.LinAlgError(\"not symmetric\")", "            pass"),
        ("weights of any sum", "abs(weights.sum() - 1) > 1e-6", "weights.sum() > 2"),
        ("no component", "\"n_components\": 1,", "\"n_components\": 0,"),
    ),
    *slips(
        "models/points.py", MIXTURES,
        ("seeds by distance, not its square", "    return np.maximum(squares, 0)", "    return np.sqrt(np.maximum(squares, 0))"),
    ),
]  # fmt: skip
