"""The formulas that are computed here, with where each comes from."""

from __future__ import annotations

from typing import NamedTuple


class Formula(NamedTuple):
    """A formula in LaTeX, what it says in words, and its source; "our reading" where no source gives it."""

    name: str
    latex: str
    words: str
    source: str


_FEDERATED = (
    Formula(
        "FedAvg",
        r"w \leftarrow \frac{\sum_k n_k\, w_k}{\sum_k n_k}",
        "The mean of the clients' models, weighted by their numbers of examples.",
        "McMahan et al. 2017, arXiv 1602.05629",
    ),
    Formula(
        "FedProx",
        r"\min_{w}\; L_k(w) + \tfrac{\mu}{2}\, \lVert w - w_{\text{global}} \rVert^2",
        "Clients are held back by a spring; $\\mu = 0$ is FedAvg.",
        "Li et al. 2020, arXiv 1812.06127",
    ),
    Formula(
        "FedNova",
        r"w \leftarrow w - \Bigl(\sum_k p_k a_k\Bigr) \sum_k p_k \frac{w - w_k}{a_k}, \qquad"
        r" a_k = \frac{1}{1-\rho}\Bigl(\tau_k - \rho\,\frac{1-\rho^{\tau_k}}{1-\rho}\Bigr)",
        "Who takes more steps $\\tau_k$ does not pull harder; $p_k = n_k / \\sum n$, momentum $\\rho$.",
        "Wang et al. 2020, arXiv 2007.07481",
    ),
    Formula(
        "SCAFFOLD",
        r"w_k \leftarrow w_k - \eta\,(g - c_k + c), \qquad c_k^{+} = c_k - c + \frac{w - w_k}{\tau_k\, \eta}",
        "Steps are corrected by how the client's gradients differ from everybody's.",
        "Karimireddy et al. 2020, arXiv 1910.06378, option II; with momentum, the number of steps is our reading",
    ),
)

_ROBUST = (
    Formula(
        "Median",
        r"w_i \leftarrow \text{median}_k\; w_{k,i}",
        "Weight by weight; for an even number of clients the mean of the two in the middle. Withstands $f < n / 2$ "
        "faulty clients of a round.",
        "Yin et al. 2018, arXiv 1803.01498",
    ),
    Formula(
        "Trimmed mean",
        r"w_i \leftarrow \frac{1}{n - 2f} \sum_{k = f + 1}^{n - f} w_{(k),i}",
        "Weight by weight the mean without the $f$ largest and the $f$ smallest values; $w_{(k),i}$ is the $k$-th "
        "smallest.",
        "Yin et al. 2018, arXiv 1803.01498",
    ),
    Formula(
        "Krum",
        r"w \leftarrow w_{k^*}, \qquad k^* = \arg\min_k \sum_{j \in N_k} \lVert w_k - w_j \rVert^2, \qquad"
        r" |N_k| = n - f - 2",
        "All weights of the one client that is closest to its nearest others $N_k$; needs $n \\ge 2f + 3$.",
        "Blanchard et al. 2017, arXiv 1703.02757",
    ),
)

_SPARSE = (
    Formula(
        "FedSparsify's schedule",
        r"s_t = S_T + (S_0 - S_T)\Bigl(1 - \frac{t' - t_0}{T - t_0}\Bigr)^{n}, \qquad"
        r" t' = F \lfloor t / F \rfloor",
        "Fast at the start, slow at the end; with $n = 3$ a run to 95 % has a mean density of "
        "$0.05 + 0.95 / 4 = 0.2875$.",
        "Stripelis et al. 2022, arXiv 2204.12430, and its published code",
    ),
    Formula(
        "Purge",
        r"m_i = \mathbf{1}\bigl[\, |w_i| \ge \theta \,\bigr], \qquad"
        r" \theta = v_{\lfloor s_t P \rfloor}, \quad v = \text{sort}(|w|)",
        "The smallest magnitudes go; what is gone counts as zero, so that $s_t$ is the sparsity of the whole.",
        "Stripelis et al. 2022, arXiv 2204.12430, and its published code",
    ),
    Formula(
        "Vote of FedSparsify-Local",
        r"V_i = \sum_k m_{k,i}, \qquad M_i = \mathbf{1}[V_i > |\mathcal{K}_t| / 2], \qquad"
        r" w_i = M_i\, \frac{\sum_k n_k w_{k,i}}{\sum_k n_k}",
        "Each client has one vote for each weight, however many examples it has. The published code keeps a weight at "
        "$V_i \\ge \\lfloor |\\mathcal{K}_t| / 2 \\rfloor$ (setting *floor*).",
        "Stripelis et al. 2022, published code; more than half (*strict*) is our reading",
    ),
    Formula(
        "SNIP",
        r"S_i = |\, w_i\, g_i \,|",
        "How much the loss would change without weight $i$, to first order; the largest are kept.",
        "Lee et al. 2019, arXiv 1810.02340",
    ),
    Formula(
        "GraSP",
        r"S_i = w_i\, (H g)_i",
        "How much weight $i$ adds to the flow of the gradient; the largest are kept. $H$ is the Hessian.",
        "Wang et al. 2020, arXiv 2002.07376 (which drops the largest $-w\\,Hg$: the same)",
    ),
    Formula(
        "FedDST's share of exchange",
        r"f(t) = \frac{\alpha}{2} \Bigl(1 + \cos \frac{\pi t}{T_{\text{end}}}\Bigr)",
        "Share of a layer's kept weights that are dropped by magnitude and grown by gradient.",
        "code of FedPruning; Bibikar et al. 2022, arXiv 2112.09824",
    ),
    Formula(
        "ERK densities",
        r"d_l \propto \frac{\sum \text{shape}_l}{\prod \text{shape}_l}, \qquad d_l \le 1",
        "Small layers stay denser than large ones; scaled to the budget.",
        "Evci et al. 2020, arXiv 1911.11134",
    ),
    Formula(
        "PruneFL",
        r"\Gamma(M) = \frac{\sum_{i \in M} g_i^2}{c + \sum_{i \in M} t_i}",
        "Progress for the time of a round: weights are kept while they raise it.",
        "Jiang et al. 2022, arXiv 1909.12326; times from FLOPs and bytes are our reading",
    ),
    Formula(
        "DPF",
        r"w \leftarrow w - \eta\, \nabla L(w \odot m)",
        "The gradient is taken at the pruned weights and moves the dense ones: a pruned weight can come back.",
        "Lin et al. 2020, arXiv 2006.07253; pruning once a round is our reading",
    ),
)

