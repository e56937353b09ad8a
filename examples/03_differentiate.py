"""Torques are differentiable: how does the torque at the lumbar joint change with every joint angle?"""

import jax
import numpy as np

import dynamics
import smpl2mjcf

human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body())
tree = dynamics.Tree.from_mjmodel(human.model)
qpos = human.model.key("stand").qpos.astype(np.float32)
rest = np.zeros(human.model.nv, dtype=np.float32)
lumbar = int(human.model.jnt_dofadr[human.joint_id("spine1")])

gradient = jax.grad(lambda q: dynamics.rnea(tree, q, rest, rest)[lumbar])(qpos)
strongest = int(np.abs(gradient[7:]).argmax()) + 7
joint = next(j for j in range(human.model.njnt) if human.model.jnt_qposadr[j] + 4 > strongest and j)
print(f"lumbar torque reacts most to {human.model.joint(joint).name}: {gradient[strongest]:.0f} N m a unit of its quaternion")

batch = np.stack([qpos] * 1000)
print(f"a batch of standing states: tau {dynamics.rnea(tree, batch, np.zeros((1000, 75), np.float32), np.zeros((1000, 75), np.float32)).shape}")
