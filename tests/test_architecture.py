"""The house: who may import whom, what a wheel holds, what an import loads."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A package may import those on lower floors only, and itself only relatively.
MAY_IMPORT = {"smpl2mjcf": set(), "dynamics": set(), "analysis": {"smpl2mjcf", "dynamics"}}
MODULES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).glob("**/*.py"))]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_point_down_the_floors(path):
    package = path.relative_to(ROOT).parts[0]
    wrong = set(imported(ast.parse(path.read_text()))) & (set(MAY_IMPORT) - MAY_IMPORT[package])
    assert not wrong, f"{path} imports {wrong}"


def test_x64_is_never_switched_globally():
    for path in MODULES:
        text = path.read_text()
        assert 'config.update("jax_enable_x64"' not in text, path
        assert "JAX_ENABLE_X64" not in text, path


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_importing_a_package_loads_no_heavy_module(package):
    heavy = {"jax", "torch", "mujoco", "matplotlib", "scipy"}
    code = f"import sys, {package}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_public_name_exists_and_is_listed(package):
    module = __import__(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


def test_the_wheel_has_our_three_names_and_the_models(tmp_path):
    source = tmp_path / "source"  # a build leaves folders behind that a later build would pick up
    skip = shutil.ignore_patterns(".*", "build", "dist", "out", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=skip)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path]
    subprocess.run([*pip, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"smpl2mjcf", "dynamics", "analysis"}
    assert {"smpl2mjcf/models/default_body.npz", "smpl2mjcf/models/walk.npz", "dynamics/py.typed"} <= set(
        names
    )
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("test" in name for name in names)
