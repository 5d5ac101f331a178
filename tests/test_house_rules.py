"""The sizes, names and words that the house style sets, held against every file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    *(".ci", ".gitignore", "README.md", "pyproject.toml", "requirements.lock"),
    *("app", "agents", "tables", "web", "tests", "deploy"),
}
OPTIONAL_TOP_LEVEL = {".dockerignore", ".editorconfig", "LICENSE", "SECURITY.md", "uv.lock"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base"}
PACKAGES = ("app", "agents", "tables", "web")
MODULE_LINES = 300
BODY_LINES = 50
NESTING = 3
POSITIONAL = 3
LINE_LENGTH = 100
DEPTH = 2
# The brackets keep this file from breaking its own rules.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|NotImplemented[E]rror)\b")
MACHINE = re.compile(r"(?<![\w.-])/(wor[k]|roo[t]|home/\w+)(?![\w-])")
REGISTRY = re.compile(
    r"\b(pypi[.]org|pythonhosted[.]org|npmjs[.]|maven[.](apache[.])?org|apache[.]org/maven2"
    r"|crates[.]io|proxy[.]golang|deb[.]debian|index-ur[l])"
)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def project_files() -> list[Path]:
    """What is committed or about to be; ignored files do not count."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    names = sorted({name for name in done.stdout.split("\0") if name})
    return [CHECKOUT / name for name in names if (CHECKOUT / name).is_file()]


FILES = project_files()
MODULES = [path for path in FILES if path.suffix == ".py"]


def named(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.fixture(params=MODULES, ids=named)
def module(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    first, last = function.body[0], function.body[-1]
    documented = len(function.body) > 1 and ast.get_docstring(function) is not None
    start = function.body[1] if documented else first
    return (last.end_lineno or last.lineno) - start.lineno + 1


def nesting(node: ast.AST) -> int:
    """Blocks inside blocks; `elif` is no deeper than its `if`, an inner function starts anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*Function.__args__, ast.ClassDef)):
            continue
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deeper = isinstance(child, BLOCKS) and not chained
        deepest = max(deepest, nesting(child) + deeper)
    return deepest


def positional(function: Function) -> int:
    arguments = [*function.args.posonlyargs, *function.args.args]
    bound = bool(arguments) and arguments[0].arg in {"self", "cls"}
    return len(arguments) - bound


def anonymous(tree: ast.AST) -> list[str]:
    """Calls that make a client of Kafka and do not say who it is."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [(ast.unparse(call.func), {given.arg for given in call.keywords}) for call in calls]
    return [
        name
        for name, given in found
        if re.search(r"\bAIOKafka(Client|Consumer|Producer|AdminClient)$", name)
        or ("broker" in given and "broker_credentials" not in given)
    ]


def injected(function: Function) -> bool:
    """Tests and fixtures: nobody passes their arguments by position."""
    marks = [ast.unparse(decorator) for decorator in function.decorator_list]
    return function.name.startswith("test_") or any("fixture" in mark for mark in marks)


def test_a_module_keeps_the_sizes(module: Path) -> None:
    text = module.read_text()
    lines = text.splitlines()
    assert len(lines) <= MODULE_LINES
    long = [number for number, line in enumerate(lines, start=1) if len(line) > LINE_LENGTH]
    assert long == []


def test_functions_keep_the_sizes(module: Path) -> None:
    found = list(functions(ast.parse(module.read_text())))
    assert [f.name for f in found if body_lines(f) > BODY_LINES] == []
    assert [f.name for f in found if nesting(f) > NESTING] == []
    assert [f.name for f in found if positional(f) > POSITIONAL and not injected(f)] == []


def test_a_module_says_what_it_is(module: Path) -> None:
    tree = ast.parse(module.read_text())
    assert not tree.body or ast.get_docstring(tree)


def test_the_package_is_imported_by_its_parts(module: Path) -> None:
    imports = list(ast.walk(ast.parse(module.read_text())))
    plain = [a.name for node in imports if isinstance(node, ast.Import) for a in node.names]
    assert not set(plain) & set(PACKAGES)
    assert [node for node in imports if isinstance(node, ast.ImportFrom) and node.level] == []


def test_clients_of_kafka_are_told_who_they_are(module: Path) -> None:
    """`KafkaAccess.client` makes them all; Faust makes its own, of credentials."""
    if module.relative_to(CHECKOUT).parts[0] not in PACKAGES:
        return
    assert anonymous(ast.parse(module.read_text())) == []


def test_own_lines_go_into_the_one_log(module: Path) -> None:
    """`app.logs` is quiet about loggers of the standard library, and knows no fields of theirs."""
    if module.relative_to(CHECKOUT).parts[0] in PACKAGES:
        assert "getLogger(__name__)" not in module.read_text()


def test_names_say_what_they_hold(module: Path) -> None:
    parts = {part.removesuffix(".py") for part in module.relative_to(CHECKOUT).parts}
    assert not parts & VAGUE_NAMES
    if module.relative_to(CHECKOUT).parts[0] in PACKAGES:
        assert len(module.relative_to(CHECKOUT).parts) - 2 <= DEPTH


def test_the_top_level_holds_the_allowed_names_only() -> None:
    present = {path.relative_to(CHECKOUT).parts[0] for path in FILES}
    assert present - OPTIONAL_TOP_LEVEL <= TOP_LEVEL


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_names_no_machine_and_leaves_nothing_unfinished(path: Path) -> None:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return
    rules = (UNFINISHED, MACHINE, REGISTRY)
    found = [line for line in lines if any(rule.search(line) for rule in rules)]
    assert found == []


NESTED = """
def f(x):
    for a in x:
        if a:
            while a:
                with a:
                    pass
"""
CHAINED = """
def f(x):
    if x == 1:
        pass
    elif x == 2:
        pass
    elif x == 3:
        for y in x:
            pass
"""


@pytest.mark.parametrize(("code", "depth"), [(NESTED, 4), (CHAINED, 2)])
def test_nesting_is_counted_as_a_reader_does(code: str, depth: int) -> None:
    assert [nesting(function) for function in functions(ast.parse(code))] == [depth]


def test_arguments_and_lines_are_counted_without_self_and_docstring() -> None:
    code = 'class A:\n def f(self, a, b, /, c, *, d):\n  """Says\n  it."""\n  a\n  return b\n'
    (function,) = functions(ast.parse(code))
    assert (positional(function), body_lines(function)) == (3, 2)


@pytest.mark.parametrize("word", ["todo", "fixme"])
def test_unfinished_words_are_found(word: str) -> None:
    assert UNFINISHED.search(f"# {word.upper()}: later")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("AIOKafkaProducer(bootstrap_servers=a)", ["AIOKafkaProducer"]),
        ("aiokafka.AIOKafkaConsumer(t, bootstrap_servers=a)", ["aiokafka.AIOKafkaConsumer"]),
        ("faust.App(n, broker=a)", ["faust.App"]),
        ("faust.App(n, broker=a, broker_credentials=c)", []),
        ("kafka.client(AIOKafkaProducer, acks=1)", []),
    ],
)
def test_clients_that_do_not_say_who_they_are_are_found(code: str, found: list[str]) -> None:
    assert anonymous(ast.parse(code)) == found
