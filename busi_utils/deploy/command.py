"""``busi-predict IMAGE...``: ask the released network about images, without TensorFlow."""

from __future__ import annotations

import argparse
import glob
import json
import sys
from collections.abc import Sequence
from os.path import realpath
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from busi_utils.audit.sources import IMAGE_SUFFIXES
from busi_utils.deploy.prediction import Answer, Release, read_frame
from busi_utils.errors import StudyError, told
from busi_utils.workspace import atomic_path

_IS_NOT = """\
Research only, not a medical device. The network was trained on single B-mode frames of one
hospital (BUSI): it is no substitute for a reader, knows neither the woman nor the other frames, and
is not for Doppler, elastography, annotated or cropped images, nor for other organs. What to expect
of it elsewhere stands in release/README.md."""
_EXIT = """\
exit codes: 0 every image was answered; 1 some were refused, each with a sentence; 2 nothing could
be done; 130 stopped by Ctrl-C."""
_MANY = 10  # images from which progress is shown
_ORANGE = (0, 159, 230)  # BGR; told apart from grey by readers with any colour vision


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``busi-predict --help`` for what it returns."""
    return told(lambda: _answer(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="busi-predict",
        description=f"Normal, benign or malignant?\n\n{_IS_NOT}",
        epilog=_EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="file, folder or pattern ('*')")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument(
        "--explain",
        type=Path,
        metavar="PNG",
        help="picture of the frame with heat map and outline; for one image",
    )
    return parser


def _answer(arguments: argparse.Namespace) -> int:
    paths, found = _asked(arguments.images)
    if arguments.explain and len(paths) != 1:
        raise StudyError(f"--explain draws one image, {len(paths)} were named: name one.")
    if arguments.explain and arguments.explain.suffix.lower() != ".png":
        raise StudyError(f"--explain writes a PNG, not {arguments.explain.name}: end it in .png.")
    if arguments.explain and realpath(arguments.explain) == realpath(paths[0]):
        raise StudyError(f"--explain would overwrite {paths[0]}, the image: name another file.")
    release = Release()
    quiet = len(paths) < _MANY or not sys.stderr.isatty()
    for path in tqdm(paths, unit="image", disable=quiet):
        try:
            grey = read_frame(path)
            answer = release.ask(grey)
        except StudyError as error:
            found.append({"file": str(path), "refused": str(error)})
            continue
        found.append({"file": str(path), **release.verdict(answer, grey.shape)})
        if arguments.explain:
            _draw(arguments.explain, grey, answer)
    if arguments.json:
        network = {key: release.facts[key] for key in ("name", "refer_below", "temperature")}
        print(json.dumps({"note": _IS_NOT, "network": network, "images": found}, indent=1))
    else:
        _print_table(found, release)
    return int(any("refused" in one for one in found))


def _asked(texts: Sequence[str]) -> tuple[list[Path], list[dict[str, Any]]]:
    """Return the files that the arguments name, and a refusal for each that names none."""
    paths, refused = {}, []
    for text in texts:
        try:
            paths |= dict.fromkeys(_named(text))
        except StudyError as error:
            refused.append({"file": text, "refused": str(error)})
        except (
            OSError,
            RuntimeError,
        ) as error:  # a folder not to be read; no such home; a long name
            reason = getattr(error, "strerror", "") or error
            sentence = f"{text} cannot be looked up ({reason}): correct it or its permissions."
            refused.append({"file": text, "refused": sentence})
    if not paths:
        raise StudyError(_shown(" ".join(one["refused"] for one in refused)))
    return list(paths), refused


def _named(text: str) -> list[Path]:
    """Return the files that an argument names: those of a folder, of a pattern, or itself."""
    if not text:  # a variable without a value, else read as the folder that one is in
        raise StudyError("An argument is empty: name an image.")
    path = Path(text).expanduser()
    if path.is_dir():
        files = (p for p in path.iterdir() if p.is_file())
        found = sorted(p for p in files if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            kinds = ", ".join(IMAGE_SUFFIXES)
            raise StudyError(f"The folder {path} holds no {kinds}: name another.")
        return found
    if glob.has_magic(text) and not path.exists():
        found = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())
        if not found:
            raise StudyError(f"No file fits {text}: correct the pattern.")
        return found
    return [path]


def _print_table(found: Sequence[dict[str, Any]], release: Release) -> None:
    classes = release.facts["classes"]
    answered = [one for one in found if "label" in one]
    if answered:
        names = [_shown(Path(one["file"]).name) for one in answered]
        wide = max(map(len, names))
        heads = "".join(f"{name:>11}" for name in classes)
        print(f"{'image':{wide}}{heads}  most likely")
        for name, one in zip(names, answered, strict=True):
            numbers = "".join(f"{p:11.1%}" for p in one["probabilities"].values())
            refer = f" (below {release.facts['refer_below']:.0%}: I'd refer this)"
            print(f"{name:{wide}}{numbers}  {one['label']}{refer if one['referred'] else ''}")
    for one in found:
        if "refused" in one:
            print(_shown(one["refused"]), file=sys.stderr)
    print(f"\n{_IS_NOT}", file=sys.stderr)


def _shown(text: str) -> str:
    """Return a text on one line: a name may hold a line break, or move the cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _draw(target: Path, grey: np.ndarray, answer: Answer) -> None:
    """Write the frame, and beside it the same with the mask as heat map and its outline."""
    mask = answer.over(grey.shape)
    frame = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    colours = cv2.applyColorMap((255 * mask).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    share = 0.5 * mask[..., None]
    heat = (frame * (1 - share) + colours * share).astype(np.uint8)
    lines, _ = cv2.findContours(
        (mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(heat, lines, -1, _ORANGE, max(1, round(max(grey.shape) / 300)))
    png = cv2.imencode(".png", np.hstack([frame, heat]))[1].tobytes()
    with atomic_path(target) as temporary:
        Path(temporary).write_bytes(png)


if __name__ == "__main__":
    sys.exit(main())
