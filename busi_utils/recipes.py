"""How a network is trained: every choice is a named field, every variant one change of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from busi_utils.errors import StudyError


@dataclass(frozen=True)
class Recipe:
    """All hyper-parameters of a training run.

    Attributes
    ----------
    init : str
        ``pretrained`` (ImageNet; the phantom study pretrains on phantoms) or ``random``.
    cut : str
        What is frozen: everything below ``features`` (the whole backbone, its last maps pooled),
        below ``maps`` (the same, not pooled), below ``middle`` (the blocks down to 28 x 28), or
        nothing (``pixels``).
    input_range : str
        ``right`` (what the network was trained on), or a wrong one: ``unit`` [0, 1], ``raw`` 0-255.
    fit : str
        ``letterbox`` or ``squeeze``.
    marks : str
        Burnt-in marks are ``kept`` or ``inpainted``, in training and at test.
    augment : str
        ``none`` or a policy of `augment.POLICIES`.
    views : int
        Random views kept per image; epoch e of an image uses one of them at random.
    head : str
        ``original`` (Dense 128, dropout, softmax), ``mask``, or the original one upon attention:
        ``squeeze_excitation``, ``cbam``, ``self_attention`` (see `heads`).
    dropout, learning_rate, batch_size, epochs
        As usual.
    patience : int or None
        Epochs without a lower validation loss before stopping, the best epoch being restored; None
        runs the whole schedule and keeps its end.
    schedule : str
        ``constant`` or ``cosine`` (to zero, after a warm-up over the first tenth).
    weight_decay, label_smoothing, mask_weight
        0 switches each off; ``mask_weight`` weighs the segmentation loss of head ``mask``.
    class_weights : bool
        Weigh the loss by inverse class frequency.
    bn_momentum : float or None
        Momentum of trained batch-norm statistics; None keeps the network's own.
    bn_frozen : bool
        Hold batch norm in inference mode while training, its scale and offset fixed.
    bn_remeasured : bool
        Replace the running averages, after training, by statistics of the training images.
    averaged_epochs : int
        Keep the mean of the weights at the end of so many last epochs; needs ``patience`` None.
    flip_average : bool
        Average each image's prediction with that of its mirror image.
    image_size : int or None
        Side of the network input in pixels; None takes the study's.
    teachers : tuple of str
        Networks whose mean probability is learnt from, tuned with the same seed on the same part of
        the same fold (see `distillation`).
    distilled_share : float
        Weight of the teachers in the loss, 0-1; the labels have the rest.
    temperature : float
        Divides teachers' and student's log probabilities in that part of the loss.
    """

    init: Literal["pretrained", "random"] = "pretrained"
    cut: Literal["features", "maps", "middle", "pixels"] = "features"
    input_range: Literal["right", "unit", "raw"] = "right"
    fit: Literal["letterbox", "squeeze"] = "letterbox"
    marks: Literal["kept", "inpainted"] = "kept"
    augment: str = "original"
    views: int = 6
    head: Literal["original", "mask", "squeeze_excitation", "cbam", "self_attention"] = "original"
    dropout: float = 0.5
    learning_rate: float = 1e-4
    batch_size: int = 32
    epochs: int = 25
    patience: int | None = 5
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mask_weight: float = 0.0
    class_weights: bool = False
    bn_momentum: float | None = None
    bn_frozen: bool = False
    bn_remeasured: bool = False
    averaged_epochs: int = 0
    flip_average: bool = False
    image_size: int | None = None
    teachers: tuple[str, ...] = ()
    distilled_share: float = 0.0
    temperature: float = 1.0

    @property
    def head_only(self) -> bool:
        """Whether the whole backbone is frozen, so that a training takes seconds."""
        return self.cut in ("features", "maps")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for run records."""
        return asdict(self)

    def changes(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults, for hashes: a field added later leaves
        the hashes of earlier runs as they are. A default, once used, is therefore never changed.
        """
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}


ORIGINAL = Recipe()
_UNFROZEN = replace(ORIGINAL, cut="pixels", views=24)
TUNED = Recipe(
    cut="middle",
    augment="physics",
    views=8,
    head="mask",
    dropout=0.3,
    learning_rate=5e-4,
    epochs=15,
    patience=None,
    schedule="cosine",
    weight_decay=0.02,
    label_smoothing=0.05,
    mask_weight=0.5,
    bn_momentum=0.9,
    flip_average=True,
)

# Small images and few epochs, so that the largest network too is trained whole on two cores.
SCRATCH = replace(TUNED, init="random", cut="pixels", image_size=64, epochs=30)
# The cheapest four of the pretrained networks: a fold of all of them takes a quarter of an hour.
MOBILENETS = ("mobilenetv1", "mobilenetv2", "mobilenetv3_small", "mobilenetv3_large")
_TAUGHT = {"teachers": MOBILENETS, "distilled_share": 0.7, "temperature": 2.0}

RECIPES: dict[str, Recipe] = {
    "original": ORIGINAL,
    "original-unit_range": replace(ORIGINAL, input_range="unit"),
    "original-raw_range": replace(ORIGINAL, input_range="raw"),
    "original-squeeze": replace(ORIGINAL, fit="squeeze"),
    "original-no_augmentation": replace(ORIGINAL, augment="none", views=0),
    "original-vertical_flip": replace(ORIGINAL, augment="original_vertical"),
    "original-learning_rate_1e-3": replace(ORIGINAL, learning_rate=1e-3),
    "original-150_epochs": replace(ORIGINAL, epochs=150, patience=None),
    "original-class_weights": replace(ORIGINAL, class_weights=True),
    "original-no_dropout": replace(ORIGINAL, dropout=0.0),
    "original-mirror": replace(ORIGINAL, flip_average=True),
    "original-random_frozen": replace(ORIGINAL, init="random"),
    "original-unfrozen": _UNFROZEN,
    "original-unfrozen_momentum_0.9": replace(_UNFROZEN, bn_momentum=0.9),
    "original-unfrozen_bn_frozen": replace(_UNFROZEN, bn_frozen=True),
    "original-unfrozen_bn_remeasured": replace(_UNFROZEN, bn_remeasured=True),
    "original-unfrozen_25_epochs": replace(_UNFROZEN, patience=None),
    "original-random": replace(_UNFROZEN, init="random"),
    "original-squeeze_excitation": replace(ORIGINAL, cut="maps", head="squeeze_excitation"),
    "original-cbam": replace(ORIGINAL, cut="maps", head="cbam"),
    "original-self_attention": replace(ORIGINAL, cut="maps", head="self_attention"),
    "tuned": TUNED,
    "tuned-class_weights": replace(TUNED, class_weights=True),
    "tuned-30_epochs": replace(TUNED, epochs=30),
    "tuned-inpainted": replace(TUNED, marks="inpainted"),
    "tuned-plain_augmentation": replace(TUNED, augment="original"),
    "tuned-no_mask_loss": replace(TUNED, mask_weight=0.0),
    "tuned-no_mirror": replace(TUNED, flip_average=False),
    "tuned-momentum_0.999": replace(TUNED, bn_momentum=None),
    "tuned-frozen": replace(TUNED, cut="features", head="original", mask_weight=0.0),
    "tuned-no_smoothing_decay": replace(TUNED, label_smoothing=0.0, weight_decay=0.0),
    "tuned-constant_rate": replace(TUNED, schedule="constant"),
    # Stochastic weight averaging (Izmailov et al. 2018): a constant rate, batch norm measured anew.
    "tuned-averaged_epochs": replace(
        TUNED, schedule="constant", averaged_epochs=8, bn_remeasured=True
    ),
    "tuned-160_pixels": replace(TUNED, image_size=160),
    "tuned-128_pixels": replace(TUNED, image_size=128),
    "tuned-distilled": replace(TUNED, **_TAUGHT),
    "tuned-distilled_temperature_4": replace(TUNED, **_TAUGHT | {"temperature": 4.0}),
    # The original's proposal, for whoever has EfficientNetB3's weights.
    "tuned-distilled_efficientnetb3": replace(TUNED, **_TAUGHT | {"teachers": ("efficientnetb3",)}),
    "scratch": SCRATCH,
    "scratch-distilled": replace(SCRATCH, **_TAUGHT),
}

# They differ in how batch norm's averages are kept, not in the weights: see `average_readings`.
ONE_TRAINING = (
    "original-unfrozen",
    "original-unfrozen_momentum_0.9",
    "original-unfrozen_25_epochs",
    "original-unfrozen_bn_remeasured",
)

REFERENCE, LOGISTIC = "reference", "logistic"
# Logistic regression on frozen features that learns from a share of the training groups.
SHARES = {"logistic-groups_12": 1 / 8, "logistic-groups_25": 1 / 4, "logistic-groups_50": 1 / 2}
SHARES[LOGISTIC] = 1.0
# The same, its answers to the image and to its mirror image averaged.
MIRROR = f"{LOGISTIC}-mirror"
# The same, learning from and tested on changed images: see `shortcuts`.
CHANGES = {
    f"{LOGISTIC}-{change}": change
    for change in (
        "marks_inpainted",
        "lesion_only",
        "background_only",
        "border_only",
        "outline_only",
    )
}
# Endings of rows derived from others: `postprocessing`.
BALANCED, ENSEMBLE, SEEDS, MEAN = "-balanced", "-ensemble", "-seeds", "-mean"


def recipe_of(name: str) -> Recipe:
    """Return a recipe by name.

    Raises
    ------
    StudyError
        If there is none of that name.
    """
    if name not in RECIPES:
        raise StudyError(f"Unknown recipe '{name}': choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


def settings_of(name: str) -> dict[str, Any]:
    """Return what a name in a cell stands for, as far as it differs from the defaults."""
    for ending in (BALANCED, ENSEMBLE, SEEDS, MEAN):
        name = name.removesuffix(ending)
    return {} if name in (REFERENCE, MIRROR, *SHARES, *CHANGES) else recipe_of(name).changes()
