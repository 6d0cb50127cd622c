"""Answers to the exercises of notebook 02."""

import math
import random

import numpy as np
import torch

from . import right, wrong

# 02.1 dirichlet_split -----------------------------------------------------------------------------------------------


def _split(y_N, num_clients, draw_p, shuffle, cut, last_gets_rest=False):
    parts = [[] for _ in range(num_clients)]
    for label in range(int(y_N.max()) + 1):
        index = shuffle(np.flatnonzero(y_N.numpy() == label))
        for k, piece in enumerate(cut(index, draw_p(label))):
            parts[k].append(piece)
    return [torch.from_numpy(np.concatenate(part)) for part in parts]


def _cumulative(index, p):
    return np.split(index, np.rint(p.cumsum()[:-1] * len(index)).astype(int))


@right("02.1")
def split_numpy(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, _cumulative)


@right("02.1")
def split_torch(y_N, num_clients, alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    clients = [[] for _ in range(num_clients)]
    for label in y_N.unique():
        index = (y_N == label).nonzero().squeeze(1)
        index = index[torch.randperm(len(index), generator=generator)]
        p = torch._sample_dirichlet(torch.full((num_clients,), alpha, dtype=torch.float64), generator=generator)
        cuts = (p.cumsum(0)[:-1] * len(index)).long()
        for client, piece in zip(clients, torch.tensor_split(index, cuts), strict=True):
            client += piece.tolist()
    return clients


@right("02.1")
def split_example_by_example(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p_CK = rng.dirichlet(np.full(num_clients, alpha), size=int(y_N.max()) + 1)
    owner_N = np.array([rng.choice(num_clients, p=p_CK[label]) for label in y_N.tolist()])
    return [np.flatnonzero(owner_N == k) for k in range(num_clients)]


@wrong("02.1", "each share rounded down on its own", "partition", "CUMULATIVE")
def split_loses_examples(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def cut(index, p):
        sizes = (p * len(index)).astype(int)
        starts = sizes.cumsum() - sizes
        return [index[a : a + size] for a, size in zip(starts, sizes, strict=True)]

    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, cut)


@wrong("02.1", "every client draws its examples by itself", "partition", "np.split")
def split_with_overlap(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(num_clients, alpha))
    return [rng.choice(len(y_N), size=int(share * len(y_N)), replace=False) for share in p]


@wrong("02.1", "ignores the seed", "same seed", "default_rng(seed)")
def split_unseeded(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha, None)


@wrong("02.1", "always the same seed", "same seed", "default_rng(seed)")
def split_fixed_seed(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha, 42)


@wrong("02.1", "seeds the global generator", "same seed", "generator")
def split_global_seed(y_N, num_clients, alpha, seed):
    torch.manual_seed(seed)
    draw = torch.distributions.Dirichlet(torch.full((num_clients,), float(alpha), dtype=torch.float64))
    shuffle = lambda index: index[torch.randperm(len(index)).numpy()]  # noqa: E731
    return _split(y_N, num_clients, lambda _: draw.sample().numpy(), shuffle, _cumulative)


@wrong("02.1", "seeds Python's global generator", "same seed", "A global one")
def split_python_seed(y_N, num_clients, alpha, seed):
    random.seed(seed)
    rng = np.random.default_rng(seed)
    shuffle = lambda index: np.array(random.sample(index.tolist(), len(index)), dtype=np.int64)  # noqa: E731
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), shuffle, _cumulative)


@wrong("02.1", "Gamma draws that all become 0", "small alpha", "dirichlet")
def split_gamma(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def p(_):
        draws = rng.standard_gamma(np.full(num_clients, alpha)).astype(np.float32)
        with np.errstate(invalid="ignore"):
            shares = draws / draws.sum()
        return np.nan_to_num(shares, nan=1 / num_clients)

    return _split(y_N, num_clients, p, rng.permutation, _cumulative)


@wrong("02.1", "alpha the wrong way round", "large alpha", "right way round")
def split_inverse_alpha(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, 1 / alpha, seed)


@wrong("02.1", "uniform numbers, alpha unused", "large alpha", "alpha")
def split_uniform(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def p(_):
        draws = rng.random(num_clients)
        return draws / draws.sum()

    return _split(y_N, num_clients, p, rng.permutation, _cumulative)


@wrong("02.1", "one draw for all labels", "dealt out anew", "for label")
def split_one_draw(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(num_clients, alpha))
    return _split(y_N, num_clients, lambda _: p, rng.permutation, _cumulative)


@wrong("02.1", "alpha / K", "mean and the spread", "variance")
def split_alpha_over_k(y_N, num_clients, alpha, seed):
    return split_numpy(y_N, num_clients, alpha / num_clients, seed)


@wrong("02.1", "the last client gets what rounding leaves", "mean and the spread", "leftovers")
def split_biased(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)

    def cut(index, p):
        return np.split(index, (p * len(index)).astype(int).cumsum()[:-1])

    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, cut)


@wrong("02.1", "no shuffling", "random", "Shuffle")
def split_in_order(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    return _split(
        y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), lambda index: index, _cumulative
    )


@wrong("02.1", "one draw for every two labels", "know nothing of each other", "serves several labels")
def split_pairs_share(y_N, num_clients, alpha, seed):
    rng, drawn = np.random.default_rng(seed), {}
    p = lambda label: drawn.setdefault(label // 2, rng.dirichlet(np.full(num_clients, alpha)))  # noqa: E731
    return _split(y_N, num_clients, p, rng.permutation, _cumulative)


@wrong("02.1", "each client draws a distribution over labels", "know nothing of each other", "over the CLIENTS")
def split_by_client(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    q_KC = rng.dirichlet(np.full(int(y_N.max()) + 1, alpha), size=num_clients) + 1e-300
    return _split(y_N, num_clients, lambda label: (q_KC / q_KC.sum(0))[:, label], rng.permutation, _cumulative)


@wrong("02.1", "who has enough gets no more", "know nothing of each other", "clients that have enough")
def split_balanced(y_N, num_clients, alpha, seed):
    rng, held_K = np.random.default_rng(seed), np.zeros(num_clients)

    def cut(index, p_K):
        open_K = p_K * (held_K < len(y_N) / num_clients) + 1e-12
        pieces = _cumulative(index, open_K / open_K.sum())
        held_K[:] += [len(piece) for piece in pieces]
        return pieces

    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), rng.permutation, cut)


@wrong("02.1", "begins elsewhere instead of shuffling", "random", "begin elsewhere")
def split_rolled(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    roll = lambda index: np.roll(index, rng.integers(len(index)))  # noqa: E731
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), roll, _cumulative)