_DYNAMIC = (
    Formula(
        "Gate of a convolution",
        r"g = \text{ReLU}(W_g\, \bar{x} + b_g), \qquad y = \text{ReLU}\bigl(\text{norm}(\text{conv}(x)) \odot"
        r" \text{top}_k(g)\bigr), \quad k = \text{round}(r\, C_{\text{out}})",
        "Means $\\bar{x}$ of the input's maps (in residual networks their sigmoid, our choice) open $k$ channels. With "
        "a share $r$ before and after, a layer computes about $r^2$ of its FLOPs.",
        "Yu et al. 2021, arXiv 2106.06921, version 1 and its code",
    ),
    Formula(
        "Threshold",
        r"w_i \leftarrow w_i\, \mathbf{1}\bigl[\, |w_i| > \tau \,\bigr]",
        "At the end of every local epoch; no mask is kept, so weights may grow back.",
        "FedDP, the public code of Yu et al. 2023",
    ),
    Formula(
        "Salient gradients",
        r"M = \mathbf{1}\bigl[\, |w \odot g| \ge \text{quantile}_q \,\bigr], \qquad w \leftarrow w - \eta\,(M \odot g)",
        "A batch moves the weights that matter for it, layer by layer.",
        "our reading of the text of Yu et al. 2023, arXiv 2106.06921, version 2",
    ),
    Formula(
        "DWNP: objective",
        r"\min_{\theta}\; \frac{1}{N} \sum_n L(w, D_n; a^0 \odot a^n) + \lambda \Bigl[ R\bigl(T(a^0),\, p_s\bigr)"
        r" + \frac{1}{N} \sum_n R\bigl(T(a^0 \odot a^n),\, p_d\bigr) \Bigr]",
        "Channels are learned for the loss and for a budget: $T$ is the share of the FLOPs that a choice takes.",
        "Gao et al., CVPR 2024, poster",
    ),
    Formula(
        "DWNP: pull towards the budget",
        r"R(\rho, p) = \log \frac{\max(\rho,\, p + 0.005)}{p} \;\;(\rho > p), \qquad"
        r" \log \frac{p}{\min(\rho,\, p - 0.005)} \;\;\text{otherwise}",
        "From both sides; no pull within half a point of the target.",
        "published code of Gao et al., CVPR 2024",
    ),
)

_MEASURES = (
    Formula(
        "Dirichlet partition",
        r"(p_1, \dots, p_K) \sim \text{Dir}(\alpha, \dots, \alpha)",
        "For each label, the shares of it that the clients get.",
        "as in the field; refilling clients that have too few examples is our reading",
    ),
    Formula(
        "Label skew, JS divergence",
        r"\text{JS}(p_k, p) = H\bigl(\tfrac{p_k + p}{2}\bigr) - \tfrac{1}{2} H(p_k) - \tfrac{1}{2} H(p)",
        "Of a client's labels and everybody's, in bits; the mean over clients is shown.",
        "the usual definition",
    ),
    Formula(
        "Label skew, EMD",
        r"\text{EMD}_k = \sum_c |\, p_k(c) - p(c) \,|",
        "0 alike, 2 nothing in common; the mean over clients is shown.",
        "Zhao et al. 2018, arXiv 1806.00582",
    ),
    Formula(
        "Effective FLOPs",
        r"\text{FLOPs} = 3\, E \sum_k n_k \sum_l d_l \cdot 2\, |W_l|\, \text{positions}_l",
        "Two for each kept weight at each output position, three forwards for an example that is trained on.",
        "our reading: FedSparsify's code computes no sparse FLOPs",
    ),
    Formula(
        "Generalisation gap",
        r"\text{gap} = \text{accuracy}_{\text{train}} - \text{accuracy}_{\text{test}}",
        "Of errors the other way round: test minus training, in years.",
        "as in the field",
    ),
)

FORMULAS: tuple[tuple[str, tuple[Formula, ...]], ...] = (
    ("Federated averaging and its relatives", _FEDERATED),
    ("Robust aggregation", _ROBUST),
    ("Sparse models", _SPARSE),
    ("Dynamic and device-wise pruning", _DYNAMIC),
    ("Data and costs", _MEASURES),
)
"""All formulas, by subject."""
