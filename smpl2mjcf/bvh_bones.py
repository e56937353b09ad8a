"""BVH recordings as recorded bones, and as motions.

A knee's axis is the lateral one, carried along as the leg spreads in the zero pose; an elbow's is that of a
T-pose with the palms down, carried along as the arm sinks. Where the record bends otherwise, a warning says
so. The unit of length is the user's to tell: a BVH does not store it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .body import Body
from .bone_fit import THIGH_RANGE, joint_lengths
from .bvh import BvhClip, joint_poses, lost_bones, read_bvh
from .bvh_names import TRUNK, Naming, find_joints, of_side, plain_names
from .bvh_rest import limb_ends, rest_axes, rest_joints
from .errors import MotionFileError
from .lost_limbs import warn_of_lost_limbs
from .motion import Motion
from .recorded_bones import DOWN, SMPL_KNEE, RecordedBones, leg_sole, outward, smpl_elbow, smpl_wrist
from .retarget import motion_of_bones
from .skeleton import BODY_JOINTS, SIDES
from .turning import smallest_rotation

Array = NDArray[np.float64]

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
"""Metres in each unit of length that a user can name; "cmu" is that of CMU's library and its conversions."""

ADULT_THIGH = (0.28, 0.6)
"""m; narrow enough to tell centimetres from inches."""

FARTHEST_HINGE = np.deg2rad(35)
"""How far a recorded knee's axis may lie from the one that its zero pose tells; an elbow's, twice as far: its
joint also holds pronation."""

SMPL_SLANT = np.deg2rad(20)
"""How far a shank or forearm of SMPL's own T-pose may slant; the default body's do by 6 and 1.5 degrees."""

UP = np.array([0.0, 1.0, 0.0])

FLEXED = np.deg2rad(25)
"""A joint's axis shows where it is flexed at least this much; twist and noise outweigh less."""

CLEAR_JUMP = np.deg2rad(8)
"""The middle joint's turn from the first frame to the second that no recording makes, and a third of it in
the frames after it."""


def read_bvh_motion(
    path: Path,
    body: Body,
    fps: float | None = None,
    unit: str | None = None,
    R_yup_file: Array | None = None,
) -> Motion:
    """The y-up Motion of a BVH file on a body fitted to its bones.

    fps: frames per second, where the file's Frame Time is wrong (a warning says when they differ) or too
    short to tell (a warning says what was taken). unit: of UNITS, the file's unit of length. R_yup_file: the
    rotation (3, 3) from the file's world axes to y-up ones; None for a file whose world is y up.

    Raises MotionFileError for a file that cannot be read, joint names of no known kind, a zero pose that no
    person takes, a missing or wrong unit (the message says which would fit), or, without R_yup_file, a
    person who stands along another axis than y.
    """
    clip = read_bvh(path)
    bones = bvh_bones(clip, path, unit, R_yup_file)
    rate = clip.fps if fps is None else float(fps)
    if fps is None and clip.rate_doubt:
        warnings.warn(f"{path}: its Frame Time {clip.rate_doubt}; --fps overrules", stacklevel=2)
    if abs(rate - clip.fps) > 1e-3 * rate and not clip.rate_doubt:
        warnings.warn(
            f"{path} states {clip.fps:.6g} frames/s; {rate:g} was asked for and is used", stacklevel=2
        )
    bones = _without_posed_start(bones, rate, path)
    return motion_of_bones(body, bones, rate, path.name)


