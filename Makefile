# make demo    set everything up, load the sample library, search it, generate a batch
# make run     the site on 127.0.0.1:$(PORT) with a worker (runs the demo first if it has not been run)
# make test    set up and run all checks and tests, two at a time (JOBS=2; 0: one after the other)
# make test-consistency   a long random life of the library with failures: index = database (STEPS=3000)
# make bench   all benchmarks, or one: ONLY=duplicates; writes docs/benchmarks.md and var/bench/
#              ONLY=search: ASSETS=100000 for this size alone; KEEP=DIR keeps the servers' data for the next time
# make fuzz    random bytes for our own parsers (SECONDS=60 each, ONLY=xmp); make audit: known weaknesses of what is
#              installed and of our code; make sbom: var/sbom.json, what is installed, as CycloneDX
# make stack   what docker-compose.yml starts, without containers: real servers, site, workers, beat
# make faults   every fault done to that stack while people work; writes docs/faults.md (ONLY=Redis: some)
# make load   a day's work on that stack with 100,000 assets, more and more of it, then half for an hour (MINUTES=10)
# make screenshots   the pictures of docs/guide.md, of the demo's library, in both languages

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
PORT ?= 8000
JOBS ?= 2
PY := .venv/bin/python
BESIDE := --numprocesses $(JOBS) --dist worksteal
export PORT

.PHONY: demo run stack faults load test test-embedded test-services test-consistency check bench fuzz audit sbom messages screenshots clean help

help:
	@sed -n 's/^# //p' Makefile

.venv/.runtime: requirements.txt requirements-matting.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Atelier needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11.")'
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "Installing packages (about 5.5 GB, most of it torch; a few minutes) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-matting.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	@echo "Installing what the tests need …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

demo: .venv/.runtime
	@$(PY) manage.py demo

run: .venv/.runtime
	@$(PY) manage.py serve --port $(PORT)

stack: .venv/.dev
	@$(PY) -m tests.stack --port $(PORT)

faults: .venv/.dev
	@$(PY) -m tests.faults $(if $(ONLY),--only "$(ONLY)")

load: .venv/.dev
	@$(PY) -m tests.load $(if $(ASSETS),--assets $(ASSETS)) $(if $(MINUTES),--minutes $(MINUTES))

test: check test-embedded test-services

check: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports
	$(PY) -m mypy .
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive atelier dam search generation

test-embedded: .venv/.dev
	$(PY) -m pytest $(BESIDE)

test-services: .venv/.dev
	$(PY) -m pytest --services $(BESIDE)

test-consistency: .venv/.dev
	CONSISTENCY_STEPS=$(or $(STEPS),3000) $(PY) -m pytest --services tests/search/test_consistency.py

.venv/.security: requirements-security.txt .venv/.dev
	@$(PY) -m pip install --quiet --disable-pip-version-check --requirement requirements-security.txt
	@touch $@

fuzz: .venv/.security
	@$(PY) -m tests.fuzz --seconds $(or $(SECONDS),60) $(ONLY)

audit: .venv/.security
	.venv/bin/pip-audit --progress-spinner off --requirement requirements.txt --no-deps --disable-pip
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive atelier dam search generation

sbom: .venv/.security
	@mkdir -p var
	.venv/bin/cyclonedx-py environment .venv --output-format JSON --output-file var/sbom.json

bench: .venv/.dev
	@$(PY) -m tests.benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(ASSETS),--assets $(ASSETS)) $(if $(KEEP),--keep $(KEEP))

messages: .venv/.runtime
	$(PY) manage.py makemessages --locale zh_Hans --no-location --ignore .venv --ignore var
	$(PY) manage.py compilemessages --locale zh_Hans --ignore .venv --ignore var

screenshots: .venv/.dev
	@$(PY) -m tests.screenshots

clean:
	rm -rf var
