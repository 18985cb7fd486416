PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test quick check audit bounds reproducible wheels sanitize docs clean

demo: $(VENV)/.demo
	$(BIN)/stegcinn demo

test: $(VENV)/.dev check
	$(BIN)/python -m pytest -n auto --dist loadfile

# What is worth waiting for after every change: linters, types, imports, and the tests that take less than seconds.
quick: $(VENV)/.dev check
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A bill of materials for each wheel in dist, or for this machine's. Then known flaws in what is installed: the last
# step asks a database in the open internet, and fails where there is none.
audit: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/test_supply.py
	$(BIN)/python scripts/make/bills.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --skip-editable

bounds:
	$(PYTHON) scripts/make/$@.py

# Wheels for all platforms, left in dist; and whether they are the same bytes when built again.
wheels reproducible: $(VENV)/.build
	$(BIN)/python scripts/make/$@.py

# The inner loops under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize: $(VENV)/.demo
	$(BIN)/python scripts/stress/sanitize.py

docs: $(VENV)/.dev
	$(BIN)/python scripts/make/api_page.py

# What is said before anything is fetched; measured on two cores and a fast line (README.md).
SIZE_demo := : 440 MB, in about half a minute

# One stamp per set of extras: nothing is installed twice, and what pyproject.toml or a loop changes is installed anew.
$(VENV)/.%: pyproject.toml hatch_build.py $(wildcard src/stegcinn/native/*.[ch])
	@echo "installing stegcinn[$*] into $(VENV)$(SIZE_$*)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
