"""The files of the repository, for the checks in this folder."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("app", "base", "controller", "features", "proxy", "routing", "tls")
NOT_OURS = {".git", "build", ".cache", ".venv", "__pycache__", ".pytest_cache", "node_modules"}
TEXT_SUFFIXES = {"", ".cmake", ".cpp", ".h", ".json", ".md", ".py", ".sh", ".txt", ".yaml", ".yml", ".toml", ".cfg"}


def files(folder="."):
    """All files below `folder`, without what is built or cached."""
    found = []
    for path in sorted((ROOT / folder).rglob("*")):
        parts = path.relative_to(ROOT).parts
        if not NOT_OURS.intersection(parts) and path.is_file() and not path.is_symlink():
            found.append(path)
    return found


def text_files():
    """Files that a person writes: sources, scripts, documents. Not the inputs of fuzz targets."""
    return [path for path in files() if path.suffix in TEXT_SUFFIXES and "corpus" not in relative(path).split("/")]


def code_files(*suffixes):
    """Sources of the program: .h and .cpp unless `suffixes` say otherwise."""
    wanted = suffixes or (".h", ".cpp")
    return [path for folder in CODE_FOLDERS for path in files(folder) if path.suffix in wanted]


def sources_of_tests():
    return [path for path in files("tests") if path.suffix in (".h", ".cpp")]


def relative(path):
    return path.relative_to(ROOT).as_posix()


COMMENT_OR_TEXT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'""", re.DOTALL
)


def code_only(text):
    """C++ text with comments, strings and characters blanked; positions and lines stay where they are."""
    return COMMENT_OR_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
