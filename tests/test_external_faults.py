"""What is wrong with an external set is said in one sentence."""

import shutil

import pandas as pd
import pytest
from small_external import edited, table_of

from busi_utils.audit.external_sets import read_external
from busi_utils.errors import StudyError


def _without(column):
    def break_it(folder):
        table_of(folder).drop(columns=column).to_csv(folder / "bus_data.csv", index=False)

    return break_it


def _twice(folder):
    table = table_of(folder)
    pd.concat([table, table.iloc[[2]]]).to_csv(folder / "bus_data.csv", index=False)


def _lose_two(folder):
    for name in ("bus_0002-l", "bus_0003-s"):
        (folder / "Images" / f"{name}.png").unlink()


def _more_fields(folder):
    with (folder / "bus_data.csv").open("a") as file:
        file.write("one,field,more,than,the,table,has,of,columns,ok,no\n")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (shutil.rmtree, r"The BUS-BRA folder .*busbra does not exist: correct .* BUSBRA_DATA\."),
        (
            lambda folder: (folder / "bus_data.csv").unlink(),
            r"bus_data\.csv does not exist: name the folder that holds this label table\.",
        ),
        (_without("Case"), r"bus_data\.csv has no column 'Case' \(it has ID, .*\): restore"),
        (_without("Pathology"), r"bus_data\.csv has no column 'Pathology' \(it has"),
        (
            lambda folder: edited(folder / "bus_data.csv", ",benign,", ",bening,"),
            r"bus_data\.csv, row 2, has 'bening' as 'Pathology': correct it to one of normal, ben",
        ),
        (
            lambda folder: edited(folder / "bus_data.csv", "-s,1,", "-s,,"),
            r"bus_data\.csv, row 2, has no 'Case': fill it in or remove the row\.",
        ),
        (
            _lose_two,
            r"row 3 \(the first of 2 such rows\), belongs to .*0002-l\.png, which does not exist",
        ),
        (
            lambda folder: shutil.copy(
                folder / "Images" / "bus_0001-s.png", folder / "Images" / "bus_9999-s.png"
            ),
            r"bus_9999-s\.png is not listed in .*bus_data\.csv: add its row or move it elsewhere\.",
        ),
        (_twice, r"bus_data\.csv, row 11, lists bus_0002-r again after row 4: remove one of"),
        (
            lambda folder: shutil.rmtree(folder / "Images"),
            r"Images does not exist: restore that folder of the data set\.",
        ),
        (_more_fields, r"bus_data\.csv could not be read as a table separated by ','"),
        (
            lambda folder: (folder / "bus_data.csv").write_bytes(b"ID,Case,Pathology\n\xff,1,2\n"),
            r"bus_data\.csv could not be read as a table",
        ),
        (
            lambda folder: (folder / "bus_data.csv").write_text(
                ",".join(table_of(folder).columns) + "\n"
            ),
            r"bus_data\.csv lists no image: restore",
        ),
        (
            lambda folder: (folder / "Images" / "bus_0001-s.png").write_bytes(b"no image"),
            r"bus_0001-s\.png is not a PNG",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(busbra, break_it, says):
    break_it(busbra)
    with pytest.raises(StudyError, match=says) as raised:
        read_external("busbra", busbra)
    assert "\n" not in str(raised.value)


def test_an_unknown_flag_or_set_is_refused(busuclm):
    edited(busuclm / "INFO.csv", ";No;", ";Maybe;")
    with pytest.raises(StudyError, match=r"INFO\.csv, row 2, has 'Maybe' as 'Doppler': correct"):
        read_external("busuclm", busuclm)
    with pytest.raises(StudyError, match="Unknown external set 'busi': choose one of busbra, bus"):
        read_external("busi", busuclm)
