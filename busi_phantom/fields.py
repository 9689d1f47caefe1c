"""Building blocks of synthetic tissue: the sampling grid, smooth random fields, outlines."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

ANGLES = np.linspace(0, 2 * np.pi, 240, endpoint=False)


@dataclass(frozen=True)
class Grid:
    """Sampling of the scan plane: ``width`` x ``depth`` in mm, ``lines`` x ``samples``."""

    width: float
    depth: float
    lines: int
    samples: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.samples, self.lines

    @property
    def dx(self) -> float:
        return self.width / self.lines

    @property
    def dz(self) -> float:
        return self.depth / self.samples

    @property
    def depth_axis(self) -> np.ndarray:
        return (np.arange(self.samples, dtype=np.float32) + 0.5) * np.float32(self.dz)


@dataclass
class Tissue:
    """Acoustic maps, float32 (samples, lines), and lesion outlines.

    ``echo``: scatterer strength in dB (gland = 0); ``specular``: coherent amplitude, linear;
    ``attenuation``: two-way excess over the mean that TGC removes, in dB/mm;
    ``outlines``: (n, 2) arrays of x and depth in mm.
    """

    echo: np.ndarray
    specular: np.ndarray
    attenuation: np.ndarray
    outlines: list[np.ndarray] = field(default_factory=list)


def smooth_field(
    rng: np.random.Generator, grid: Grid, tall: float, wide: float, tilt: float = 0.0
) -> np.ndarray:
    """Return a smooth random field of unit variance, float32 (samples, lines).

    ``tall`` and ``wide`` are its grain in mm; ``tilt`` shears it by that many mm per mm.
    """
    rows = int(np.ceil(grid.depth / tall)) + 3
    columns = int(np.ceil(grid.width / wide)) + 3
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    size, how = (grid.lines, grid.samples), cv2.INTER_CUBIC
    if tilt:
        shear = [[grid.dx / wide, 0, 1], [tilt * grid.dx / tall, grid.dz / tall, 1]]
        how |= cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(
            coarse, np.array(shear), size, flags=how, borderMode=cv2.BORDER_REFLECT
        )
    else:
        fine = cv2.resize(coarse, size, interpolation=how)
    return fine / fine.std()


def wavy(rng: np.random.Generator, n: int, knots: int) -> np.ndarray:
    """Return a smooth random curve of ``n`` points with standard deviation near 1, float32 (n,)."""
    coarse = rng.standard_normal((1, knots), dtype=np.float32)
    return cv2.resize(coarse, (n, 1), interpolation=cv2.INTER_CUBIC)[0]


def ridges(values: np.ndarray, width: float) -> np.ndarray:
    """Turn the zero lines of a smooth field into thin curved sheets (septa, fasciae), 0-1."""
    return np.exp(-0.5 * (values / width) ** 2)


def ring(
    centre: tuple[float, float],
    half: tuple[float, float],
    tilt: float,
    radius: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Return a closed outline (240, 2) in mm: an ellipse turned by ``tilt``, radii relative."""
    x, z = half[0] * radius * np.cos(ANGLES), half[1] * radius * np.sin(ANGLES)
    turned = x * np.cos(tilt) - z * np.sin(tilt), x * np.sin(tilt) + z * np.cos(tilt)
    return np.stack([turned[0] + centre[0], turned[1] + centre[1]], axis=1)


def soft_mask(grid: Grid, outline: np.ndarray, edge: float) -> np.ndarray:
    """Return the inside of an outline as float32 (samples, lines) in 0-1, ``edge`` mm blurred."""
    points = np.rint(outline / (grid.dx, grid.dz) * 16).astype(np.int32)  # 1/16 sample
    inside = cv2.fillPoly(np.zeros(grid.shape, np.float32), [points], 1.0, shift=4)
    return cv2.GaussianBlur(inside, (0, 0), edge / grid.dx, sigmaY=edge / grid.dz)
