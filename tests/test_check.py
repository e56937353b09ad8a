"""The verb `check`, and the package's lazy names."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

import dynamics
from dynamics import agreement
from dynamics.verbs import Check

TREES = Path(__file__).parent / "data" / "trees"


def run(*arguments):
    parser = argparse.ArgumentParser()
    Check.add_arguments(parser)
    return Check.run(parser.parse_args([str(a) for a in arguments]))


def test_check_prints_every_pair_and_returns_by_tolerance(capsys):
    assert run(TREES / "ball_chain.xml", "--states", 80) == 0
    out = capsys.readouterr()
    for pair in ("native - mjx", "native - mujoco", "mjx - mujoco"):
        assert pair in " ".join(out.out.split())
    assert "agree (tolerance 1e-12)" in out.out
    assert "running mjx" in out.err
    assert run(TREES / "ball_chain.xml", "--states", 80, "--tolerance", "1e-30") == 1
    assert "DISAGREE" in capsys.readouterr().out


def test_check_fails_when_an_engine_is_wrong(monkeypatch, capsys):
    real = agreement.mujoco_inverse
    monkeypatch.setattr(agreement, "mjx_inverse", lambda *given: real(*given) * (1 + 1e-9))
    assert run(TREES / "ball_chain.xml") == 1
    assert "1.00e-09" in capsys.readouterr().out
    monkeypatch.setattr(agreement, "mjx_inverse", lambda *given: real(*given) * float("nan"))
    assert run(TREES / "ball_chain.xml") == 1


def test_bad_input_is_one_clear_line(tmp_path):
    (tmp_path / "text.xml").write_text("not xml")
    (tmp_path / "half.xml").write_text("<mujoco><worldbody><body><joint/></body></worldbody></mujoco>")
    (tmp_path / "binary.xml").write_bytes(bytes(range(256)))
    (tmp_path / "loop.xml").write_text(
        "<mujoco><worldbody><body name='a'><joint/><geom size='.1'/></body></worldbody>"
        "<equality><weld name='glue' body1='a' body2='world'/></equality></mujoco>"
    )
    for name, message in [
        ("none.xml", "none.xml: no such file"),
        (".", "no such file"),
        ("text.xml", "MuJoCo cannot compile it"),
        ("half.xml", "MuJoCo cannot compile it .*mass"),
        ("binary.xml", "MuJoCo cannot compile it"),
        ("loop.xml", "equality 'glue': an active equality constraint"),
    ]:
        with pytest.raises(dynamics.Error, match=message) as caught:
            run(tmp_path / name)
        assert "\n" not in str(caught.value)
    for option in (["--states", 0], ["--seed", -1], ["--tolerance", "nan"]):
        with pytest.raises(dynamics.Error, match=f"{option[0]} is .*; accepted"):
            run(TREES / "ball_chain.xml", *option)


def test_import_is_light_and_names_survive_any_order_of_imports():
    code = """
import sys
import dynamics, dynamics.verbs
heavy = {'jax', 'mujoco', 'scipy', 'numpy'} & set(sys.modules)
assert not heavy, heavy
assert dynamics.__distribution__ == 'smpl2mjcf'
assert dynamics.inverse_dynamics.__module__ == 'dynamics.inverse_dynamics'  # loads .rnea and .trajectory
from dynamics.rnea import rnea
assert dynamics.rnea is rnea and callable(dynamics.trajectory) and callable(dynamics.mjx_inverse)
assert 'smpl2mjcf' not in sys.modules and 'analysis' not in sys.modules
for name in dynamics.__all__:
    assert getattr(dynamics, name).__name__ == name
    assert name in dir(dynamics)
import jax
assert not jax.config.jax_enable_x64
"""
    root = Path(dynamics.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_an_unknown_name_lists_those_available():
    with pytest.raises(AttributeError, match=r"no attribute 'rnae'; available: .*rnea"):
        _ = dynamics.rnae
