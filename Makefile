# `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A lock names everything, so nothing is resolved: pip 23 would ask the index for the newest of what is wanted with an extra.
LOCKED := --quiet --disable-pip-version-check --require-hashes --no-deps
# Two processes, each with servers of its own; a file's tests stay together, as they share what they started.
# What our libraries would have and nothing of ours ever loads: the model hub's client, service accounts of Google,
# ONNX's tools, colours for terminals, YAML. So whatever the lock names is installed, here and in the image.
NEVER_LOADED := cffi cryptography filelock flatbuffers fsspec hf-xet huggingface-hub pyasn1-modules pycparser pygments pyyaml tqdm
SIDE_BY_SIDE ?= --numprocesses=2 --dist=loadfile

# Where `make run` listens, where it keeps its data, and a file of one's own: make run PORT=8001 DATA_DIR=/srv/faq FAQ=my.csv
# What is given so reaches the programs by itself; `export` would hand them the empty ones too.

.PHONY: help
help: ## This menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.installed ## Install what is missing and run the product: PORT=8000 HOST=127.0.0.1 DATA_DIR=data FAQ=my.csv
	@exec $(BIN)/python manage.py demo $(if $(FAQ),--faq '$(FAQ)')

.PHONY: test
test: $(VENV)/.installed-dev ## Every test, with real PostgreSQL, Redis, model and browser
	@tests/install-debian-packages
	@$(BIN)/python manage.py fetch_model --reference  # the tests themselves may not leave this machine
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)
	@$(BIN)/python -m pytest -p tests.on_postgresql $(SIDE_BY_SIDE) $(ARGS)

.PHONY: drill
drill: $(VENV)/.installed-dev ## The index under kill -9, lost queues and switches of generation: SEEDS=20; writes docs/drills/index.md
	@tests/install-debian-packages
	@DRILL_SEEDS=$(or $(SEEDS),20) DRILL_REPORT=docs/drills/index.md \
		$(BIN)/python -m pytest -s tests/index/test_stateful.py tests/stack/test_index_drills.py $(ARGS)

.PHONY: drill-faults
# The single faults first and alone, as they are measured; then the seeds, on so many products side by side.
drill-faults: $(VENV)/.installed-dev ## What askers and editors notice while things break: SEEDS=200 FIRST=0 PRODUCTS=2; writes docs/reliability.md
	@tests/install-debian-packages
	@rm -rf .drill-faults; export DRILL_RUNS=$(CURDIR)/.drill-faults; ended=0; \
		$(BIN)/python -m pytest tests/faults/test_alone.py tests/faults/test_alerts.py $(ARGS) || ended=1; \
		DRILL_SEEDS=$(or $(SEEDS),200) DRILL_FIRST=$(or $(FIRST),0) $(BIN)/python -m pytest \
			--numprocesses=$(or $(PRODUCTS),2) --dist=worksteal tests/faults/test_swizzle.py $(ARGS) || ended=1; \
		$(BIN)/python -m tests.faults.report .drill-faults docs/reliability.md && exit $$ended

.PHONY: drill-injections
drill-injections: $(VENV)/.installed-dev ## Every injection, by three doors, before a model that obeys all of them
	@tests/install-debian-packages
	@DRILL_INJECTIONS=1 $(BIN)/python -m pytest -s tests/injections $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.installed-dev .venv-fuzz/.installed ## Bad input at every door of the real product: REQUESTS=100000 SEED=0; writes docs/drills/fuzz.md
	@tests/install-debian-packages
	@FUZZ_REQUESTS=$(or $(REQUESTS),100000) FUZZ_SEED=$(or $(SEED),0) FUZZ_REPORT=docs/drills/fuzz.md \
		FUZZ_SCHEMATHESIS=$(CURDIR)/.venv-fuzz/bin/schemathesis $(BIN)/python -m pytest -s tests/fuzz $(ARGS)

.venv-fuzz/.installed: tests/fuzz/requirements.txt
	@bin/make-venv $(PYTHON) .venv-fuzz
	@.venv-fuzz/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: drill-metrics
