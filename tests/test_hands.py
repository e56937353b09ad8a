"""How fingers are cut from a hand, judged on hands whose every finger bone is a box of known volume."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.segments import matter

# A left hand, fingers along x, thumb towards z: each finger's knuckle (m from the wrist), bone lengths (m),
# yaw (degrees) and thickness (m).
FINGERS = {
    "index": ((0.090, 0.000, 0.024), (0.034, 0.022, 0.024), -4, 0.016),
    "middle": ((0.095, 0.002, 0.000), (0.035, 0.023, 0.025), 0, 0.017),
    "pinky": ((0.075, -0.004, -0.045), (0.025, 0.017, 0.019), 14, 0.013),
    "ring": ((0.088, 0.000, -0.023), (0.032, 0.022, 0.024), 6, 0.015),
    "thumb": ((0.030, -0.012, 0.028), (0.030, 0.028, 0.024), -42, 0.020),
}


def unit(vector):
    return vector / np.linalg.norm(vector)


def prism(rings):
    """The closed surface through rings of four points each, from the first to the last."""
    triangles = []
    for near, far in pairwise(rings):
        for k in range(4):
            a, b, c, d = near[k], near[(k + 1) % 4], far[(k + 1) % 4], far[k]
            triangles += [(a, b, c), (a, c, d)]
    for ring, order in ((rings[0], (0, 2, 1, 0, 3, 2)), (rings[-1], (0, 1, 2, 0, 2, 3))):
        triangles += [ring[list(order[:3])], ring[list(order[3:])]]
    return np.array(triangles)[:, ::-1]


def finger(wrist, knuckle, lengths, yaw_deg, width, curl_deg):
    """Joints (3, 3) and four rings of corners, mitred in the plane of each joint's cut."""
    heading = Rotation.from_euler("y", yaw_deg, degrees=True)
    bones = [
        heading.apply(Rotation.from_euler("z", -k * curl_deg, degrees=True).apply([1, 0, 0]))
        for k in range(3)
    ]
    points = np.cumsum([knuckle, *(length * bone for length, bone in zip(lengths, bones))], axis=0)
    # As hands.py cuts: halving the angle at two joints, square to the bone before the last one.
    normals = [unit(knuckle - wrist) + bones[0], bones[0] + bones[1], bones[1], bones[2]]
    side = heading.apply([0, 0, 1])
    rings = []
    for point, normal, bone in zip(points, normals, (bones[0], bones[0], bones[1], bones[2])):
        up = np.cross(side, bone)
        corners = [width / 2 * (a * side + b * up) for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
        rings.append([point + c - bone * (c @ normal) / (bone @ normal) for c in corners])
    return points[:3], np.array(rings)


def hand(curl_deg=0.0):
    """The chain of five closed fingers beside a palm, their joints, and every bone's volume."""
    palm = trimesh.creation.box(extents=(0.02, 0.02, 0.02))
    palm.apply_translation([0.005, 0, -0.015])
    chain, joints, volumes = [palm.triangles], {"left_wrist": np.zeros(3)}, {"left_wrist": palm.volume}
    for name, (knuckle, lengths, yaw, width) in FINGERS.items():
        points, rings = finger(np.zeros(3), np.array(knuckle), lengths, yaw, width, curl_deg)
        chain.append(prism(rings))
        for k in range(3):
            joints[f"left_{name}{k + 1}"] = points[k]
            volumes[f"left_{name}{k + 1}"] = matter(prism(rings[k : k + 2])).volume
    return np.concatenate(chain), joints, volumes


@pytest.mark.parametrize("curl_deg", [0, 12, 25])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_bone_gets_its_own_volume(curl_deg, seed, hand_chains):
    """In any orientation: nothing depends on which way is up."""
    chain, joints, volumes = hand(curl_deg)
    assert all(volume > 1e-6 for volume in volumes.values())
    turn = Rotation.identity() if seed is None else Rotation.random(rng=np.random.default_rng(seed))
    joints = {name: turn.apply(joint) + 0.7 for name, joint in joints.items()}
    chain = turn.apply(chain.reshape(-1, 3)).reshape(chain.shape) + 0.7
    pieces = hand_chains(chain, joints, "left")
    for name, volume in volumes.items():
        assert matter(pieces[name]).volume == pytest.approx(volume, rel=1e-9), name


def test_the_right_hand_is_cut_alike(hand_chains):
    chain, joints, volumes = hand(curl_deg=12)
    mirror = np.array([-1.0, 1.0, 1.0])
    right = {name.replace("left", "right"): joint * mirror for name, joint in joints.items()}
    pieces = hand_chains((chain * mirror)[:, ::-1], right, "right")
    for name, volume in volumes.items():
        assert matter(pieces[name.replace("left", "right")]).volume == pytest.approx(volume, rel=1e-9), name


def test_a_mitten_is_shared_out_whole(hand_chains):
    """Fingers that have grown together are parted half-way; nothing is lost or counted twice."""
    _, joints, _ = hand()
    mitten = trimesh.convex.convex_hull(np.array(list(joints.values())) * [1.2, 1, 1.1])
    mitten = trimesh.creation.box(bounds=mitten.bounds + [[-0.01] * 3, [0.01] * 3])
    pieces = hand_chains(mitten.triangles, joints, "left")
    assert len(pieces) == 16
    assert sum(matter(piece).volume for piece in pieces.values()) == pytest.approx(mitten.volume, rel=1e-12)


@pytest.mark.parametrize("name", ["index", "thumb", "pinky"])
def test_a_finger_without_matter_is_named(name, hand_chains):
    chain, joints, _ = hand()
    own = 1 + list(FINGERS).index(name)
    sizes = [12, *(28 for _ in FINGERS)]
    start = sum(sizes[:own])
    without = np.delete(chain, range(start, start + sizes[own]), axis=0)
    bones = ", ".join(f"left_{name}{k}" for k in (1, 2, 3))
    with pytest.raises(smpl2mjcf.HumanoidError, match=f"no volume is left for {bones}: .*merged hands"):
        hand_chains(without, joints, "left")