@wrong("02.1", "the same shuffle for every seed", "random", "anew for each seed")
def split_shuffled_once(y_N, num_clients, alpha, seed):
    rng = np.random.default_rng(seed)
    shuffle = lambda index: np.random.default_rng(0).permutation(index)  # noqa: E731
    return _split(y_N, num_clients, lambda _: rng.dirichlet(np.full(num_clients, alpha)), shuffle, _cumulative)


# 02.2 jensen_shannon ------------------------------------------------------------------------------------------------


@right("02.2")
def js_xlogy(p_C, q_C):
    m_C = (p_C + q_C) / 2
    return (_kl(p_C, m_C) + _kl(q_C, m_C)) / 2


def _kl(p_C, m_C):
    held = p_C > 0
    return (p_C[held] * (p_C[held] / m_C[held]).log2()).sum()


@right("02.2")
def js_entropies(p_C, q_C):
    def entropy(r_C):
        return -torch.xlogy(r_C, r_C).sum() / math.log(2)

    return float(entropy((p_C + q_C) / 2) - (entropy(p_C) + entropy(q_C)) / 2)


@right("02.2")
def js_loop(p_C, q_C):
    total = 0.0
    for p, q in zip(p_C.tolist(), q_C.tolist(), strict=True):
        for share in (p, q):
            if share:
                total += share * math.log2(2 * share / (p + q)) / 2
    return total


@wrong("02.2", "KL instead of JS", "symmetric", "BOTH")
def js_is_kl(p_C, q_C):
    return float(torch.xlogy(p_C, p_C / q_C).sum() / math.log(2))


@wrong("02.2", "m without the half", "divergence 0", "(p + q) / 2")
def js_sum_as_mean(p_C, q_C):
    return (_kl(p_C, p_C + q_C) + _kl(q_C, p_C + q_C)) / 2


@wrong("02.2", "only the first half", "symmetric", "kl(q_C, m_C)")
def js_half(p_C, q_C):
    return _kl(p_C, (p_C + q_C) / 2)


@wrong("02.2", "nan at empty labels", "does not have", "xlogy")
def js_nan(p_C, q_C):
    m_C = (p_C + q_C) / 2
    return ((p_C * (p_C / m_C).log2()).sum() + (q_C * (q_C / m_C).log2()).sum()) / 2


@wrong("02.2", "nan where only one of the two has a label", "does not have", "xlogy")
def js_nan_one_sided(p_C, q_C):
    somebody = p_C + q_C > 0
    return js_nan(p_C[somebody], q_C[somebody])


@wrong("02.2", "only the common labels", "without a common label", "only one of the two has")
def js_common_labels(p_C, q_C):
    both, m_C = (p_C > 0) & (q_C > 0), (p_C + q_C) / 2
    return (_kl(p_C[both], m_C[both]) + _kl(q_C[both], m_C[both])) / 2


@wrong("02.2", "only the common labels, but 1 where there are none", "only one of the two has", "(p > 0) & (q > 0)")
def js_common_labels_or_one(p_C, q_C):
    both = (p_C > 0) & (q_C > 0)
    return float(js_common_labels(p_C, q_C)) if both.any() else 1.0


@wrong("02.2", "natural logarithm", "without a common label", "base 2")
def js_nats(p_C, q_C):
    return js_loop(p_C, q_C) * math.log(2)


@wrong("02.2", "the distance, a square root", "mean of KL", "log2")
def js_distance(p_C, q_C):
    return math.sqrt(max(js_loop(p_C, q_C), 0.0))


@wrong("02.2", "sum instead of mean", "without a common label", "mean of the two")
def js_sum(p_C, q_C):
    return 2 * js_loop(p_C, q_C)


@wrong("02.2", "total variation", "mean of KL", "log2")
def js_total_variation(p_C, q_C):
    return float((p_C - q_C).abs().sum() / 2)


@wrong("02.2", "sign error", "without a common label", "bits")
def js_negative(p_C, q_C):
    return -js_loop(p_C, q_C)
