"""The runs that the pages show: each has a key, and is trained once and kept.

The key is made of all that determines a run's numbers, as asked for: the definitions of model, data
and initialisation, their arguments, epochs and seed; not of the profile. A definition of the book
is described by its syntax and all that it uses, one of a library by its name. So it may stand in a
cell or in `helpers.sections`, on every version of Python.
"""

import ast
import copy
import dis
import functools
import hashlib
import inspect
import json
import linecache
import os
import sys
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from d2l import torch as d2l
from IPython.display import display
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from helpers import device as machine
from helpers.data import FashionMNIST, part
from helpers.fitting import Init, prepare
from helpers.history import History
from helpers.profile import seeds as seeds  # pages that train take it from here
from helpers.summary import summary
from helpers.training import Trainer

DTYPES = (torch.bfloat16, torch.float32)
NOT_ASKED = {  # attributes that follow from the profile and the machine, not from the call
    "board", "trainer", "training", "root", "num_workers", "train", "val", "size", "batch_size",
    "profile", "source", "class_names", "hparams",
}  # fmt: skip
WRAPPERS = (functools.partial, types.MethodType, staticmethod, classmethod, property)
PARTS = "func", "args", "keywords", "__func__", "__self__", "fget", "fset"
LEFT_OUT = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind", "simple"}


