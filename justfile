# Everything a developer runs; `just` alone lists it.

default:
    @just --list

# All tests, the slow ones with real models and real processes included
test *ARGS:
    python -m pytest -q {{ARGS}}

# Only what takes milliseconds
quick *ARGS:
    python -m pytest -q -m "not slow" {{ARGS}}

# All that a reviewer runs: style, async pitfalls, types, the direction of imports, spelling
check:
    ruff check .
    ruff format --check .
    flake8 --select=ASYNC --max-line-length=120 neko tests
    mypy
    lint-imports
    codespell

# Puts the code into its format
format:
    ruff check --fix .
    ruff format .

# Voice to voice with the embedded models, over the given folder of spoken questions
bench-voice SPEECH="tests/speech":
    neko bench voice --speech {{SPEECH}}
