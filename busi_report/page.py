"""The page: the released network and its runtime in one HTML file that asks no server.

`page/` holds the template, the scripts and the style. ONNX Runtime Web comes from npm, in the
versions of `page/package-lock.json`; runtime and network go in as gzip, in base64.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import cv2

from busi_phantom.render import render_phantoms
from busi_utils import CLASSES
from busi_utils.deploy.prediction import NETWORK, RELEASE, RESTORE, read_release
from busi_utils.errors import StudyError
from busi_utils.kept import read_bytes, read_json
from busi_utils.record.numbers import read_metrics
from busi_utils.record.templates import environment, fill
from busi_utils.workspace import REPOSITORY, workspace_for, write_text

SOURCES = REPOSITORY / "page"
RULES = REPOSITORY / "busi_utils" / "data" / "frame_rules.json"
BUILT = REPOSITORY / "build" / "page"
PAGE = BUILT / "busi-predict.html"
LARGEST = 26_000_000  # bytes
_STAMPS = ("installed-page.json", "installed-all.json")
RUNTIME = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_EXPECTED = """\
{% if errors is defined and baseline.tuned is defined %}
What to expect, from networks trained like this one: on BUSI images that they were not trained on, \
{{ baseline.tuned | ci("accuracy") }} of the answers are right. On {{ errors.external.title }}, \
images of another hospital, they tell malignant from benign with an AUC of \
{{ errors.external.one.auc | decimal }} instead of {{ errors.external.home.auc | decimal }} and, \
at the threshold for 90 % specificity on inner validation images, find \
{{ errors.external.one.sensitivity | pct }} of the malignant lesions instead of \
{{ errors.external.home.sensitivity | pct }}.
{% else %}
How good networks like this one are has not been measured in this repository.
{% endif %}"""


def installed(*, development: bool = False) -> bool:
    """Whether the locked npm packages are there, with those that only check the page if asked."""
    wanted = (SOURCES / "package-lock.json").read_bytes()
    stamps = [BUILT / name for name in (_STAMPS[1:] if development else _STAMPS)]
    return any(stamp.is_file() and stamp.read_bytes() == wanted for stamp in stamps)


def packages(*, development: bool = False) -> Path:
    """Return the folder ``node_modules`` of the locked npm packages; install them if need be.

    Parameters
    ----------
    development : bool
        Also those that only check the page.

    Raises
    ------
    StudyError
        If npm is not there or refuses.
    """
    if installed(development=development):
        return BUILT / "node_modules"
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in _STAMPS:
        (BUILT / name).unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, BUILT)
    command = ["npm", "ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"]
    command += [] if development else ["--omit=dev"]
    try:
        subprocess.run(command, cwd=BUILT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise StudyError(
            f"The page's packages could not be installed with npm ({said}): install Node.js 20 or "
            "later with npm, or check its registry."
        ) from error
    shutil.copy(SOURCES / "package-lock.json", BUILT / _STAMPS[development])  # last: it is whole
    return BUILT / "node_modules"


def build_page(target: Path = PAGE, modules: Path | None = None) -> Path:
    """Write the page.

    Parameters
    ----------
    target : Path
    modules : Path, optional
        Folder ``node_modules``; by default `packages` installs it.

    Raises
    ------
    StudyError
        If npm refuses, the released network is missing or is not the file that was released, or
        the page would have more than 26 MB.
    """
    dist = (modules or packages()) / "onnxruntime-web"
    version = read_json(dist / "package.json", "run 'make clean' and build again.")["version"]
    runtime, glue, wasm = (read_bytes(dist / "dist" / name, RESTORE) for name in RUNTIME)
    facts, network = read_release(RELEASE)
    shown = {name: facts[name] for name in ("classes", "refer_below", "size")}
    shown["rules"] = read_json(RULES, RESTORE, ("sentences",))
    shown["samples"] = samples()
    shown["bytes"] = {"glue": len(glue), "wasm": len(wasm), "model": len(network)}
    own = [(SOURCES / name).read_text(encoding="utf-8") for name in ("frame.js", "page.js")]
    scripts = [_within_html(text) for text in (runtime.decode("utf-8"), *own)]
    style = (SOURCES / "style.css").read_text(encoding="utf-8")
    values = {
        "style": style,
        "style_hash": _csp_hash(style),
        "scripts": scripts,
        "script_hashes": " ".join(f"'{_csp_hash(text)}'" for text in scripts),
        "facts": _within_html(json.dumps(shown, allow_nan=False)),
        "glue": _packed(glue),
        "wasm": _packed(wasm),
        "network": _packed(network),
        "model": NETWORK,
        "megabytes": f"{len(network) / 1e6:.1f}",
        "sha256": facts["files"][NETWORK]["sha256"][:16],
        "runtime_version": version,
        "expected": fill(_EXPECTED, read_metrics(workspace_for("busi")), "The page").strip(),
    }
    template = (SOURCES / "index.html").read_text(encoding="utf-8")
    html = environment().from_string(template).render(values)
    if len(html.encode()) > LARGEST:
        raise StudyError(f"The page would have {len(html) / 1e6:.1f} MB: ship a smaller network.")
    write_text(target, html)
    return target


def samples() -> list[dict[str, str]]:
    """Return one phantom a class: its name, and a PNG as data URL."""
    found = []
    for phantom in render_phantoms(CLASSES, seed=0):
        png = cv2.imencode(".png", phantom.image)[1].tobytes()
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        found.append({"name": f"{phantom.label} phantom", "url": url})
    return found


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _within_html(text: str) -> str:
    """Keep the end of a script element out of its text."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _csp_hash(text: str) -> str:
    """Return what a content security policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
