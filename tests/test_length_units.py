"""A person of 1700 m or 17 cm is refused, with the unit of length that the number looks like."""

import dataclasses

import pytest

from smpl2mjcf import BodyError, MotionFileError
from smpl2mjcf.body import STATURE_RANGE
from smpl2mjcf.bone_fit import fit_betas, joint_lengths
from smpl2mjcf.length_units import looks_like

SCALES = [
    (1000, "millimetres"),
    (100, "centimetres"),
    (10, "decimetres"),
    (1 / 0.0254, "inches"),
    (1 / 0.3048, "feet"),
    (0.1, "tens of metres"),
    (0.01, "hundreds of metres"),
    (0.001, "kilometres"),
]


@pytest.mark.parametrize(("scale", "unit"), SCALES)
def test_a_stature_tells_its_unit(scale, unit):
    assert unit in looks_like(1.7 * scale, STATURE_RANGE).split(" or ")


def test_an_ambiguous_number_names_every_unit():
    assert looks_like(67, STATURE_RANGE) == "centimetres or inches"
    assert looks_like(1e9, STATURE_RANGE) == "no unit of length that we know"


@pytest.mark.parametrize(("scale", "unit"), SCALES)
def test_a_body_of_another_unit_is_refused(default_body, scale, unit):
    with pytest.raises(
        BodyError, match=f"tall along y: it looks like .*{unit}.*; metres with y up are accepted"
    ):
        dataclasses.replace(default_body, v_template=scale * default_body.v_template)


@pytest.mark.parametrize(("scale", "unit"), SCALES)
def test_a_skeleton_of_another_unit_is_refused(default_body, scale, unit):
    rest = dict(zip(default_body.joint_names, default_body.joint_regressor @ default_body.v_template))
    lengths = {name: scale * length for name, length in joint_lengths(rest).items()}
    with pytest.raises(
        MotionFileError,
        match=f"its unit of length is wrong; taken for metres, its numbers look like .*{unit}",
    ):
        fit_betas(default_body, lengths)
