"""What people write who know SQL, Excel, Python, JavaScript or Liquid, and what it is here.

Each gives the hint of an error that there is anyway. Tested by tests/rules/test_slips.py.
"""

from __future__ import annotations

import re

_SPAN = "a span of time is e.g. duration('7d'), as in `now - duration('7d')`"
_LIKE = "write event.x.startsWith('…'), event.x.endsWith('…') or event.x.contains('…')"
_MISSING = "write `!has(event.x)` for a field that is missing, `event.x == null` for one that is null"
_TERNARY = "write `condition ? value : other`"
_BRACES = "a condition has no braces: write `event.x`, not `{{ event.x }}`"

# Words and characters that cannot be where they are, in lower case.
_WORDS = {
    "=": "compare with `==`",
    ">": "compare with `>=`, or with `!=` for `<>`",
    "and": "write `&&`",
    "or": "write `||`",
    "xor": "write `a != b`",
    "not": "write `!`, as in `!(event.x in ['a', 'b'])`",
    "&": "write `&&`",
    "|": "write `||`; there are no filters here, they are for texts",
    "in": "`in` is written in small letters, as in `event.x in ['a', 'b']`",
    "is": _MISSING,
    "isnull": _MISSING,
    "like": _LIKE,
    "ilike": _LIKE,
    "rlike": "write event.x.matches('…')",
    "regexp": "write event.x.matches('…')",
    "between": "write `event.x >= 1 && event.x <= 9`",
    "contains": "write event.x.contains('…'), or `'…' in event.x` for a list",
    "startswith": "write event.x.startsWith('…')",
    "endswith": "write event.x.endsWith('…')",
    "matches": "write event.x.matches('…')",
    "then": _TERNARY,
    "if": _TERNARY,
    "else": _TERNARY,
    "case": _TERNARY,
    "when": _TERNARY,
    "equals": "compare with `==`",
    "eq": "compare with `==`",
    "ne": "compare with `!=`",
    "gt": "compare with `>`",
    "gte": "compare with `>=`",
    "lt": "compare with `<`",
    "lte": "compare with `<=`",
    "mod": "write `%`",
    "interval": _SPAN,
    "for": "write e.g. `event.items.exists(item, item.price > 50)`",
    "$": "write the name alone, as in `event.x`",
    "#": "a comment begins with `//`",
    ";": "a condition is one expression: join two with `&&`",
    "€": "write the number alone",
    "£": "write the number alone",
}
_QUOTES = dict.fromkeys("“”„‟‘’‚‛«»`´", "write straight quotes: 'text'")
_OPERATORS = dict.fromkeys("≥≤≠×÷–—", "write `>=`, `<=`, `!=`, `*`, `/`, `-`")

# Functions and members that are not there, in lower case.
_CALLS = {
    **dict.fromkeys(("len", "length", "count", "count_distinct"), "write `size(event.x)`"),
    **dict.fromkeys(
        ("lower", "tolower", "tolowercase", "lcase", "casefold", "downcase"), "write x.lowerAscii()"
    ),
    **dict.fromkeys(("upper", "toupper", "touppercase", "ucase", "upcase"), "write x.upperAscii()"),
    **dict.fromkeys(("includes", "include", "has_value", "instr", "search"), "write x.contains('…')"),
    **dict.fromkeys(("like", "ilike"), _LIKE),
    **dict.fromkeys(("regex", "regexp", "match", "test", "rlike", "regexmatch"), "write x.matches('…')"),
    **dict.fromkeys(("strip", "ltrim", "rtrim"), "write x.trim()"),
    **dict.fromkeys(("concat", "concatenate"), "write `a + b`"),
    **dict.fromkeys(("parseint", "toint", "integer", "floor", "round", "trunc", "ceil"), "write int(x)"),
    **dict.fromkeys(
        ("parsefloat", "float", "number", "tonumber", "decimal", "numeric", "value"), "write double(x)"
    ),
    **dict.fromkeys(("str", "tostring", "text", "varchar"), "write string(x)"),
    **dict.fromkeys(("today", "getdate", "current_date", "current_timestamp", "sysdate"), "write `now`"),
    "now": "`now` is a variable: leave the brackets out",
    **dict.fromkeys(
        ("date", "datetime", "to_date", "todate", "strptime", "parse_date"), "write timestamp('2026-01-31')"
    ),
    **dict.fromkeys(
        (
            "days",
            "day_of",
            "hours",
            "minutes",
            "weeks",
            "interval",
            "timedelta",
            "datediff",
            "date_diff",
            "dateadd",
        ),
        _SPAN,
    ),
    "year": "write t.getFullYear('Europe/Vienna')",
    "month": "write t.getMonth('Europe/Vienna'), which begins with 0",
    **dict.fromkeys(("day", "dayofmonth"), "write t.getDate('Europe/Vienna')"),
    **dict.fromkeys(
        ("weekday", "dayofweek", "getday"), "write t.getDayOfWeek('Europe/Vienna'), 0 for Sunday"
    ),
    "hour": "write t.getHours('Europe/Vienna')",
    **dict.fromkeys(
        ("isnull", "isempty", "isblank", "isdefined", "defined", "empty", "blank", "isnan"), _MISSING
    ),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "default", "get"), "write `has(event.x) ? event.x : 0`"),
    **dict.fromkeys(("if", "iif", "ifelse", "iff", "switch", "case"), _TERNARY),
    "and": "write `a && b`",
    "or": "write `a || b`",
    "not": "write `!a`",
    "between": _WORDS["between"],
    **dict.fromkeys(("any", "some"), "write x.exists(item, item == 'a')"),
    "every": "write x.all(item, item == 'a')",
    **dict.fromkeys(
        ("sum", "avg", "mean", "average", "countif", "sumif"), "define a trait, and compare that"
    ),
    **dict.fromkeys(("abs", "min", "max", "greatest", "least"), "write `a > b ? a : b`"),
    **dict.fromkeys(("isin", "one_of", "oneof", "anyof"), "write `event.x in ['a', 'b']`"),
    **dict.fromkeys(("substr", "left", "right", "mid", "slice"), "write x.substring(0, 3)"),
    **dict.fromkeys(("typeof", "isinstance"), "write `type(x) == string`"),
}

