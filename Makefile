# make demo and make test each do all the set-up that a machine with Python 3.11 needs.
PYTHON ?= python3.11
VENV ?= .venv
EXTRAS ?= test
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
comma = ,

.PHONY: demo test slow lint types bench clean

demo: $(VENV)/.installed
	$(BIN)/smpl2mjcf demo --out out/demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/shapes.py
	$(BIN)/python benchmarks/inverse_dynamics.py
	$(BIN)/python benchmarks/recovery.py
	$(BIN)/python benchmarks/refinement.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Constraints make the install repeatable; drop `-c` to try newer releases.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(INSTALLED): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info out
