"""Synthetic B-mode breast images: from scatterers to grey levels.

The image formation follows the textbook chain (Szabo, Diagnostic Ultrasound Imaging, 2014;
Goodman, Speckle Phenomena in Optics, 2007): complex Gaussian scatterers weighted by the echo
amplitude of the tissue, band-limited by the point-spread function, envelope, log compression, scan
conversion.
These images are synthetic: they teach and test the study, and they say nothing about patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from busi_phantom.anatomy import draw_tissue
from busi_phantom.fields import Grid, Tissue
from busi_utils import CLASSES
from busi_utils.errors import StudyError

LINES = 224  # scan lines across the footprint
SAMPLE_MM = 0.135  # axial distance of two envelope samples


@dataclass(frozen=True)
class Scanner:
    """What differs between two ultrasound machines.

    Lengths are in mm, levels in dB; every pair is a range from which an image draws.
    ``growth`` is the relative widening of the beam from the skin to the deepest sample.
    """

    axial_sigma: float
    lateral_sigma: float
    growth: float
    dynamic_range: float
    gain: tuple[float, float]
    tgc_slope: tuple[float, float]
    gamma: float
    footprint: tuple[float, float]
    depth: tuple[float, float]
    width_px: tuple[int, int]
    trapezoid_share: float
    marker: str


SCANNERS = {
    "A": Scanner(  # about 12 MHz, wide linear array
        axial_sigma=0.12,
        lateral_sigma=0.20,
        growth=1.2,
        dynamic_range=60.0,
        gain=(-23.0, -14.0),
        tgc_slope=(-0.30, 0.0),
        gamma=1.0,
        footprint=(44.0, 52.0),
        depth=(34.0, 44.0),
        width_px=(400, 700),
        trapezoid_share=0.12,
        marker="Q",
    ),
    "B": Scanner(  # about 7 MHz, narrow array, harder grey map
        axial_sigma=0.19,
        lateral_sigma=0.30,
        growth=1.8,
        dynamic_range=54.0,
        gain=(-22.0, -15.0),
        tgc_slope=(-0.15, 0.20),
        gamma=1.25,
        footprint=(36.0, 40.0),
        depth=(38.0, 50.0),
        width_px=(300, 460),
        trapezoid_share=0.0,
        marker="",
    ),
}


@dataclass(frozen=True)
class Phantom:
    """A synthetic image: ``image`` uint8 (H, W), ``masks`` bool (H, W) one a lesion, ``label``."""

    image: np.ndarray
    masks: list[np.ndarray]
    label: str


def render_phantoms(labels: Sequence[str], seed: int, scanner: str = "A") -> list[Phantom]:
    """Render one synthetic B-mode image for every label.

    Image ``k`` depends on ``seed``, ``scanner``, ``k`` and ``labels[k]`` only, so that a shorter
    list gives the same first images.

    Parameters
    ----------
    labels : sequence of str
        Classes, each of ``normal``, ``benign``, ``malignant``.
    seed : int
        Non-negative root of all random numbers.
    scanner : {"A", "B"}
        The simulated machine.

    Returns
    -------
    list of Phantom
        300 to 700 pixels wide; normal images have no masks.

    Raises
    ------
    StudyError
        If a label or the scanner is unknown, or the seed negative.
    """
    check_known(labels, scanner)
    if seed < 0:
        raise StudyError(f"The phantom's seed is {seed}: it must not be negative.")
    return [render_phantom(label, k, seed, scanner) for k, label in enumerate(labels)]


def check_known(labels: Iterable[str], scanner: str) -> None:
    """Stop at a class or scanner that no phantom has."""
    if scanner not in SCANNERS:
        raise StudyError(f"The phantom has no scanner {scanner!r}: choose one of {list(SCANNERS)}.")
    if unknown := sorted(set(labels) - set(CLASSES)):
        raise StudyError(f"The phantom has no class {unknown[0]!r}: choose among {list(CLASSES)}.")


def render_phantom(label: str, k: int, seed: int, scanner: str = "A") -> Phantom:
    """Render image ``k`` of :func:`render_phantoms` alone; every 16th mass has a companion."""
    key = (list(SCANNERS).index(scanner), CLASSES.index(label), k)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    machine = SCANNERS[scanner]
    width_mm, depth_mm = rng.uniform(*machine.footprint), rng.uniform(*machine.depth)
    grid = Grid(width_mm, depth_mm, LINES, round(depth_mm / SAMPLE_MM))
    tissue = draw_tissue(rng, grid, label, lesions=2 if k % 16 == 1 else 1)
    envelope = simulate_envelope(rng, grid, tissue, machine)
    decibels = compress(envelope, rng.uniform(*machine.gain), machine)
    return _scan_convert(rng, grid, tissue, decibels, machine, label)


def beamform(scatterers: np.ndarray, axial: float, lateral: np.ndarray) -> np.ndarray:
    """Band-limit scatterers by a Gaussian point-spread function that widens with depth.

    The filter has unit energy at every depth: white scatterers of unit power come out with unit
    power, and the modulus of the result is then Rayleigh distributed (fully developed speckle).

    Parameters
    ----------
    scatterers : complex64 (samples, lines)
        Complex reflectivity at baseband.
    axial : float
        Standard deviation along depth, in samples.
    lateral : float32 (samples,)
        Standard deviation across the lines at every depth, in lines.

    Returns
    -------
    complex64 (samples, lines)
    """
    samples, lines = scatterers.shape
    radius = int(np.ceil(3 * axial))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / axial) ** 2)
    kernel = (kernel / np.linalg.norm(kernel)).astype(np.float32)
    parts = np.ascontiguousarray(scatterers).view(np.float32).reshape(samples, lines, 2)
    parts = cv2.sepFilter2D(parts, -1, np.ones(1, np.float32), kernel)
    frequency = fft.fftfreq(lines).astype(np.float32)
    transfer = np.exp(-2 * (np.pi * lateral[:, None] * frequency) ** 2).astype(np.float32)
    transfer /= np.sqrt((transfer**2).mean(axis=1, keepdims=True))
    spectrum = fft.fft(parts.view(np.complex64)[..., 0], axis=1)
    return fft.ifft(spectrum * transfer, axis=1)


def complex_noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return circular complex Gaussian noise of unit power, complex64 ``shape``."""
    pairs = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return pairs.view(np.complex64)[..., 0]


