"""Queries over photographs, in a small part of Python's expressions: comparisons joined by and, or, not.

A query cannot call, look into or change anything: names are columns, the rest is comparing. A comparison with an absent
value is false, except ``== None`` and ``!= None``. ``in`` looks into a list; in a list of codes, ``"part.*"`` stands for all
codes of the group.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class QueryProblem(Exception):  # noqa: N818 -- reads as what it is; never leaves this package
    """What is wrong with a query, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been read and found sound; ``matches`` says whether a row is meant.

    Examples
    --------
    >>> query = read_query('partner == "lab" and "part.*" in categories', {"partner", "categories"})
    >>> query.matches({"partner": "lab", "categories": ["part.slide"]})
    True
    >>> query.matches({"partner": None, "categories": []})
    False

    """

    tree: ast.expr | None

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Return whether the query is true of a row; an empty query is true of each.

        Raises
        ------
        QueryProblem
            If values of different kinds are compared.

        """
        return self.tree is None or bool(_value(self.tree, row))


def read_query(text: str, columns: Collection[str]) -> Query:
    """Return the query that a text says.

    Raises
    ------
    QueryProblem
        If it is no query over these columns.

    """
    if not text.strip():
        return Query(None)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it is too long"
        raise QueryProblem(f"cannot be read ({reason})") from error
    _check(tree, columns)
    return Query(tree)


def _check(node: ast.expr, columns: Collection[str]) -> None:
    """Refuse everything that is not named here."""
    match node:
        case ast.BoolOp(values=values):
            parts: list[ast.expr] = list(values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            parts = [operand]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            parts = []
        case ast.Compare(left=left, comparators=comparators):
            parts = [left, *comparators]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            parts = list(elements)
        case ast.Constant(value=str() | int() | float() | None):
            parts = []
        case ast.Name(id=name):
            if name not in columns:
                raise QueryProblem(f"names {name}, which is no column (there are {', '.join(sorted(columns))})")
            parts = []
        case _:
            raise QueryProblem(f"uses {ast.unparse(node)!r}: only columns, values, comparisons, and, or, not are known")
    for part in parts:
        _check(part, columns)


def _value(node: ast.expr, row: Mapping[str, Any]) -> Any:  # noqa: PLR0911 -- a line a kind of node
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(each, row) for each in values)
        case ast.BoolOp(values=values):
            return any(_value(each, row) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, row)
        case ast.UnaryOp(operand=ast.Constant(value=number)):
            return -number  # type: ignore[operator] # _check has let only numbers through
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_value(each, row) for each in (left, *comparators)]
            return all(_holds(op, a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(each, row) for each in elements]
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return row.get(name)
    raise QueryProblem(f"uses {ast.unparse(node)!r}")  # pragma: no cover -- _check refuses it before


def _holds(op: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(op, ast.Eq | ast.Is):
        return bool(left == right)
    if isinstance(op, ast.NotEq | ast.IsNot):
        return bool(left != right) and (left is not None or right is None)
    if left is None or right is None:
        return False
    if type(op) not in _COMPARE:  # in, and its opposite
        return _within(left, right) is isinstance(op, ast.In)
    try:
        return bool(_COMPARE[type(op)](left, right))
    except TypeError as error:
        raise QueryProblem(f"compares {left!r} with {right!r}, which are of different kinds") from error


def _within(value: Any, of: Any) -> bool:
    if isinstance(of, str):
        return str(value) in of
    if isinstance(value, str) and value.endswith(".*"):
        return any(str(each).startswith(value[:-1]) for each in of)
    return value in of
