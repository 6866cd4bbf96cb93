"""The page's scripts and its HTML are of one piece."""

from __future__ import annotations

import re

from neko.web.pages import FOLDER

PAGE = (FOLDER / "index.html").read_text()
SCRIPTS = {path.name: path.read_text() for path in FOLDER.glob("*.js")}


def test_what_scripts_look_for_is_there() -> None:
    ids = set(re.findall(r'id="([^"]+)"', PAGE))
    for text in SCRIPTS.values():
        asked = re.findall(r'getElementById\("([^"]+)"\)', text)
        for several in re.findall(r"= \[([^]]+)\]\.map\(element\)", text):
            asked += re.findall(r'"([^"]+)"', several)
        assert set(asked) <= ids


def test_what_a_script_imports_is_served_and_exported() -> None:
    for text in SCRIPTS.values():
        for names, file in re.findall(r'import \{ ([^}]+) \} from "\./([^"]+)"', text):
            for name in names.split(", "):
                assert re.search(rf"export (async )?(class|function|const) {name}\b", SCRIPTS[file])
