"""What may not stand in the sources: SQL put together of strings, what runs code that it reads, secrets that show."""

from __future__ import annotations

import ast
import re

import pytest

from tests.security.sources import calls, nodes

_SQL = re.compile(
    r"\s*(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|DROP|CREATE|ALTER|TRUNCATE|PRAGMA|WITH|GRANT|SET|LOCK) "
)
# Names of the bot's own tables, which the module lists itself.
_OWN_NAMES = {("bot/database/backup.py", "name"), ("bot/database/backup.py", "names")}


def put_together(node: ast.AST) -> list[str]:
    """What is put into a string of SQL by f-string, `+`, `%` or `format`, but for constants and whole numbers."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(begin)), *rest]):
            values = [part.value for part in rest if isinstance(part, ast.FormattedValue)]
        case ast.BinOp(left=ast.Constant(value=str(begin)), op=ast.Add() | ast.Mod(), right=right):
            values = [right]
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(begin)), attr="format"), args=args):
            values = [*args, *(keyword.value for keyword in node.keywords)]
        case _:
            return []
    if not _SQL.match(begin):
        return []
    told = [ast.unparse(value) for value in values if not isinstance(value, ast.Constant)]
    return [each for each in told if not re.fullmatch(r"_?[A-Z][A-Z0-9_]+|int\(.*\)", each)]


def test_no_sql_is_put_together_of_strings() -> None:
    """Values go as parameters; a name that stands in SQL is a constant of its module."""
    found = {(path, each) for path, node in nodes() for each in put_together(node)}
    assert found <= _OWN_NAMES


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("execute(f\"SELECT * FROM t WHERE name = '{name}'\")", True),
        ('execute("DELETE FROM t WHERE id = " + given)', True),
        ('execute("UPDATE t SET x = %s" % given)', True),
        ('execute("SELECT {}".format(given))', True),
        ('execute(f"PRAGMA busy_timeout = {BUSY}")', False),
        ('execute(text("SELECT :x"), {"x": given})', False),
    ],
)
def test_which_would_be_seen(code: str, bad: bool) -> None:
    assert any(put_together(node) for node in ast.walk(ast.parse(code))) is bad


def test_nothing_that_is_read_is_run() -> None:
    found = []
    for path, name, node in calls():
        last = name.rpartition(".")[2]
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in {"eval", "exec", "os.system", "os.popen", "__import__"} or name.endswith(
            ("extractall", "unpack_archive")
        ):
            found.append((path, name))
        if name.startswith(("marshal.", "shelve.", "dill.", "cloudpickle.", "joblib.")) or name.endswith(
            "pickle.loads"
        ):
            found.append((path, name))
        if name in {"pickle.load", "torch.load"}:
            found.append((path, name))
        if name == "yaml.load" and "Loader" not in keywords:
            found.append((path, name))
        if name in {"yaml.full_load", "yaml.unsafe_load", "yaml.load_all"}:
            found.append((path, name))
        shell = keywords.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            found.append((path, "shell="))
        trust = keywords.get("trust_remote_code")
        if trust is not None and not (isinstance(trust, ast.Constant) and trust.value is False):
            found.append((path, "trust_remote_code="))
        if last in {"create_subprocess_shell", "getoutput", "getstatusoutput"}:
            found.append((path, name))
    assert found == []


def test_pickles_are_the_previews_alone_which_makes_nothing_but_its_own_values_of_them() -> None:
    imports = {
        path
        for path, node in nodes()
        if (isinstance(node, ast.Import) and any(each.name == "pickle" for each in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "pickle")
    }
    assert imports == {"bot/preview/saved_state.py"}


_SECRET = re.compile(r"(?:^|_)(?:token|secret|password|api_key)\Z")


def test_no_object_shows_a_secret_that_it_holds() -> None:
    """Fields of dataclasses and settings that hold one are of a type that hides it, or left out of the `repr`."""
    found, held = [], 0
    for path, node in nodes():
        if not isinstance(node, ast.ClassDef) or not (node.decorator_list or node.bases):
            continue
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not _SECRET.search(ast.unparse(field.target)):
                continue
            if path.startswith(
                ("model/prompt/", "training/finetuning/flops.py", "training/serving/recipes.py")
            ):
                continue  # tokens of a tokenizer
            held += 1
            told = f"{ast.unparse(field.annotation)} = {ast.unparse(field.value) if field.value else ''}"
            if "SecretStr" not in told and "repr=False" not in told:
                found.append((path, node.name, ast.unparse(field.target)))
    assert held >= 12
    assert found == []


def test_no_certificate_goes_unchecked_and_no_random_number_is_a_secret() -> None:
    found = []
    for path, name, node in calls():
        for keyword in node.keywords:
            told = ast.unparse(keyword.value)
            if (keyword.arg, told) in {
                ("verify", "False"),
                ("ssl", "False"),
                ("verify_ssl", "False"),
                ("check_hostname", "False"),
            }:
                found.append((path, f"{keyword.arg}={told}"))
        if name.startswith("random.") and _SECRET.search(name):
            found.append((path, name))
    assert found == []
