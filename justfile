# Everything a developer runs; `just` alone lists it.

# flake8-async beside ruff, which lacks its 102, 103, 119, 121, 123 and 128. Off: 111 and 113 take a child of an outer
# nursery for a mistake, 114 wants a list of every startable function, 124 forbids an async function that an interface
# asks for, 110 takes a checkpoint for polling, 9xx count checkpoints, 127 wants another HTTP client than the one that was chosen, 401 is a matter of taste.
not_ours := "ASYNC9,ASYNC110,ASYNC111,ASYNC113,ASYNC114,ASYNC124,ASYNC127,ASYNC401"

default:
    @just --list

# All tests: many beside each other, those with real models, processes and clocks alone, then conversations by chance
test: beside alone (swap-fuzz "10000")

# What takes milliseconds or no real time at all, on two cores; of conversations by chance `swap-fuzz` plays more
beside:
    python -m pytest -q -n 2 --dist worksteal -m "not slow or timeless" --deselect tests/test_swap_fuzz.py

# What has the machine to itself
alone:
    python -m pytest -q -m "slow and not timeless"

# Only what takes milliseconds
quick *ARGS:
    python -m pytest -q -m "not slow" {{ARGS}}

# All that a reviewer runs: style, async pitfalls, types, the direction of imports, spelling
check:
    ruff check .
    ruff format --check .
    git ls-files '*.py' | xargs -P2 -n 100 flake8-async --disable {{not_ours}}
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

# Whole conversations by chance, on two cores: at least so many in all, counted as they end
swap-fuzz CONVERSATIONS="100000":
    seq 0 3 | NEKO_CONVERSATIONS={{CONVERSATIONS}} xargs -P2 -I% python -m pytest -q -s "tests/test_swap_fuzz.py::test_by_chance[%]" \
    | awk '{ print; fflush() } / conversations played to their end$/ { played += $3 } /^[0-9]+ failed/ { failed = 1 } END { print played + 0 " conversations in all"; exit failed || played < {{CONVERSATIONS}} }'
