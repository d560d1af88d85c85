"""Symbolic sizes of a ``torch.export`` file: held to arithmetic before sympy, which evaluates text, may see them.

They are written as sympy writes expressions out (``Mul(Integer(2), Symbol('s1', positive=True))``). May import: the
standard library.
"""

from __future__ import annotations

import ast
import re
from typing import NoReturn

_SYMBOL = re.compile(r"[a-z]{1,9}_?\d*")
_CALLS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Mul", "Add", "Pow", "Max", "Min", "Mod", "PythonMod", "FloorDiv",
    "CleanDiv", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "TruncToInt", "TruncToFloat", "CeilToInt", "FloorToInt",
    "RoundToInt", "ToFloat", "PowByNatural", "FloatPow", "ModularIndexing", "Where", "Piecewise", "ExprCondPair",
    "Eq", "Ne", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "And", "Or",
    "Not", "Identity", "Abs", "floor", "ceiling",
})  # fmt: skip
_LONGEST = 2000


def say_expression(text: str) -> str:
    """Say a symbolic size in the words of ``InputSpec`` where it is a sum of products: ``s1``, ``2*s1+s2``.

    Other arithmetic comes back as it is. Raises ValueError for what is more than arithmetic.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"one of its sizes takes {len(text)} characters to say")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise ValueError(f"one of its sizes is given as {text[:80]!r}") from None
    return _say(tree) or text


def _say(node: ast.expr) -> str | None:
    """The words for one expression; None where it is arithmetic of another kind."""
    match node:
        case ast.Constant(value=int() | float() as value):
            said = str(int(value)) if isinstance(value, int) and value >= 0 else None
        case ast.Name(id=name) if _SYMBOL.fullmatch(name):
            said = name
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            _say(inner)
            said = None
        case ast.BinOp(left=left, op=op, right=right):
            said = _join(type(op), [_say(left), _say(right)])
        case ast.Call(func=ast.Name(id=name), args=args, keywords=given) if name in _CALLS:
            said = _say_call(name, args, given)
        case _:
            said = _refuse(node)
    return said


def _say_call(name: str, args: list[ast.expr], given: list[ast.keyword]) -> str | None:
    for keyword in given:  # assumptions: positive=True
        if not (isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool)):
            _refuse(keyword.value)
    if name == "Symbol":
        match args:
            case [ast.Constant(value=str(symbol))] if _SYMBOL.fullmatch(symbol):
                return symbol
        _refuse(args[0] if args else ast.Name(name))
    parts = [_say(one) for one in args]
    if name == "Integer" and len(parts) == 1:
        return parts[0]
    return _join({"Mul": ast.Mult, "Add": ast.Add}.get(name), parts)


def _join(op: type[ast.AST] | None, parts: list[str | None]) -> str | None:
    """Join products and sums, where no part of a product is itself a sum."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if op is ast.Add:
        return "+".join(known)
    return "*".join(known) if op is ast.Mult and not any("+" in part for part in known) else None


def _refuse(node: ast.expr) -> NoReturn:
    raise ValueError(f"one of its sizes holds {ast.unparse(node)[:80]!r}, which is more than arithmetic")
