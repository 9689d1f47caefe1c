"""Masses of synthetic breast images: shape, echo, margin and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .phantom_fields import ANGLES, Grid, Tissue, ring, smooth_field, soft_mask


@dataclass(frozen=True)
class Lesion:
    """A mass: ``outline`` (n, 2) in mm, ``half`` axes in mm, levels in dB, ``edge`` blur in mm.

    ``posterior`` is the level change behind its centre: positive enhancement, negative shadow.
    """

    outline: np.ndarray
    half: tuple[float, float]
    echo: float
    posterior: float
    texture: float
    edge: float
    halo: float
    capsule: float
    calcifications: int


def draw_lesion(
    rng: np.random.Generator, grid: Grid, malignant: bool, place: int, lesions: int
) -> Lesion:
    """Draw a mass whose signs agree with its class on average, not one by one (BI-RADS lexicon).

    A latent suspicion near 0.2 (benign) or 0.8 (malignant) drives every sign; each adds scatter of
    its own, so that single signs overlap between the classes, as they do in patients.
    """
    latent = rng.normal(0.8 if malignant else 0.2, 0.15)
    shape, edge, behind, inside = np.clip(latent + rng.normal(0, 0.13, 4), 0, 1)
    ratio = np.exp(np.log(1.75) - shape * np.log(1.75 / 0.68))  # width / height
    size = np.clip(rng.normal(11 + 3 * latent, 3), 6, 19) * (0.7 if lesions > 1 else 1.0)
    half = 0.5 * size * np.sqrt(ratio), 0.5 * size / np.sqrt(ratio)
    share = (place + rng.uniform(0.3, 0.7)) / lesions if lesions > 1 else rng.uniform(0.22, 0.78)
    top = 0.12 * grid.depth + half[1]
    depth = np.clip(rng.uniform(0.25, 0.58) * grid.depth, top, None)
    outline = ring(
        (share * grid.width, depth), half, rng.normal(0, 0.12), _irregular(rng, float(edge))
    )
    return Lesion(
        outline=np.clip(outline, 0, (grid.width, grid.depth)),
        half=half,
        echo=float(np.clip(rng.normal(-17, 4), -28, -9)),
        posterior=float(6 - 18 * behind + rng.normal(0, 3)),
        texture=float(0.8 + 2.2 * inside),
        edge=float(0.12 + 0.45 * edge),
        halo=float(5 * edge),
        capsule=float(1 - edge),
        calcifications=int(rng.poisson(4 * inside)) if inside > 0.5 else 0,
    )


def _irregular(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Relative radii (240,): smooth lobulation, plus spicules that grow with ``strength`` (0-1)."""
    radius = np.ones_like(ANGLES)
    for order in range(2, 6):
        size = rng.normal(0, (0.04 + 0.1 * strength) / order)
        radius += size * np.cos(order * ANGLES + rng.uniform(0, 2 * np.pi))
    for _ in range(rng.poisson(16 * strength)):
        apart = np.angle(np.exp(1j * (ANGLES - rng.uniform(0, 2 * np.pi))))
        height = rng.uniform(0.1, 0.55) * strength
        radius += height * np.exp(-np.abs(apart) / rng.uniform(0.05, 0.14))
    return np.maximum(radius / np.sqrt((radius**2).mean()), 0.4)


def insert_lesion(rng: np.random.Generator, grid: Grid, tissue: Tissue, lesion: Lesion) -> None:
    """Put a mass into the tissue: echo, texture, halo, capsule, calcifications, attenuation."""
    inside = soft_mask(grid, lesion.outline, lesion.edge)
    texture = lesion.texture * smooth_field(rng, grid, 1.0, 1.2)
    around = cv2.GaussianBlur(inside, (0, 0), 1.6 / grid.dx, sigmaY=1.6 / grid.dz)
    halo = 4 * around * (1 - inside) * np.float32(lesion.halo)
    tissue.echo += halo + inside * (lesion.echo + texture - tissue.echo).astype(np.float32)
    tissue.specular *= 1 - inside
    sharp = soft_mask(grid, lesion.outline, 0.25)
    facing = np.abs(np.gradient(sharp, axis=0)) / grid.dz * 0.6  # top and bottom face the beam
    tissue.specular += np.float32(0.22 * lesion.capsule) * facing.astype(np.float32)
    rows, columns = np.nonzero(inside > 0.8)
    for _ in range(lesion.calcifications if rows.size else 0):
        spot = rng.integers(rows.size)
        tissue.specular[rows[spot], columns[spot]] += np.float32(rng.uniform(2, 5))
    behind = -lesion.posterior / (2 * lesion.half[1])  # dB/mm inside makes the level behind
    tissue.attenuation += np.float32(behind) * inside
    tissue.outlines.append(lesion.outline)