def simulate_envelope(
    rng: np.random.Generator, grid: Grid, tissue: Tissue, machine: Scanner
) -> np.ndarray:
    """Return the detected envelope, float32 (samples, lines), linear, 1 = glandular tissue.

    Attenuation is integrated along depth, so that shadows and enhancement fall behind what causes
    them. Electronic noise passes the same filters as the echoes: its power adds to theirs.
    """
    depth = grid.depth_axis
    path = np.cumsum(tissue.attenuation, axis=0) * np.float32(grid.dz)
    residue = (rng.uniform(*machine.tgc_slope) * depth).astype(np.float32)[:, None]
    transmitted = 10 ** ((residue - path) / 20)
    floor = (10 ** ((-46 + 0.25 * depth) / 20)).astype(np.float32)[:, None]  # TGC lifts the noise
    power = np.hypot(10 ** (tissue.echo / 20) * transmitted, floor)
    echoes = power * complex_noise(rng, grid.shape) + tissue.specular * transmitted
    spread = machine.lateral_sigma / grid.dx * (1 + machine.growth * depth / grid.depth)
    return np.abs(beamform(echoes, machine.axial_sigma / grid.dz, spread))


def compress(envelope: np.ndarray, gain: float, machine: Scanner) -> np.ndarray:
    """Log-compress an envelope to grey values, float32 in 0-1 (0 = ``-dynamic_range`` dB)."""
    decibels = 20 * np.log10(np.maximum(envelope, 1e-6)) + gain
    return np.clip(1 + decibels / machine.dynamic_range, 0, 1) ** machine.gamma


def _scan_convert(
    rng: np.random.Generator,
    grid: Grid,
    tissue: Tissue,
    grey: np.ndarray,
    machine: Scanner,
    label: str,
) -> Phantom:
    """Interpolate scan lines to square pixels, with the margins that a machine leaves dark."""
    width = int(rng.integers(machine.width_px[0], machine.width_px[1] + 1))
    height = round(width * grid.depth / grid.width)
    opening = rng.uniform(0.62, 0.8) if rng.random() < machine.trapezoid_share else 1.0
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    spread = opening + (1 - opening) * rows  # visible share of the width at each depth
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    across = (columns / spread + 0.5) * (grey.shape[1] - 1)
    down = np.broadcast_to(rows * (grey.shape[0] - 1), across.shape)
    image = cv2.remap(grey.astype(np.float32), across, down, cv2.INTER_LINEAR)
    image = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    masks = []
    for outline in tissue.outlines:
        u, v = outline[:, 0] / grid.width, outline[:, 1] / grid.depth
        x = ((u - 0.5) * (opening + (1 - opening) * v) + 0.5) * (width - 1)
        points = np.rint(np.stack([x, v * (height - 1)], axis=1)).astype(np.int32)
        masks.append(cv2.fillPoly(np.zeros(image.shape, np.uint8), [points], 1).astype(bool))
    if machine.marker:  # a maker's sign in the corner, on every image: no annotation
        cv2.putText(image, machine.marker, (0, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.36, 230, 1)
    return Phantom(image, masks, label)
