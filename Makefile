# One painting in, a style file out: make train STYLE=painting.jpg; make demo shows it without one.
# The environment is made in .venv when a target first needs it.

PYTHON ?= python3
# The ONNX Runtime to install: cpu or gpu.
RUNTIME ?= cpu
BIN := .venv/bin

# Recipes read these from the environment, which keeps paths with spaces or quotes whole.
export STYLE DATA NAME CKPT MODEL

# Compiled modules are kept even where the account says not to: to compile PyTorch again costs every process 8 seconds.
export PYTHONDONTWRITEBYTECODE :=

# Only the command line counts: some systems set NAME or DATA in the environment. Its values are taken as they are:
# make would read $a in a file's name as a variable of its own.
$(foreach variable,STYLE DATA NAME CKPT MODEL ARGS FRESH,\
	$(if $(filter environment,$(origin $(variable))),$(eval $(variable) :=),\
	$(eval override $(variable) := $$(value $(variable)))))

.DEFAULT_GOAL := help
.PHONY: help install demo serve train export evaluate gallery test coverage check docs release format bench clean

help:  ## Show this list
	@echo 'make TARGET:'
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'
	@echo
	@echo 'make train STYLE=painting.jpg [DATA=folder|hub-id|generated] [NAME=name] [FRESH=1] [ARGS="--preset quick"]'
	@echo '$(BIN)/python -m train --help lists what ARGS takes.'

install: .venv/.installed-$(RUNTIME)  ## Make .venv with what training, exporting and testing need

.venv/.installed-$(RUNTIME): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'make: fastnst needs Python 3.10 or newer: make PYTHON=python3.12 ...' >&2; exit 2; }
	@echo 'installing into .venv (some 6 GB, a minute or two)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@test ! -e .venv/.installed-$(if $(filter gpu,$(RUNTIME)),cpu,gpu) || \
		$(BIN)/uv pip uninstall --quiet --python .venv onnxruntime onnxruntime-gpu
	@rm -f .venv/.installed-*
	@$(BIN)/uv pip install --quiet --python .venv --group dev --editable '.[$(RUNTIME)]'
	@touch $@

demo: install  ## Draw a painting, train a style from it, paint photos: no download, minutes, demo/index.html
	@test -z "$$STYLE$$NAME" || { echo 'make demo: error: it draws its own painting; train a style of yours with' \
		'make train STYLE=painting.jpg' >&2; exit 2; }
	@$(BIN)/python -m export.demo $${DATA:+--data="$$DATA"} $(if $(filter-out 0 no false,$(FRESH)),--fresh) $(ARGS)

serve: install  ## Serve the page, which paints on this machine, and an API, at http://127.0.0.1:8000
	@$(BIN)/python -m fastnst serve $(ARGS)

train: install  ## Train a style from STYLE=painting.jpg and export it; run again to continue
	@test -n "$$STYLE" || { echo 'make train: error: give the painting: make train STYLE=painting.jpg' >&2; exit 2; }
	@checkpoint=$$($(BIN)/python -m train --style="$$STYLE" $${DATA:+--data="$$DATA"} $${NAME:+--name="$$NAME"} \
		$(if $(filter-out 0 no false,$(FRESH)),--fresh) $(ARGS)) || exit $$?; \
	$(BIN)/python -m export --unless-current -- "$$checkpoint"

export: install  ## Export CKPT=checkpoints/name.ckpt to ONNX
	@test -n "$$CKPT" || { echo 'make export: error: give the checkpoint: make export CKPT=checkpoints/name.ckpt' >&2; exit 2; }
	@$(BIN)/python -m export $(ARGS) -- "$$CKPT"

evaluate: install  ## Measure the style MODEL=name-or-file of STYLE=painting.jpg on photos of DATA=folder
	@test -n "$$MODEL" -a -n "$$STYLE" -a -n "$$DATA" || { echo 'make evaluate: error: give the style, its painting and photos:' \
		'make evaluate MODEL=name STYLE=painting.jpg DATA=folder' >&2; exit 2; }
	@$(BIN)/python -m train.evaluate --model="$$MODEL" --style="$$STYLE" --data="$$DATA" $(ARGS)

gallery: install  ## Repaint the pictures of the documents
	@$(BIN)/python checkpoints/gallery/paint_styles.py
	@$(BIN)/python checkpoints/gallery/paint_controls.py
	@$(BIN)/python checkpoints/gallery/paint_page.py

# Each process runs PyTorch on one thread: threads of several processes would wait for one another.
test: install  ## Run the tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile $(ARGS)

coverage: install  ## Run the tests and list the lines they miss
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered $(ARGS)

check: install  ## Check format, lint, types and the order of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: install  ## Write the documentation site to site-docs/; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo site-docs/index.html

release: install  ## Build and try what is released; uploads nothing
	@.ci/release

format: install  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install  ## Measure training and inference on this machine
	@$(BIN)/python -m bench.train
	@$(BIN)/python -m bench.loader
	@$(BIN)/python -m bench.stylize

clean:  ## Remove the environment and the caches; trained styles stay
	rm -rf .venv dist site-docs .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
