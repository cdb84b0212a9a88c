"""Aggregation expressions: ``{"$add": ["$a", 1]}`` becomes a function of the variables in scope."""

from storage.embedded.expressions import (
    arrays,
    conversion,
    dates,
    logic,
    numbers,
    sets,
    strings,
    totals,
)
from storage.embedded.expressions.core import (
    Expression,
    Scope,
    compile_expression,
    operators,
    truthy,
)

__all__ = ["Expression", "Scope", "compile_expression", "operators", "truthy"]

for _module in (logic, numbers, strings, arrays, sets, conversion, dates, totals):
    operators.update(_module.OPERATORS)
