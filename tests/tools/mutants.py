"""Small changes of a program, one at a time: what a slip of the hand makes of it."""

import ast
import copy
from collections.abc import Iterator

OPERATORS = {
    ast.Add: [ast.Sub, ast.Mult],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Add, ast.FloorDiv],
    ast.Div: [ast.FloorDiv, ast.Mult],
    ast.FloorDiv: [ast.Div, ast.Mult],
    ast.Mod: [ast.FloorDiv],
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.USub: [ast.UAdd],
}


def mutants(code: str) -> Iterator[str]:
    """All programs that differ from this one in one place of its functions.

    Operators and comparisons are exchanged, whole numbers raised and lowered, truth values and
    branches turned round, two arguments, elements of a pair or bounds exchanged, statements and
    additions in place made plain.
    """
    tree = ast.parse(code)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    tree.body = [
        n for n in tree.body if isinstance(n, ast.FunctionDef | ast.Import | ast.ImportFrom)
    ]
    places = [node for function in functions for node in ast.walk(function)]
    for place, node in enumerate(places):
        for change in changes(node):
            twin = copy.deepcopy(tree)
            inner = [n for f in twin.body if isinstance(f, ast.FunctionDef) for n in ast.walk(f)]
            change(inner[place])
            yield ast.unparse(ast.fix_missing_locations(twin))


def changes(node: ast.AST) -> Iterator:
    """Functions, each of which changes a copy of the node."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.UnaryOp | ast.BoolOp):
        for other in OPERATORS.get(type(node.op), []):
            yield lambda n, other=other: setattr(n, "op", other())
    if isinstance(node, ast.Compare):
        for k, operator in enumerate(node.ops):
            for other in OPERATORS.get(type(operator), []):
                yield lambda n, k=k, other=other: n.ops.__setitem__(k, other())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield lambda n, step=step: setattr(n, "value", n.value + step)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.IfExp):
        yield lambda n: n.__dict__.update(body=n.orelse, orelse=n.body)
    if isinstance(node, ast.Slice) and node.lower and node.upper:
        yield lambda n: setattr(n, "lower", None)
        yield lambda n: setattr(n, "upper", None)
    if isinstance(node, ast.Call) and len(node.args) > 1:
        yield lambda n: n.args.reverse()
    if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.ctx, ast.Load):
        yield lambda n: n.elts.reverse()
