"""What the README and the examples show runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(code, folder):
    # The current folder would otherwise hide an installed package behind the checkout's.
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ,
    )


DOCUMENTED = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
    if path.stem != "simulation"  # whose blocks test_simulators.py runs where the simulators are
]


@pytest.mark.parametrize("block", DOCUMENTED)
def test_what_the_documents_show_runs(block, tmp_path):
    result = run(block, tmp_path)
    assert result.returncode == 0, result.stderr


def test_there_are_six_examples():
    assert len(BLOCKS) == 5
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_readme_example_runs(number, tmp_path):
    result = run(BLOCKS[number], tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints(path, tmp_path):
    result = run(path.read_text(), tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_the_readme_s_shell_options_exist():
    text = (ROOT / "README.md").read_text()
    for verb, options in re.findall(r"^smpl2mjcf (\w+)(.*)$", text, re.MULTILINE):
        shown = subprocess.run(
            [sys.executable, "-m", "smpl2mjcf", verb, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for option in re.findall(r"--\w+", options):
            assert option in shown, f"{verb} {option}"


def test_the_files_that_the_readme_names_are_there():
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target
