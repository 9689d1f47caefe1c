"""The tissue behind a synthetic B-mode image: layers, and what imitates or hides a lesion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from busi_phantom.fields import ANGLES, Grid, Tissue, ridges, ring, smooth_field, soft_mask, wavy


def draw_tissue(rng: np.random.Generator, grid: Grid, label: str, lesions: int) -> Tissue:
    """Draw layers and, unless ``label`` is ``normal``, ``lesions`` masses."""
    tissue = _layers(rng, grid)
    _add_bands(rng, grid, tissue)
    _add_lobules(rng, grid, tissue)
    if label != "normal":
        for place in range(lesions):
            lesion = draw_lesion(rng, grid, label == "malignant", place, lesions)
            insert_lesion(rng, grid, tissue, lesion)
    return tissue


def _layers(rng: np.random.Generator, grid: Grid) -> Tissue:
    """Skin, subcutaneous fat, gland, pectoral muscle and chest wall with wavy boundaries."""
    z = grid.depth_axis[:, None]
    lines = grid.lines
    shares = [rng.uniform(0.15, 0.28), rng.uniform(0.52, 0.68), rng.uniform(0.78, 0.96)]
    borders = [rng.uniform(1.2, 2.2) + 0.12 * wavy(rng, lines, 5)]
    borders += [s * grid.depth + rng.uniform(0.5, 1.4) * wavy(rng, lines, 7) for s in shares]
    layer = sum((z > border).astype(np.intp) for border in borders)
    tilt = rng.normal(0, 0.08)
    fine = smooth_field(rng, grid, 0.9, 2.6, tilt)
    broad = smooth_field(rng, grid, 4.0, 8.0)
    sheets = smooth_field(rng, grid, 2.2, 7.0, tilt)
    fibres = smooth_field(rng, grid, 0.9, 11.0, tilt + rng.normal(0, 0.08))
    visible = np.clip(smooth_field(rng, grid, 2.5, 5.0) + 0.4, 0, 1.5)
    gland = rng.uniform(-4, 1)
    levels = np.array([0, rng.uniform(-13, -7), gland, rng.uniform(-13, -8), -15], np.float32)
    fine_gain = np.array([1, 2.0, rng.uniform(2, 4), 2.0, 1.5], np.float32)
    broad_gain = np.array([0.5, 1.0, rng.uniform(1, 3), 1.0, 2.0], np.float32)
    echo = levels[layer] + fine_gain[layer] * fine + broad_gain[layer] * broad
    septa = np.array([0, 0.5, rng.uniform(0.15, 0.7), 0.1, 0], np.float32)[layer]
    striae = np.array([0, 0, rng.uniform(0.1, 0.5), 0.6, 0.15], np.float32)[layer]
    down, across = np.gradient(sheets, grid.dz, grid.dx)
    facing = np.exp(-((across / 0.6) ** 2) / (down**2 + 1e-6))  # steep sheets reflect elsewhere
    septa = septa * facing
    specular = visible * (septa * ridges(sheets, 0.07) + striae * ridges(fibres, 0.15))
    for border, strength in zip(borders, (0.4, 0.35, 0.4, 0.9), strict=True):
        slope = np.gradient(border) / grid.dx
        facing = np.exp(-((slope / 0.5) ** 2))
        line = np.exp(-0.5 * ((z - border) / 0.14) ** 2)
        specular = specular + line * (rng.uniform(0.3, 1) * strength * facing) * (0.2 + visible)
    specular += 1.0 * np.exp(-0.5 * ((z - 0.25) / 0.18) ** 2)  # probe and skin surface
    loss = np.array([0, 0.0, 0.15, 0.6, rng.uniform(0.6, 1.6)], np.float32)[layer]
    loss = loss + np.float32(0.12) * broad
    return Tissue(*(np.asarray(m, np.float32) for m in (echo, specular, loss)))


def _add_bands(rng: np.random.Generator, grid: Grid, tissue: Tissue) -> None:
    """Shadows that come from no lesion: poor contact, the nipple, steep ligaments."""
    x = (np.arange(grid.lines) + 0.5) * grid.dx
    for _ in range(rng.poisson(0.6)):
        profile = np.exp(-0.5 * ((x - rng.uniform(0, grid.width)) / rng.uniform(0.8, 3.0)) ** 2)
        start = int(rng.uniform(0.0, 0.4) * grid.samples)
        length = max(1, int(3.0 / grid.dz))  # the loss is spread over 3 mm
        loss = rng.uniform(3, 10) / 3.0 * profile
        tissue.attenuation[start : start + length] += loss.astype(np.float32)


def _add_lobules(rng: np.random.Generator, grid: Grid, tissue: Tissue) -> None:
    """Fat lobules: darker islands that imitate lesions, in every class and without a mask."""
    for _ in range(rng.poisson(1.5)):
        half = rng.uniform(2.0, 6.0), rng.uniform(1.0, 2.6)
        centre = rng.uniform(0, grid.width), rng.uniform(0.15, 0.65) * grid.depth
        inside = soft_mask(grid, ring(centre, half, rng.normal(0, 0.2)), 0.5)
        tissue.echo += np.float32(rng.uniform(-8, -3)) * inside
        tissue.specular *= 1 - np.float32(0.7) * inside


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
