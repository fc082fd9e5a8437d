"""Changes of tone and colour that are linear in their coefficients."""

from __future__ import annotations

import torch

from ispfit.backbones.parts.finishing import N_COEFFICIENTS, basis, finish


def test_finishing_is_linear_in_its_coefficients() -> None:
    random = torch.Generator().manual_seed(0)
    colors = 1.4 * torch.rand(2, 50, 3, generator=random) - 0.2
    coefficients = torch.randn(2, N_COEFFICIENTS, generator=random)
    changed, slope = finish(colors, coefficients)
    everywhere, locally = basis(colors)
    n_everywhere = everywhere.shape[-1]
    expected = torch.einsum("snck,sk->snc", everywhere, coefficients[:, :n_everywhere])
    torch.testing.assert_close(changed, colors + expected, atol=1e-5, rtol=0)
    lift = torch.einsum("snck,sk->snc", locally, coefficients[:, n_everywhere:])
    torch.testing.assert_close(slope, lift, atol=1e-5, rtol=0)