def train(
    model: d2l.Classifier,
    data: FashionMNIST,
    max_epochs: int = 10,
    *,
    init: Init = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> History:
    """Train a new model in place, or take the finished run from the store; show its history.

    Where the profile makes images smaller that have more than 32 pixels a side, the model is made
    thinner, and its learning rate is raised. In `quick` and `full` the run is kept in the folder
    BOOK_RUNS: after every epoch, so that the same call goes on where it was stopped, and when it
    is finished, with the weights in bfloat16, which the model then has.

    Args:
        model: A model whose lazy layers have no shapes yet.
        data: What to train on.
        max_epochs: Passes over the training images; the profile may lower it.
        init: Applied to every module before training. Default: PyTorch's own initialisation.
        seed: Of the initialisation, the order of the batches, and dropout.
        dtype: Precision of training; by default the fastest, or that in which the run began.

    Raises:
        ValueError: model and data do not fit together, or the store cannot be used.
        FloatingPointError, MemoryError: as for `Trainer.fit`.
    """
    key = run_key(model, data, max_epochs, init, seed)
    prepare(model, data, init, seed)
    data = copy.copy(data)
    data.seed += seed
    profile, cost = data.profile, summary(model, (1, *data.size), fields=False)
    most = max(4, profile.max_epoch_macs // cost.macs)
    data.val = part(data.val, most // 2)
    data.train = part(data.train, min(most, profile.max_epoch_steps * data.batch_size))
    epochs = profile.epochs(max_epochs, cost.macs * len(data.train))
    trainer = Trainer(epochs if seed < profile.max_seeds else 1, dtype=dtype)
    trainer.key, trainer.cost = key, cost
    folder = store(data)
    if folder is None:
        return trainer.fit(model, data)
    with machine.reserved(folder / f"{type(model).__name__}-{key}.lock"):
        paths = run_files(folder, model, data, key, dtype)
        for finished, _ in paths.values():
            if state := load(finished):
                model.load_state_dict(state["model"])
                history = History.from_data(state["history"])
                display(history)
                return history
        fast = dtype or machine.fast_dtype(machine.best_device(), cost.macs)
        trainer.dtype = next((each for each, (_, begun) in paths.items() if load(begun)), fast)
        finished, trainer.checkpoint = paths[trainer.dtype]
        history = trainer.fit(model, data)
        if len(history) == history.max_epochs:
            state = dict(model.state_dict())
            weights = tree_map(lambda v: v.bfloat16() if v.is_floating_point() else v, state)
            model.load_state_dict(weights)  # as whoever takes them from the store will find them
            if machine.save(finished, {"model": weights, "history": asdict(history)}):
                trainer.checkpoint.unlink(missing_ok=True)
    return history


def run_key(
    model: d2l.Classifier,
    data: FashionMNIST,
    max_epochs: int = 10,
    init: Init = None,
    seed: int = 0,
) -> str:
    """The name of a run, which changes with all that determines its numbers but the machine.

    Call it with what `train` is called with, before the model has seen an image.
    """
    own = [  # weights that no layer draws anew when the seed is set
        value
        for module in model.modules()
        if not hasattr(module, "reset_parameters")
        for value in [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    ]
    seen: dict[int, str] = {}
    asked = [
        describe(type(model), seen), attributes(model, seen), repr(model), describe(own, seen),
        describe(type(data), seen), attributes(data, seen), describe(init, seen), max_epochs, seed,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def attributes(thing: object, seen: dict[int, str]) -> dict[str, Any]:
    """What was set on an object, its hyperparameters among them."""
    found = {**getattr(thing, "hparams", {}), **vars(thing)}
    asked = {k: v for k, v in found.items() if not k.startswith("_") and k not in NOT_ASKED}
    return {name: describe(value, seen) for name, value in sorted(asked.items())}


def store(data: FashionMNIST) -> Path | None:
    """Folder of the runs, made if need be (ValueError: it cannot be).

    None in `check`, on a substitute of the data, and for one of several processes.
    """
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if data.profile.name == "check" or data.source != "Fashion-MNIST" or several:
        return None
    folder = machine.folder("BOOK_RUNS", "runs")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"the store of runs {str(folder)!r} cannot be made: {error.strerror}. "
        raise ValueError(f"{text}Set BOOK_RUNS to a folder that you may write to.") from error
    return folder


def run_files(
    folder: Path, model: nn.Module, data: FashionMNIST, key: str, dtype: torch.dtype | None
) -> dict[torch.dtype, tuple[Path, Path]]:
    """For each precision, or the one that is asked for, the files of the finished and begun run."""
    found, images = {}, "x".join(map(str, (len(data.train), *data.size)))
    version = torch.__version__.split("+")[0]
    for each in DTYPES if dtype is None else (dtype,):
        precision = str(each).removeprefix("torch.")
        made_on = f"{data.profile.name}-{images}-{precision}-torch{version}"
        path = folder / f"{type(model).__name__}-{key}-{made_on}.pt"
        found[each] = path, path.with_suffix(".part.pt")
    return found


def load(path: Path) -> dict[str, Any] | None:
    """What a file of the store holds; None if it is not there, or damaged: then it is deleted."""
    try:
        return machine.load(path)
    except ValueError:
        print(f"Notice: {path.name} in the store of runs is damaged: the run is trained again.")
        path.unlink()
        return None


def describe(thing: object, seen: dict[int, str]) -> Any:
    """A value, function or class in terms of JSON; `seen` names what has had its turn, by id."""
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
    """Describe a class or a function, once; ValueError if its source is out of reach."""
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
    names: set[str] = set()
    if not (nodes := [plain(node, names) for node in syntax(thing)]):
        text = f"the source of {thing.__qualname__} is out of reach"
        raise ValueError(f"{text}: define it in a cell or a file.")
    used = {name: thing.__globals__.get(name) for name in sorted(global_names(thing.__code__))}
    cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
    used |= {name: cell.cell_contents for name, cell in cells if name != "__class__"}
    followed = {k: describe(v, seen) for k, v in used.items() if k in names and v is not None}
    defaults = describe([thing.__defaults__, thing.__kwdefaults__], seen)
    return [thing.__name__, nodes, defaults, followed]


def from_book(thing: Any) -> bool:
    """Whether a class or function is the book's or the reader's, and no library's."""
    module = thing.__module__ or ""
    if module == "__main__" or module.startswith("helpers.sections"):
        return True
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if top in {"helpers", *sys.stdlib_module_names} or file is None:
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
    return [
        node
        for node in functions("".join(linecache.getlines(code.co_filename)))
        if getattr(node, "name", "<lambda>") == code.co_name
        and [*getattr(node, "decorator_list", ()), node][0].lineno == code.co_firstlineno
    ]


@functools.cache
def functions(source: str) -> list[Any]:
    """All functions that a text defines, as syntax."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def global_names(code: types.CodeType) -> set[str]:
    """Names that a function, and those inside it, look up among the globals."""
    look_up = ("LOAD_GLOBAL", "LOAD_NAME")  # the latter in the body of a class
    inside = (global_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return {i.argval for i in dis.get_instructions(code) if i.opname in look_up}.union(*inside)


def plain(node: Any, names: set[str]) -> Any:
    """Syntax as lists, without positions, docstrings and annotations; `names` gets those in it."""
    if isinstance(node, list):
        return [plain(item, names) for item in node if not is_remark(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Name):
        names.add(node.id)
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign(targets=[node.target], value=node.value)
    fields = {
        name: plain(value, names)
        for name, value in ast.iter_fields(node)
        if name not in LEFT_OUT and value is not None and value != []
    }
    return [type(node).__name__, fields]


def is_remark(node: Any) -> bool:
    """Whether a statement does nothing: a docstring, or an annotation alone."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, ast.AnnAssign) and node.value is None
