"""Fetch the official BUSI data set.

Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 2020;28:104863,
doi 10.1016/j.dib.2019.104863. The publisher states no checksum of the archive, so the extracted
images are held against the committed identities of all 780 (`published.read_published`) instead.
"""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pooch
from filelock import FileLock
from requests.exceptions import RequestException

from busi_utils.audit.class_folders import class_root
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.audit.published import read_published
from busi_utils.audit.sources import find_images
from busi_utils.errors import StudyError
from busi_utils.workspace import path_from

PAGE = "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset"
ARCHIVE = "https://scholar.cu.edu.eg/Dataset_BUSI.zip"
KAGGLE = "aryashah2k/breast-ultrasound-images-dataset"
FOLDER = "Dataset_BUSI_with_GT"
_MOST_BYTES = 10**9
MASKS = 798
_RETRIES = 3
_TIMEOUT_S = 60


def download_busi(
    folder: str | Path, url: str = ARCHIVE, known_hash: str | None = None, progress: bool = True
) -> Path:
    """Download, unpack and verify BUSI; a complete copy that is there already is kept.

    An interrupted transfer is begun anew, up to three times. If the official server fails and
    ``kagglehub`` is installed, the Kaggle copy is fetched instead. The data appear in their place
    only when they are complete and verified.

    Parameters
    ----------
    folder : path
        Receives ``Dataset_BUSI_with_GT/{benign,malignant,normal}``.
    url : str
        The archive.
    known_hash : str, optional
        SHA-256 of the archive, if it is known.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        The folder with the class folders: the value for ``BUSI_DATA``.

    Raises
    ------
    StudyError
        If neither way leads to a complete data set; the message tells how to get it by hand.
    """
    folder = path_from(folder, "folder")
    target, work = folder / FOLDER, folder / ".download"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            if target.exists():
                verify_busi(target)
                return target
            shutil.rmtree(work, ignore_errors=True)  # left by a run that was killed
            try:
                found = _fetch(work, url, known_hash, progress)
                verify_busi(found)
                found.replace(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StudyError(
            f"BUSI could not be stored in {folder} ({error.strerror or error}): free space or "
            "permissions, then run again."
        ) from error
    return target


def verify_busi(folder: str | Path) -> None:
    """Hold a folder against the 780 official images (by pixels) and the number of masks.

    Raises
    ------
    StudyError
        If images are missing, additional or altered, or the number of masks differs.
    """
    images = find_images({"busi": folder})
    found = {image.image_id: pixel_sha256(read_grey(image.file)) for image in images}
    expected = read_published().set_index("image_id")["sha256"].to_dict()
    masks = sum(len(image.masks) for image in images)
    wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
    if wrong or masks != MASKS:
        example = f", for instance {wrong[0]}" if wrong else ""
        raise StudyError(
            f"{folder} is not the official BUSI: {len(wrong)} of {len(expected)} images are "
            f"missing, additional or altered{example}; {masks} masks instead of {MASKS}: "
            "delete the folder and download again."
        )


def _fetch(work: Path, url: str, known_hash: str | None, progress: bool) -> Path:
    """Get the data by the first way that works; return the folder with the class folders."""
    try:
        archive = _download(work, url, known_hash, progress)
        return class_root(unpack(archive, work / "unpacked"))
    except (RequestException, ValueError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__}: {error}"
    if importlib.util.find_spec("kagglehub"):
        import kagglehub

        try:
            copy = kagglehub.dataset_download(KAGGLE)
        except Exception as error:  # kagglehub raises many kinds; all mean the second way failed
            reason += f"; kagglehub: {type(error).__name__}: {error}"
        else:
            return shutil.copytree(class_root(Path(copy)), work / FOLDER)
    raise StudyError(
        f"BUSI could not be downloaded from {url} ({reason}). By hand: get the archive from {PAGE} "
        f"or https://www.kaggle.com/datasets/{KAGGLE}, unpack it, and name its folder {FOLDER} in "
        "BUSI_DATA; or install kagglehub and run again."
    )


def _download(work: Path, url: str, known_hash: str | None, progress: bool) -> Path:
    store = pooch.create(
        path=work,
        base_url="",
        registry={"busi.zip": known_hash},
        urls={"busi.zip": url},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_S)
    return Path(store.fetch("busi.zip", downloader=downloader))


def unpack(archive: Path, folder: Path) -> Path:
    """Extract a zip archive into a new folder, refusing what BUSI's cannot be.

    Raises
    ------
    StudyError
        If an entry has an absolute path, climbs with ``..`` or is a link ("zip slip"), if it is
        encrypted, or if all would fill more than a gigabyte ("zip bomb").
    zipfile.BadZipFile
        If the archive is damaged.
    """
    with zipfile.ZipFile(archive) as content:
        size = sum(entry.file_size for entry in content.infolist())  # no entry may become larger
        if size > _MOST_BYTES:
            raise StudyError(
                f"The archive {archive.name} would fill {size / 1e9:.1f} GB, BUSI fills 0.3; "
                "nothing was unpacked. Get BUSI from its official page."
            )
        for entry in content.infolist():
            if entry.flag_bits & 1:
                raise StudyError(
                    f"The archive {archive.name} is encrypted, BUSI's is not; nothing was "
                    "unpacked. Get BUSI from its official page."
                )
            # Windows rules also read / as a separator, so they cover both kinds of path.
            path = PureWindowsPath(entry.filename)
            outside = path.drive or path.root or ".." in path.parts
            link = (entry.external_attr >> 16) & 0o170000 == 0o120000
            if outside or link or PurePosixPath(entry.filename).is_absolute():
                raise StudyError(
                    f"The archive {archive.name} is unsafe: its entry {entry.filename!r} points "
                    "outside; nothing was unpacked. Get BUSI from its official page."
                )
        content.extractall(folder)
    return folder
