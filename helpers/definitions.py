"""What a run's numbers depend on, as data: definitions as syntax, followed from name to name.

A class or function of the book is described by its syntax, without docstrings and annotations, and
by all that it uses; one of a library by its name. So the description is the same for a definition
in a cell and for its copy in `helpers.sections`, and on every version of Python.
"""

import ast
import dis
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
WRAPPERS = (functools.partial, types.MethodType, staticmethod, classmethod, property)
PARTS = "func", "args", "keywords", "__func__", "__self__", "fget", "fset"
LEFT_OUT = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind", "simple"}


def describe(thing: object, seen: dict[int, str] | None = None) -> Any:
    """A value, a function or a class in terms of JSON; `seen` names what has had its turn, by id.

    Raises:
        ValueError: the source of a function is out of reach.
    """
    seen = {} if seen is None else seen
    inner = functools.partial(describe, seen=seen)
    if isinstance(thing, type | types.FunctionType):
        return definition(thing, seen)
    if isinstance(thing, Tensor):
        return ["tensor", [*thing.shape], thing.detach().bfloat16().flatten().tolist()]
    if isinstance(thing, list | tuple):
        return [inner(item) for item in thing]
    if isinstance(thing, set | frozenset):
        return sorted(map(str, map(inner, thing)))
    if isinstance(thing, dict):
        return {str(key): inner(value) for key, value in thing.items()}
    if isinstance(thing, WRAPPERS):
        return [type(thing).__name__, inner([getattr(thing, name, None) for name in PARTS])]
    if isinstance(thing, nn.Module):
        return [inner(type(thing)), repr(thing)]
    if isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
        return thing.__name__
    if from_book(type(thing)) and id(thing) not in seen:
        seen[id(thing)] = type(thing).__qualname__
        return [inner(type(thing)), inner(vars(thing))]
    return repr(thing) if type(thing).__repr__ is not object.__repr__ else type(thing).__qualname__


def definition(thing: Any, seen: dict[int, str]) -> Any:
    """Describe a class or a function, once."""
    if id(thing) in seen or not from_book(thing):
        return seen.get(id(thing)) or f"{thing.__module__}.{thing.__qualname__}"
    seen[id(thing)] = thing.__qualname__
    if isinstance(thing, type):
        own = {
            name: describe(value, seen)
            for name, value in sorted(vars(thing).items())
            if not name.startswith("__") or isinstance(value, types.FunctionType) and syntax(value)
        }
        return [thing.__qualname__, [describe(base, seen) for base in thing.__bases__], own]
    thing = inspect.unwrap(thing)
    nodes = syntax(thing)
    if not nodes:
        raise ValueError(
            f"the source of {thing.__qualname__} is out of reach: define it in a cell or a file."
        )
    names = {n.id for node in nodes for n in walk(node) if isinstance(n, ast.Name)}
    used = {name: thing.__globals__.get(name) for name in sorted(global_names(thing.__code__))}
    cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
    used |= {name: cell.cell_contents for name, cell in cells if name != "__class__"}
    followed = {k: describe(v, seen) for k, v in used.items() if k in names and v is not None}
    defaults = describe([thing.__defaults__, thing.__kwdefaults__], seen)
    return [thing.__name__, [plain(node) for node in nodes], defaults, followed]


def from_book(thing: type | types.FunctionType) -> bool:
    """Whether a class or function is the book's or the reader's, and no library's."""
    module = thing.__module__ or ""
    if module == "__main__" or module.startswith("helpers.sections"):
        return True
    if module.partition(".")[0] in {"helpers", *sys.stdlib_module_names}:
        return False
    top = sys.modules.get(module.partition(".")[0])
    if (file := getattr(top, "__file__", None)) is None:
        return False
    path = Path(file)
    return not holds_packages(path.parents[path.name == "__init__.py"])


@functools.cache
def holds_packages(folder: Path) -> bool:
    """Whether pip installs into a folder: `site-packages`, or that of `pip --target`."""
    return any(folder.glob("*.dist-info")) or folder.name == "dist-packages"


def syntax(function: types.FunctionType) -> list[ast.AST]:
    """The function's definition; of several lambdas in one line, all; none where no source is."""
    code = function.__code__
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, DEFINITIONS)
        and getattr(node, "name", "<lambda>") == code.co_name
        and min(n.lineno for n in (node, *getattr(node, "decorator_list", ())))
        == code.co_firstlineno
    ]


def global_names(code: types.CodeType) -> set[str]:
    """Names that a function, and those inside it, look up among the globals."""
    look_up = ("LOAD_GLOBAL", "LOAD_NAME")  # the latter in the body of a class
    found = {i.argval for i in dis.get_instructions(code) if i.opname in look_up}
    inside = (global_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return found.union(*inside)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, without annotations."""
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in LEFT_OUT:
                yield from walk(child)


def plain(node: Any) -> Any:
    """Syntax as lists, without positions, docstrings and annotations; empty fields are left out."""
    if isinstance(node, list):
        return [plain(item) for item in node if not is_remark(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign(targets=[node.target], value=node.value)
    fields = {
        name: plain(value)
        for name, value in ast.iter_fields(node)
        if name not in LEFT_OUT and value is not None and value != []
    }
    return [type(node).__name__, fields]


def is_remark(node: Any) -> bool:
    """Whether a statement does nothing: a docstring, or an annotation alone."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, ast.AnnAssign) and node.value is None
