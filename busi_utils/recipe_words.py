"""What recipes, their settings and the rows made of them are called in figures and tables."""

from __future__ import annotations

from busi_utils.recipes import (
    BALANCED,
    ENSEMBLE,
    LOGISTIC,
    MEAN,
    MIRROR,
    REFERENCE,
    SEEDS,
    recipe_of,
)

_LABELS = {
    "original": "as written",
    "original-unit_range": "pixels in [0, 1], not [-1, 1]",
    "original-raw_range": "pixels 0-255, not [-1, 1]",
    "original-squeeze": "aspect ratio squeezed away",
    "original-no_augmentation": "no augmentation",
    "original-vertical_flip": "vertical flips too",
    "original-learning_rate_1e-3": "learning rate 1e-3",
    "original-150_epochs": "150 epochs",
    "original-class_weights": "class weights",
    "original-no_dropout": "no dropout",
    "original-mirror": "as written, mirror images at test",
    "original-random_frozen": "random weights, frozen",
    "original-unfrozen": "whole network trained",
    "original-unfrozen_momentum_0.9": "whole network trained, momentum 0.9",
    "original-unfrozen_bn_frozen": "whole network trained, batch norm frozen",
    "original-unfrozen_bn_remeasured": "whole network trained, statistics measured anew",
    "original-unfrozen_25_epochs": "whole network trained, no early stopping",
    "original-random": "random weights, all trained",
    REFERENCE: "no network",
    LOGISTIC: "logistic regression on frozen features",
    MIRROR: "logistic regression, mirror images at test",
    "original-squeeze_excitation": "squeeze-and-excitation on frozen maps",
    "original-cbam": "CBAM on frozen maps",
    "original-self_attention": "self-attention on frozen maps",
    "tuned": "tuned: upper blocks, masks, physics",
    "tuned-class_weights": "tuned, class weights",
    "tuned-30_epochs": "tuned, 30 epochs",
    "tuned-inpainted": "tuned, marks inpainted",
    "tuned-plain_augmentation": "tuned, augmentation as written",
    "tuned-no_mask_loss": "tuned without lesion masks",
    "tuned-no_mirror": "tuned without mirror images at test",
    "tuned-momentum_0.999": "tuned, batch-norm momentum 0.999",
    "tuned-frozen": "tuned, whole backbone frozen, no masks",
    "tuned-no_smoothing_decay": "tuned without label smoothing and weight decay",
    "tuned-constant_rate": "tuned at a constant learning rate",
    "tuned-averaged_epochs": "tuned, weights averaged over epochs",
    "tuned-160_pixels": "tuned, 160 px",
    "tuned-128_pixels": "tuned, 128 px",
    "tuned-distilled": "tuned, distilled at temperature 2",
    "tuned-distilled_temperature_4": "tuned, distilled at temperature 4",
    "tuned-distilled_efficientnetb3": "tuned, distilled from EfficientNetB3",
    "scratch": "from random weights, 64 px",
    "scratch-distilled": "from random weights, 64 px, distilled",
}

_DERIVED = {
    BALANCED: ", corrected for class shares",
    ENSEMBLE: ", corrected, mean of its seeds",
    SEEDS: ", mean of its seeds",
    MEAN: ", equal mean",
}
_FIELDS = {
    "init": "start",
    "cut": "frozen",
    "input_range": "pixel range",
    "fit": "fit to the square",
    "marks": "burnt-in marks",
    "augment": "augmentation",
    "views": "random views kept of each image",
    "patience": "epochs without gain before stopping",
    "schedule": "learning rate over time",
    "mask_weight": "weight of the mask loss",
    "averaged_epochs": "epochs averaged",
    "bn_momentum": "batch-norm momentum",
    "bn_frozen": "batch norm frozen",
    "bn_remeasured": "batch-norm statistics measured anew",
    "flip_average": "mirror images averaged at test",
}
_VALUES = {
    ("cut", "features"): "the whole backbone",
    ("cut", "maps"): "the whole backbone, its maps not pooled",
    ("cut", "middle"): "the blocks down to 28 x 28",
    ("cut", "pixels"): "nothing",
    ("input_range", "right"): "[-1, 1], as in pretraining",
    ("fit", "letterbox"): "padded, aspect ratio kept",
    ("augment", "original"): "as the report lists it",
    ("augment", "physics"): "flip, small warp, gain, contrast, depth gain, speckle, blur",
    ("head", "original"): "as the report lists it",
    ("head", "mask"): "features pooled, plain and weighted by a predicted mask; softmax",
    ("head", "squeeze_excitation"): "channels weighed (squeeze-and-excitation), then as listed",
    ("head", "cbam"): "channels and places weighed (CBAM), then as the report lists it",
    ("head", "self_attention"): "four heads of self-attention over 49 cells, then as listed",
    ("patience", None): "all are run",
    ("class_weights", False): "none",
    ("class_weights", True): "inverse to frequency",
    ("flip_average", False): "no",
    ("flip_average", True): "yes",
    ("schedule", "cosine"): "warm-up, then cosine to 0",
    ("bn_momentum", None): "the network's own",
}


def in_words(name: str) -> dict[str, tuple[str, str]]:
    """Return the name and the value of each field of a recipe, as a reader would say them."""
    return {
        field: (
            _FIELDS.get(field, field.replace("_", " ")),
            _VALUES.get((field, value), str(value)),
        )
        for field, value in recipe_of(name).as_dict().items()
    }


def label_of(recipe: str) -> str:
    """Return the words for a recipe in figures and tables."""
    for ending, words in _DERIVED.items():
        if recipe.endswith(ending):
            return brief_of(recipe.removesuffix(ending)) + words
    return _LABELS.get(recipe, recipe.removeprefix("original-").replace("_", " "))


def brief_of(recipe: str) -> str:
    """Return the words for a recipe without what a text explains."""
    return label_of(recipe).partition(":")[0].removesuffix(" on frozen features")