def bvh_bones(clip: BvhClip, path: Path, unit: str | None, R_yup_file: Array | None = None) -> RecordedBones:
    """The recorded bones of a BVH clip whose lengths are in a unit of UNITS, in a y-up world.

    Bones that the file has lost are named in one warning, and lengths that need them are left out.
    Raises MotionFileError for joint names or a zero pose of no known kind, a missing or wrong unit, or a
    vertical that is not y where no R_yup_file is given.
    """
    naming, joints = find_joints(clip, path)
    metres = _metres(clip, joints, path, unit)
    axes, up_rest = rest_axes(clip, joints, path)
    orientation, starts = joint_poses(clip)
    if R_yup_file is None:
        _require_y_up((orientation[joints["pelvis"]] * axes["pelvis"]).apply(UP), up_rest, path)
    else:
        # Only the world turns: the zero pose is read in the file's axes, whichever these are.
        orientation = [Rotation.from_matrix(R_yup_file) * pose for pose in orientation]
        starts = starts @ R_yup_file.T
    world = {joint: orientation[j] * axes[joint] for joint, j in joints.items()}
    end = limb_ends()
    rest = rest_joints(clip, joints, axes)
    direction, hinge, sole = {}, {}, {}
    for side in SIDES:
        for joint in ("hip", "knee", "shoulder", "elbow"):
            name = f"{side}_{joint}"
            direction[name] = rest[end[name]] - rest[name]
        spread = _carried(DOWN, direction[f"{side}_knee"], naming)
        sunk = _carried(outward(side), direction[f"{side}_elbow"], naming)
        # CMU's elbow axes are turned by 30 degrees from those of level palms (its ASF files: axis 180 30 90).
        tilt = Rotation.from_rotvec([np.deg2rad(-30.0) if naming.cmu else 0.0, 0.0, 0.0])
        hinge[f"{side}_knee"] = spread.apply(SMPL_KNEE)
        hinge[f"{side}_elbow"] = sunk.apply(tilt.apply(smpl_elbow(side)))
        hinge[f"{side}_wrist"] = sunk.apply(smpl_wrist(side))
        sole[side] = Rotation.identity()
        if naming.cmu:
            sole[side] = leg_sole(direction[f"{side}_knee"], hinge[f"{side}_knee"])
    _warn_of_hinges(world, hinge, path)
    for side in SIDES if not naming.smpl else ():
        _pronate(world, direction, side, clip, naming, orientation, axes)
    lengths = joint_lengths({joint: rest[joint] * metres for joint in BODY_JOINTS})
    for length in _warn_of_lost(clip, joints, path):
        del lengths[length]
    positions = {joint: starts[j] * metres for joint, j in joints.items()}
    bones = RecordedBones(world, positions, direction, hinge, sole, lengths)
    if naming.cmu:
        warn_of_lost_limbs(bones, path)
    return bones


def _carried(straight: Array, direction: Array, naming: Naming) -> Rotation:
    """What carries a hinge axis from a plain T-pose to the zero pose, by a bone's direction in both.

    SMPL's bones slant in its own T-pose, and its axes do not: there nothing is carried, so that rotations of
    SMPL come back as they are.
    """
    carried = smallest_rotation(straight, direction)
    return Rotation.identity() if naming.smpl and carried.magnitude() < SMPL_SLANT else carried


def _require_y_up(spine_up: Array, up_rest: Array, path: Path) -> None:
    """Refuse a file whose axes are not known to be y up; spine_up (T, 3) of the frames, up_rest (3,).

    A zero pose may lie in its file's axes while its frames stand along y: then the world is y up, as
    customary.
    """
    mean = spine_up.mean(axis=0)
    if up_rest @ UP > 0.5 or mean @ UP > mean @ up_rest:
        return
    k = int(np.abs(up_rest).argmax())
    axis = ("-" if up_rest[k] < 0 else "") + "xyz"[k]
    option = f"--up={axis}" if axis.startswith("-") else f"--up {axis}"
    raise MotionFileError(
        f"{path}: its zero pose stands along {axis}, and the person who moves does not stand along y: if the "
        f"file is {axis} up say so with {option}; if it is y up and the person lies, with --up y"
    )


def _metres(clip: BvhClip, joints: dict[str, int], path: Path, unit: str | None) -> float:
    if unit is not None and unit not in UNITS:
        raise MotionFileError(f"unknown unit {unit!r} (--unit); accepted: {', '.join(UNITS)}")
    starts = clip.rest_starts()
    thigh = float(np.linalg.norm(starts[joints["left_knee"]] - starts[joints["left_hip"]]))
    fitting = [
        f"{name!r} ({thigh * metres:.3g} m): --unit {name}"
        for name, metres in UNITS.items()
        if ADULT_THIGH[0] <= thigh * metres <= ADULT_THIGH[1]
    ]
    hint = f"fits {' or '.join(fitting)}" if fitting else f"fits none of {', '.join(UNITS)}"
    if unit is None:
        raise MotionFileError(
            f"{path}: a BVH stores no unit of length; its thigh is {thigh:.4g} long, which {hint}; "
            f"accepted: {', '.join(UNITS)}"
        )
    metres = UNITS[unit]
    if not THIGH_RANGE[0] <= thigh * metres <= THIGH_RANGE[1]:
        raise MotionFileError(
            f"{path}: its thigh is {thigh:.4g} long, {thigh * metres:.4g} m in unit {unit!r}, and a person's "
            f"is {THIGH_RANGE[0]}-{THIGH_RANGE[1]} m; it {hint}"
        )
    return metres


