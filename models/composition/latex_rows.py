"""What every family says in LaTeX: its row, for which labels, its letter, and what it adds to the rows of the dual."""

from __future__ import annotations

U, LIE = r"u_i(v_i; v)", r"u_i(w; v)"
BALL = ("total-variation", "wasserstein")

ROWS = {  # family: (row, for which, dual letter)
    "beta": (rf"{U} \ge 0", r"\forall i, v", r"\beta_i(v)"),
    "gamma": (rf"{U} \ge {LIE}", r"\forall i, v, w", r"\gamma_i(v, w)"),
    "lambda": (r"\textstyle\sum_i q_{ij}(v) \le S_j", r"\forall v, j", r"\lambda_j(v)"),
    "demand": (r"q_{ij}(v) \le d", r"\forall i, v, j", r"\delta_{ij}(v)"),
    "bundle": (r"\textstyle\sum_j q_{ij}(v) \le k", r"\forall i, v", r"\kappa_i(v)"),
    "highest": (r"q_{ij}(v) \le 0", r"\forall i, v, j: v_{ij} < \max_k v_{kj}", r"\eta_{ij}(v)"),
    "reserve": (r"q_{ij}(v) \le 0", r"\forall i, v, j: v_{ij} < r_j", r"\varrho_{ij}(v)"),
    "efficient": (r"\textstyle\sum_{ij} q_{ij}(v)(v_{ij} - c_j) \ge s^*(v)", r"\forall v", r"\epsilon(v)"),
    "fair_q": (r"q_{ij}(v) = q_{\pi(i)j}(\pi v)", r"\forall \pi, i, v, j", r"\phi^\pi_{ij}(v)"),
    "fair_m": (r"m_i(v) = m_{\pi(i)}(\pi v)", r"\forall \pi, i, v", r"\psi^\pi_i(v)"),
    "apart_q": (r"q_{ij}(v) = q_{ij}(\bar v^j)", r"\forall i, v, j", r"\chi_{ij}(v)"),
    "apart_m": (r"m_i(v) = \textstyle\sum_j p_{ij}(v_{\cdot j})", r"\forall i, v", r"\xi_i(v)"),
    "monotone": (r"q_{ij}(v^+) \ge q_{ij}(v)", r"\forall i, v, j", r"\nu_{ij}(v)"),
    "cap": (r"m_i(v) \le B_i", r"\forall i, v", r"\zeta_i(v)"),
}
AVERAGE = {
    "beta": (rf"\textstyle\sum_{{v_{{-i}}}} P(v)\, {U} \ge 0", r"\forall P, i, v_i", r"\beta_{Pi}(v_i)"),
    "gamma": (
        rf"\textstyle\sum_{{v_{{-i}}}} P(v)\,({U} - {LIE}) \ge 0",
        r"\forall P, i, v_i, w",
        r"\gamma_{Pi}(v_i, w)",
    ),
}
TERMS = {  # family: (in nature's row of m_i(v), moved to its right; in that of q_ij(v); in her goal)
    "beta": (r"\beta_i(v)", r"\beta_i(v) v_{ij}", ""),
    "gamma": (r"\textstyle\sum_w \gamma_i(v, w) - \sum_w \gamma_i((w, v_{-i}), v_i)",
              r"\textstyle\sum_w \gamma_i(v, w) v_{ij} - \sum_w \gamma_i((w, v_{-i}), v_i) w_j", ""),
    "lambda": ("", r"- \lambda_j(v)", r"\textstyle\sum_{v, j} S_j \lambda_j(v)"),
    "demand": ("", r"- \delta_{ij}(v)", r"d \textstyle\sum_{i, v, j} \delta_{ij}(v)"),
    "bundle": ("", r"- \kappa_i(v)", r"k \textstyle\sum_{i, v} \kappa_i(v)"),
    "highest": ("", r"- \eta_{ij}(v)", ""),
    "reserve": ("", r"- \varrho_{ij}(v)", ""),
    "efficient": ("", r"\epsilon(v)(v_{ij} - c_j)", ""),
    "fair_q": ("", r"\textstyle\sum_\pi [\phi^\pi_{ij}(v) - \phi^\pi_{\pi^{-1}(i)j}(\pi^{-1} v)]", ""),
    "fair_m": (r"- \textstyle\sum_\pi [\psi^\pi_i(v) - \psi^\pi_{\pi^{-1}(i)}(\pi^{-1} v)]", "", ""),
    "apart_q": ("", r"\chi_{ij}(v) - 1\{v = \bar v^j\} \textstyle\sum_{v' : \bar v'^j = v} \chi_{ij}(v')", ""),
    "apart_m": (r"- \xi_i(v)", "", ""),
    "monotone": ("", r"\nu_{ij}(v^-) - \nu_{ij}(v)", ""),
    "cap": (r"\zeta_i(v)", "", r"\textstyle\sum_{i, v} B_i \zeta_i(v)"),
}  # fmt: skip
AVERAGE_TERMS = {
    "beta": (r"\textstyle\sum_P P(v) \beta_{Pi}(v_i)", r"\textstyle\sum_P P(v) \beta_{Pi}(v_i) v_{ij}", ""),
    "gamma": (r"\textstyle\sum_{P, w} [P(v) \gamma_{Pi}(v_i, w) - P(w, v_{-i}) \gamma_{Pi}(w, v_i)]",
              r"\textstyle\sum_{P, w} [P(v) \gamma_{Pi}(v_i, w) v_{ij} - P(w, v_{-i}) \gamma_{Pi}(w, v_i) w_j]", ""),
}  # fmt: skip
_SAME = r"p0(v) = ALPHA(v)"
NATURE = {  # kind: nature's rows, the seller's letters in brackets
    "support": [_SAME + r", \quad \textstyle\sum_v ALPHA(v) = SCALE && [LEVEL]"],
    "priors": [r"p0(v) = \textstyle\sum_n ALPHA(n) P_n(v), \quad \sum_n ALPHA(n) = SCALE && [LEVEL]"],
    "box": [
        _SAME + r", \quad \textstyle\sum_v ALPHA(v) = SCALE && [LEVEL]",
        r"TIMES(\hat p(v) - \varepsilon)^+ \le ALPHA(v) \le TIMES(\hat p(v) + \varepsilon) && "
        r"\forall v \; [\underline\sigmaMARK(v), \bar\sigmaMARK(v)]",
    ],
    "total-variation": [
        r"p0(v) = ALPHA(\text{stay}, v) + ALPHA(\text{arrive}, v)",
        r"ALPHA(\text{stay}, v) + ALPHA(\text{leave}, v) = TIMES\hat p(v) && \forall v \; [LEVEL(v)]",
        r"\textstyle\sum_v ALPHA(\text{leave}, v) = \sum_v ALPHA(\text{arrive}, v) && [\muMARK]",
        r"\textstyle\sum_v ALPHA(\text{arrive}, v) \le TIMES\varepsilon && [\varsigmaMARK]",
    ],
    "wasserstein": [
        r"p0(v) = \textstyle\sum_n ALPHA(n, v)",
        r"\textstyle\sum_v ALPHA(n, v) = TIMES\hat p(n) && \forall n \; [LEVEL(n)]",
        r"\textstyle\sum_{n, v} d(n, v)\, ALPHA(n, v) \le TIMES\varepsilon && [\varsigmaMARK]",
    ],
}
