"""Torques are differentiable: which joint does the lumbar torque of a standing person react to most?"""

import jax
import numpy as np

import dynamics
import smpl2mjcf

human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body())
model = human.model
tree = dynamics.Tree.from_mjmodel(model)
standing = model.key("stand").qpos.astype(np.float32)
rest = np.zeros(model.nv, dtype=np.float32)
lumbar = int(model.jnt_dofadr[human.joint_id("spine1")])


def lumbar_torque(qpos):
    """N m about spine1's x axis, standing still."""
    return dynamics.rnea(tree, qpos, rest, rest)[lumbar]


gradient = jax.grad(lumbar_torque)(standing)
strength = {
    model.joint(j).name: float(np.linalg.norm(gradient[start : start + 4]))
    for j, start in enumerate(model.jnt_qposadr)
    if j > 0
}
joint = max(strength, key=strength.get)
print(f"lumbar torque reacts most to {joint}: {strength[joint]:.0f} N m a unit of its quaternion")

batch = np.tile(standing, (1000, 1))
still = np.zeros((1000, model.nv), dtype=np.float32)
print(f"a batch of standing states: tau {dynamics.rnea(tree, batch, still, still).shape}")
