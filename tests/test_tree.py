"""Reading a model: positions against MuJoCo, what is accepted and what is refused by name."""

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

import dynamics

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))

BODY = '<body name="b"><joint name="j"/><joint name="k" type="slide"/><geom size=".1"/></body>'
LOOSE = '<body name="c"><freejoint name="root"/><geom size=".1"/></body>'
WORLD = f"<worldbody>{BODY}{LOOSE}</worldbody>"
TENDON = '<tendon><fixed name="t" {}><joint joint="j" coef="1"/></fixed></tendon>'
CLOTH = '<flexcomp name="f" type="grid" count="3 3 1" spacing=".1 .1 .1" radius=".01" dim="2" mass="1"/>'
REFUSED = {
    "connect": WORLD + '<equality><connect name="e" body1="b" body2="c" anchor="0 0 0"/></equality>',
    "weld": WORLD + '<equality><weld name="e" body1="b" body2="c"/></equality>',
    "joint": WORLD + '<equality><joint name="e" joint1="j" joint2="k"/></equality>',
    "tendon": WORLD + TENDON.format("") + '<equality><tendon name="e" tendon1="t"/></equality>',
    "armature": WORLD + TENDON.format('armature="1"'),
    "actuator": WORLD + '<actuator><motor name="m" joint="j" armature=".1"/></actuator>',
    "flex": f"<worldbody>{CLOTH}</worldbody>",
}
NAMED = {
    "connect": "equality 'e': an active equality constraint (connect)",
    "weld": "equality 'e': an active equality constraint (weld)",
    "joint": "equality 'e': an active equality constraint (joint)",
    "tendon": "equality 'e': an active equality constraint (tendon)",
    "armature": "tendon 't': a tendon with armature",
    "actuator": "actuator 'm': an actuator with armature",
    "flex": "flex 'f': a deformable",
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def compiled(inside):
    return mujoco.MjModel.from_xml_string(f"<mujoco>{inside}</mujoco>")


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_body_poses_equal_mujocos(path):
    model = mujoco.MjModel.from_xml_path(str(path))
    states = dynamics.random_states(model, 5, seed=0)
    poses = dynamics.body_poses(dynamics.Tree.from_mjmodel(model), states.qpos)
    data = mujoco.MjData(model)
    for i, qpos in enumerate(states.qpos):
        data.qpos = qpos
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(poses.position[i], data.xpos, atol=1e-14)
        np.testing.assert_allclose(poses.com[i], data.xipos, atol=1e-14)
        np.testing.assert_allclose(poses.rotation[i], data.xmat.reshape(-1, 3, 3), atol=1e-14)


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_modelled_is_refused_by_name_by_every_engine(what):
    model = compiled(REFUSED[what])
    zeros = np.zeros(model.nq), np.zeros(model.nv), np.zeros(model.nv)
    calls = [
        lambda: dynamics.Tree.from_mjmodel(model),
        lambda: dynamics.mujoco_inverse(model, *zeros),
        lambda: dynamics.mjx_inverse(model, *zeros),
        lambda: dynamics.trajectory(model, np.zeros((50, model.nq)), fps=30),
    ]
    for call in calls:
        with pytest.raises(dynamics.ModelError) as caught:
            call()
        assert NAMED[what] in str(caught.value)
        assert "accepted: any forest of free, ball, slide and hinge joints" in str(caught.value)


def test_what_leaves_tau_alone_is_accepted():
    model = compiled(
        WORLD
        + '<equality><weld body1="b" body2="c" active="false"/></equality>'
        + TENDON.format('stiffness="1"')
        + '<actuator><motor joint="j"/></actuator>'
    )
    tree = dynamics.Tree.from_mjmodel(model)
    assert tree.topology.joint_names == ("j", "k", "root")


def test_replace_names_wrong_arrays_and_shapes():
    tree = dynamics.Tree.from_mjmodel(compiled(f"<worldbody>{BODY}</worldbody>"))
    with pytest.raises(dynamics.ModelError, match=r"no array 'mass'; available: offsets, .*masses"):
        tree.replace(mass=np.ones(2))
    with pytest.raises(dynamics.ModelError, match=r"masses has shape \(3,\); this tree needs \(2,\)"):
        tree.replace(masses=np.ones(3))
    assert tree.replace(masses=np.ones(2)).masses[1] == 1


def test_a_tree_is_a_pytree_with_a_static_hashable_topology():
    model = compiled(f"<worldbody>{BODY}</worldbody>")
    tree = dynamics.Tree.from_mjmodel(model)
    leaves, definition = jax.tree.flatten(tree)
    assert len(leaves) == 10
    back = jax.tree.unflatten(definition, leaves)
    assert hash(back.topology) == hash(tree.topology)
    other_names = BODY.replace('"b"', '"torso"').replace('"j"', '"hip"')
    renamed = dynamics.Tree.from_mjmodel(compiled(f"<worldbody>{other_names}</worldbody>"))
    assert renamed.topology == tree.topology
    assert hash(renamed.topology) == hash(tree.topology)
    assert renamed.topology.body_names == ("world", "torso")
    assert renamed.topology.joint_names == ("hip", "k")


def test_the_model_is_copied_not_viewed():
    model = compiled(f"<worldbody>{BODY}</worldbody>")
    tree = dynamics.Tree.from_mjmodel(model)
    model.body_mass[:] = 7
    assert tree.masses[1] != 7