drill-metrics: $(VENV)/.installed-dev ## Counters while web workers are recycled: RECYCLES=1000; writes docs/drills/metrics.md
	@tests/install-debian-packages
	@METRICS_RECYCLES=$(or $(RECYCLES),1000) METRICS_HOSTILE=10000 METRICS_REPORT=docs/drills/metrics.md \
		$(BIN)/python -m pytest -s tests/stack/test_metrics_drill.py tests/monitoring/test_metrics.py $(ARGS)

.PHONY: pictures
pictures: $(VENV)/.installed-dev ## Draw Grafana's dashboards from a real Prometheus into docs/screenshots
	@tests/install-debian-packages
	@DASHBOARD_PICTURES=docs/screenshots $(BIN)/python -m pytest tests/stack/test_watched.py $(ARGS)

.PHONY: drill-start
drill-start: $(VENV)/.installed-dev ## Six replicas that start at once migrate once: ROUNDS=20; writes docs/drills/start.md
	@tests/install-debian-packages
	@START_ROUNDS=$(or $(ROUNDS),20) START_REPORT=docs/drills/start.md \
		$(BIN)/python -m pytest tests/deploy/test_start.py -k six $(ARGS)

.PHONY: image-report
image-report: ## What the built app image is, beside the same with torch: IMAGE=steadfast-app:latest; writes docs/image.md
	@docker/image-report $(IMAGE) > docs/image.md.new && mv docs/image.md.new docs/image.md || { rm -f docs/image.md.new; exit 1; }

.PHONY: test-stack
test-stack: $(VENV)/.installed-dev ## The real compose.yml, built and started: needs Docker, takes a quarter of an hour
	@tests/install-debian-packages stack
	@STEADFAST_STACK=1 $(BIN)/python -m pytest -s -p no:cacheprovider tests/deploy/stack $(ARGS)

.PHONY: properties
properties: $(VENV)/.installed-dev ## The 46 properties of a deployment, each by a hundred examples; writes docs/properties.md
	@tests/install-debian-packages
	@PROPERTIES_REPORT=docs/properties.md $(BIN)/python -m pytest tests/properties $(ARGS)

.PHONY: sabotage
sabotage: $(VENV)/.installed-dev ## Break a copy of the product once for each property; its test must notice: N="4 22"
	@tests/install-debian-packages
	@$(BIN)/python -m tests.properties.sabotage $(N)

.PHONY: lint
lint: $(VENV)/.installed-dev ## Format, rules, types and migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: format
format: $(VENV)/.installed-dev ## Put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: quality
quality: $(VENV)/.installed ## Ask labelled questions: GOLDEN=questions.csv [OOS=others.csv] [BAR=bar.json]
	@$(BIN)/python manage.py run_suite '$(GOLDEN)' $(if $(OOS),--out-of-scope '$(OOS)') $(if $(BAR),--bar '$(BAR)')

.PHONY: bench
bench: $(VENV)/.installed-dev .venv-bench/.installed ## Performance beside its peers and its limits, as ratios; writes docs/performance.md
	@tests/install-debian-packages
	@$(BIN)/python manage.py fetch_model --reference
	@$(BIN)/python -m bench

# The peers' own: nothing of it is in the product's. torch first, so that its build for the processor is taken where there is one.
.venv-bench/.installed: bench/requirements.txt
	@bin/make-venv $(PYTHON) .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: lock
lock: $(VENV)/.installed-dev ## Write requirements.txt and requirements-dev.txt anew from pyproject.toml
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-emit-index-url --universal --python-version 3.11 \
		$(addprefix --no-emit-package ,$(NEVER_LOADED)) --custom-compile-command 'make lock' pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-annotate --no-emit-index-url --universal --python-version 3.11 \
		--custom-compile-command 'make lock' pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

.PHONY: clean
clean: ## Remove what was installed and built, not the data
	@rm -rf $(VENV) .venv-bench .venv-fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles

$(VENV)/.installed: requirements.txt
	@bin/make-venv $(PYTHON) $(VENV)
	@$(BIN)/pip install $(LOCKED) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(BIN)/pip install $(LOCKED) -r requirements-dev.txt
	@$(BIN)/python -m tests.reference_engine
	@touch $@