# Variables that are none.
_VARIABLES = {
    **dict.fromkeys(("none", "nil", "null", "undefined", "nan"), "write `null`"),
    "true": "write `true`",
    "false": "write `false`",
    **dict.fromkeys(("now", "today", "current_date", "current_timestamp"), "write `now`"),
    **dict.fromkeys(("user", "profile", "person", "contact", "member", "client"), "write `customer`"),
    **dict.fromkeys(("trait", "attributes"), "write `traits.NAME` or `customer.NAME`"),
    "segment": "write `segments.NAME`",
    **dict.fromkeys(
        ("properties", "props", "payload", "data", "e", "evt", "record", "row"), "write `event.NAME`"
    ),
    "math": "there is no such library; `+ - * / %`, int(x) and double(x) are there",
}


def of_place(source: str, position: int, found: str) -> str | None:
    """The hint for what stands where it cannot be; `found` is it."""
    before, after = source[:position], source[position:]
    if found == "," and re.search(r"\bin\s*\([^()]*$", before, re.IGNORECASE):
        return "a list has square brackets: `in ['a', 'b']`"
    if found == "," and re.search(r"\d$", before) and re.match(r",\d", after):
        return "a decimal has a dot: 49.90"
    if re.search(r"\d *$", before) and re.match(r"(?:d|h|w|m|s|days?|hours?|weeks?|min|months?)\b", after):
        return _SPAN
    if re.search(r"<\s*$", before) and found == ">":
        return "write `!=`"
    if (found == "%" and before.endswith("{")) or (found == "}" and "{{" in before):
        return _BRACES
    if re.search(r"\bnot\s+$", before, re.IGNORECASE):
        return _WORDS["not"]
    if found == "=" and after.startswith("=>"):
        return "write `>=`"
    if found == "$" and before.endswith("."):
        return _of_odd_name(before, after)
    known = _QUOTES.get(found) or _OPERATORS.get(found) or _WORDS.get(found.casefold())
    return known or _of_odd_name(before, after)


_OWNER = r"\b((?:event|customer|context)(?:\.\w+)*)\."


def _of_odd_name(before: str, rest: str) -> str | None:
    """A field whose name has a space, a sign or quotes in it; `rest` begins with what cannot stand there."""
    owner = re.search(_OWNER + r"((?:\w+ +)*)$", before)
    name = re.match(
        r"(?:'([^']+)'|\"([^\"]+)\"|([$@#]?\w+(?: +\w+)*))\s*(?:[=!]=|[<>+*/%)?]|&&|\|\||$)", rest
    )
    if owner is None or name is None:
        return None
    return f"write {owner[1]}['{owner[2]}{next(each for each in name.groups() if each)}']"


def of_difference(source: str, position: int) -> str | None:
    """The hint for a variable that is not there, where a `-` before it may be of a field's name."""
    owner = re.search(_OWNER + r"(\w+(?:-\w+)*-)$", source[:position])
    rest = re.match(r"\w+(?:-\w+)*", source[position:])
    return f"write {owner[1]}['{owner[2]}{rest[0]}']" if owner and rest else None


def of_call(name: str) -> str | None:
    """The hint for a function that is not there."""
    return _CALLS.get(name.casefold())


def of_variable(name: str) -> str | None:
    """The hint for a variable that is not there."""
    return _VARIABLES.get(name.casefold())