def _warn_of_hinges(world: dict[str, Rotation], hinge: dict[str, Array], path: Path) -> None:
    """Names recorded knees and elbows that do not bend about the axes that the zero pose tells."""
    for name, axis in hinge.items():
        side, joint = name.split("_")
        if joint == "wrist":
            continue
        above = world[f"{side}_{'hip' if joint == 'knee' else 'shoulder'}"]
        bend = (above.inv() * world[name]).as_rotvec()
        angle = np.linalg.norm(bend, axis=1)
        bent = bend[angle > FLEXED]
        if not len(bent):
            continue
        mean = np.median(bent / np.linalg.norm(bent, axis=1, keepdims=True), axis=0)
        off = np.arccos(np.clip(mean @ axis / max(np.linalg.norm(mean), 1e-9), -1, 1))
        if off > (FARTHEST_HINGE if joint == "knee" else 2 * FARTHEST_HINGE):
            warnings.warn(
                f"{path}: the {side} {joint} bends about an axis {np.rad2deg(off):.0f} degrees from the one "
                "that the zero pose tells; look at the result, the file may lay its zero pose otherwise",
                stacklevel=4,
            )


def _pronate(
    world: dict[str, Rotation],
    direction: dict[str, Array],
    side: str,
    clip: BvhClip,
    naming: Naming,
    orientation: list[Rotation],
    axes: dict[str, Rotation],
) -> None:
    """Give SMPL's elbow the forearm's pronation, where the file leaves it to the joint at the hand's end.

    The hand's turn against the forearm is split into one about the forearm's length, which goes to the elbow,
    and one across it, which stays with the wrist.
    """
    elbow = f"{side}_elbow"
    if naming.pronation:
        j = plain_names(clip)[of_side(naming.pronation, side)]
        world[elbow] = orientation[j] * axes[elbow]
        return
    along = direction[elbow] / np.linalg.norm(direction[elbow])
    quaternion = (world[elbow].inv() * world[f"{side}_wrist"]).as_quat()
    angle = 2 * np.arctan2(quaternion[:, :3] @ along, quaternion[:, 3])
    world[elbow] = world[elbow] * Rotation.from_rotvec(angle[:, None] * along)


def _warn_of_lost(clip: BvhClip, joints: dict[str, int], path: Path) -> list[str]:
    """Names the bones that the file has lost; the lengths, of bone_fit.LENGTH_ACCURACY, that they spoil."""
    lost = lost_bones(clip)
    if not lost:
        return []
    parts = "; ".join(f"{parent} (before {', '.join(children)})" for parent, children in lost.items())
    spoilt, meaning = [], []
    if any(clip.names[joints[name]] in lost for name in TRUNK):
        spoilt.append("trunk")
        meaning.append(
            "shoulders and head sit too low by the length of that vertebra, some 12 cm in CMU's library"
        )
    gone = {*lost, *(child for children in lost.values() for child in children)}
    if any(clip.names[joints[f"{side}_wrist"]] in gone for side in SIDES):
        spoilt.append("forearm")
        meaning.append("hands sit too near the elbows, by some 10 cm")
    meaning = meaning or ["what hangs on them sits too near"]
    warnings.warn(
        f"{path}: bones of no length: {parts}; converters of CMU's library lose them where a joint has "
        f"several children: {', and '.join(meaning)}. Joint angles do not suffer; the body is fitted "
        f"without {' and '.join(spoilt) or 'them'} (the .amc has the true lengths)",
        stacklevel=4,
    )
    return spoilt


def _without_posed_start(bones: RecordedBones, fps: float, path: Path) -> RecordedBones:
    """The bones without a first frame that some programs put before the motion, a T-pose by hand."""
    if len(bones.start["pelvis"]) < 4:
        return bones
    turns = np.array(
        [(r[:3].inv() * r[1:4]).magnitude() for joint, r in bones.orientation.items() if joint not in TRUNK]
    )
    first, second, third = np.median(turns, axis=0)
    if first < CLEAR_JUMP or max(second, third) * 3 > first:
        return bones
    warnings.warn(
        f"{path}: from its first frame to the second the middle joint turns by {np.rad2deg(first):.0f} "
        f"degrees, then by {np.rad2deg(second):.1f}: the first is a pose set before the motion: left out",
        stacklevel=3,
    )
    return RecordedBones(
        {joint: r[1:] for joint, r in bones.orientation.items()},
        {joint: p[1:] for joint, p in bones.start.items()},
        bones.direction,
        bones.hinge,
        bones.sole,
        bones.lengths,
    )
