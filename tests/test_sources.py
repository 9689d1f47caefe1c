import shutil

import pytest
from PIL import Image
from small_busi import COUNTS, write_small_busi

from busi_utils.audit.sources import find_images, image_stem_of_mask, natural_key
from busi_utils.errors import StudyError


@pytest.fixture
def busi(tmp_path):
    return write_small_busi(tmp_path / "busi")


def _image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)


def test_images_come_in_natural_order_with_their_masks(busi):
    _image(busi / "benign" / "benign (10).png")
    _image(busi / "benign" / "benign (10)_mask.png")
    _image(busi / "benign" / "benign (10)_mask_1.png")
    images = find_images({"busi": busi})
    assert len(images) == sum(COUNTS.values()) + 1
    names = [image.image_id for image in images if image.label == "benign"]
    assert names == [f"benign ({i})" for i in [*range(1, 9), 10]]
    last = next(image for image in images if image.image_id == "benign (10)")
    assert [mask.name for mask in last.masks] == ["benign (10)_mask.png", "benign (10)_mask_1.png"]
    assert last.path == "benign/benign (10).png"
    assert last.file == busi / "benign" / "benign (10).png"


@pytest.mark.parametrize(
    "name",
    [
        "a (1)_mask.png",
        "a (1)_mask_1.jpg",
        "a (1)_MASK_12.BMP",
        "a (1)-mask.png",
        "a (1)_mask1.tif",
    ],
)
def test_masks_pair_whatever_their_suffix(tmp_path, name):
    assert image_stem_of_mask(tmp_path / name) == "a (1)"


@pytest.mark.parametrize("name", ["masked (1).png", "a (1).png", "mask.png"])
def test_an_image_is_no_mask(tmp_path, name):
    assert image_stem_of_mask(tmp_path / name) is None


def test_natural_key_takes_digits_of_every_script():
    assert sorted(["a (10)", "a (²)", "a (2)", "b"], key=natural_key)[0] == "a (2)"


def test_further_sources_are_prefixed_and_may_lack_masks(busi, tmp_path):
    for label in COUNTS:
        _image(tmp_path / "clinic" / label / "0001.jpg")
    images = find_images({"busi": busi, "clinic": tmp_path / "clinic"})
    names = [image.image_id for image in images if image.source == "clinic"]
    assert names == ["clinic/normal/0001", "clinic/benign/0001", "clinic/malignant/0001"]
    assert not any(image.masks for image in images if image.source == "clinic")


def test_a_further_source_may_lack_a_class_but_not_misspell_one(busi, tmp_path):
    for label in ("benign", "malignant"):
        _image(tmp_path / "clinic" / label / "0001.jpg")
    sources = {"busi": busi, "clinic": tmp_path / "clinic"}
    assert [i.label for i in find_images(sources) if i.source == "clinic"] == [
        "benign",
        "malignant",
    ]
    (tmp_path / "clinic" / "malignant").rename(tmp_path / "clinic" / "malignat")
    assert "'malignat' seems to be meant" in _complaint(sources)


def test_the_doubled_folder_of_mirrors_is_resolved(busi, tmp_path):
    inner = tmp_path / "mirror" / "Dataset_BUSI_with_GT" / "Dataset_BUSI_with_GT"
    shutil.copytree(busi, inner)
    assert {image.root for image in find_images({"busi": tmp_path / "mirror"})} == {inner}
    shutil.copytree(busi, inner.parent, dirs_exist_ok=True)
    assert {image.root for image in find_images({"busi": tmp_path / "mirror"})} == {inner.parent}


def _complaint(sources):
    with pytest.raises(StudyError) as error:
        find_images(sources)
    return str(error.value)


def test_a_misspelt_class_folder_is_recognised(busi):
    (busi / "benign").rename(busi / "bening")
    text = _complaint({"busi": busi})
    assert "no folder 'benign' (found: bening, malignant, normal)" in text
    assert "'bening' seems to be meant, rename it to 'benign'" in text


def test_an_absent_class_folder_is_named(busi):
    shutil.rmtree(busi / "normal")
    assert "no folder 'normal' (found: benign, malignant); add that folder" in _complaint(
        {"b": busi}
    )


def test_an_empty_class_is_named(busi):
    shutil.rmtree(busi / "normal")
    (busi / "normal").mkdir()
    assert "no source holds an image of class normal" in _complaint({"busi": busi})


def test_wrong_folders_are_named(busi, tmp_path):
    assert "does not exist" in _complaint({"busi": tmp_path / "nowhere"})
    assert "none of the class folders normal, benign, malignant" in _complaint(
        {"busi": busi / "benign"}
    )
    write_small_busi(tmp_path / "two" / "b")
    shutil.copytree(busi, tmp_path / "two" / "a")
    assert "Several folders" in _complaint({"busi": tmp_path / "two"})
    assert "No data source" in _complaint({})


def test_all_problems_of_all_sources_come_in_one_message(busi, tmp_path):
    folder = busi / "benign"
    (folder / "benign (1)_mask.png").unlink()
    (folder / "benign (3).png").unlink()
    _image(folder / "Benign (4).BMP")
    (folder / "scan.dcm").touch()
    (folder / "patient 7").mkdir()
    (folder / ".DS_Store").touch()
    (folder / "Thumbs.db").touch()
    text = _complaint({"busi": busi, "clinic": tmp_path / "nowhere"})
    assert text.startswith("6 problems in the data, nothing was written")
    assert "benign (1).png has no mask" in text
    assert "benign (3)_mask.png is the mask of an image that is not there" in text
    assert "2 files named 'benign (4)'" in text
    assert "scan.dcm is not a png/" in text
    assert "patient 7 is a folder inside a class" in text
    assert "source clinic: the folder" in text
    assert len(text.splitlines()) == 7


def test_a_long_list_of_problems_is_cut(busi):
    for number in range(30):
        (busi / "benign" / f"{number}.dcm").touch()
    text = _complaint({"busi": busi})
    assert text.endswith("... and 10 more")


def test_a_reference_without_any_mask_is_taken(busi):
    for mask in busi.rglob("*_mask.png"):
        mask.unlink()
    assert len(find_images({"clinic": busi})) == sum(COUNTS.values())
