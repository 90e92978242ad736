"""What people write who know SQL, Excel, Python, JavaScript or Liquid, and what it is here.

Each gives the hint of an error that there is anyway. Tested by tests/rules/test_slips.py.
"""

from __future__ import annotations

import re
import unicodedata

from stream.hints import foreign, unseen

_SPAN = "a span of time is e.g. duration('7d'), as in `now - duration('7d')`"
_LIKE = "write event.x.startsWith('…'), event.x.endsWith('…') or event.x.contains('…')"
_MISSING = "write `!has(event.x)` for a field that is missing, `event.x == null` for one that is null"
_DAYS = "compare with a span of time, as in `now - t > duration('7d')`"
_TERNARY = "write `condition ? value : other`"
_DEFAULT = "write `has(event.x) ? event.x : 0`"
_COMMENT = "a comment begins with `//`"
_ITEMS = "ask whether one of a list does: event.items.exists(item, item.sku == 'x')"
_AMONG = "write `event.x in ['a', 'b']`, or `!(event.x in ['a', 'b'])`"
_NOT_CONTAINED = "write `!` in front, as in !event.x.contains('…')"
_PARTS = "write t.getMonth('Europe/Vienna'), t.getDate('Europe/Vienna') and so on; texts have `| date`"
_OF_CUSTOMER = "write `customer.NAME`"
_ALONE = "write the number alone"
_WEEKEND = "write now.getDayOfWeek('Europe/Vienna') in [0, 6]"
_ALL = "the condition is what has to hold, and nothing else: event.price > 50"
_ENDS = "something is missing behind it, as in `event.a > 5 && event.b`"
_BRACES = "a condition has no braces: write `event.x`, not `{{ event.x }}`"

# Words and characters that cannot be where they are, in lower case.
_WORDS = {
    "=": "compare with `==`",
    ">": "compare with `>=`, or with `!=` for `<>`",
    "and": "write `&&`",
    "or": "write `||`",
    "xor": "write `a != b`",
    "not": "write `!`, as in `!(event.x in ['a', 'b'])`",
    "&": "write `&&`; texts are joined with `+`",
    "|": "write `||`; there are no filters here, they are for texts",
    "in": "`in` is written in small letters, as in `event.x in ['a', 'b']`",
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
    ",": "join two conditions with `&&`",
    ";": "a condition is one expression: join two with `&&`",
    "€": _ALONE,
    "£": _ALONE,
    "@": "write `customer.x` or `event.x`",
    "^": "there are no powers: multiply",
    "~": "write event.x.matches('…')",
    "/": "a pattern is a text: event.x.matches('…')",
    "nin": _AMONG,
    "instanceof": "write `type(x) == string`",
    "within": _SPAN,
    "∧": "write `&&`",
    "∨": "write `||`",
    "¬": "write `!`",
    "unless": "write `&& !(…)`; what ends a wait is the rule's own `unless`",
    **dict.fromkeys(("where", "return", "function"), _ALL),
    "ge": "compare with `>=`",
    "le": "compare with `<=`",
    "*": "write size(event.items), or event.items.exists(item, item.price > 50)",
    "+": "write the number alone; there is no `++`",
    ":": "write a dot: `event.x`; a choice is `condition ? value : other`",
}
_BEGINNINGS = frozenset(("select", "where", "return", "lambda", "function", "having"))
_ROOTS = frozenset(("event", "customer", "traits", "segments", "context"))
_VALUE = r" ['\"\d]"
# What is said in several words, of which some could be those of a field's name.
_PHRASES = tuple(
    (re.compile(phrase, re.IGNORECASE), hint)
    for phrase, hint in (
        (r"(?:starts?|begins?) ?with\b", "write event.x.startsWith('…')"),
        (r"ends? ?with\b", "write event.x.endsWith('…')"),
        (
            r"(?:do(?:es)? )?not (?:contains?|includes?|has|have|match(?:es)?|like|starts?|ends?)\b",
            _NOT_CONTAINED,
        ),
        (
            r"is (?:not )?(?:null|none|nil|empty|blank|(?:un)?set|(?:un)?defined|missing|(?:un)?known)\b"
            r"|(?:do(?:es)? not )?exists?\b",
            _MISSING,
        ),
        (r"(?:is )?(?:not )?(?:one|any) of\b|is (?:not )?in\b|any \[", _AMONG),
        (
            r"(?:is )?(?:greater|more|higher|larger|later) than\b|(?:is )?(?:above|over|after)" + _VALUE,
            "compare with `>`",
        ),
        (
            r"(?:is )?(?:less|fewer|lower|smaller|earlier) than\b|(?:is )?(?:below|under|before)" + _VALUE,
            "compare with `<`",
        ),
        (r"(?:is )?at (?:least|most)\b", "compare with `>=` or `<=`"),
        (r"(?:is )?equal(?:s|s? to)?\b", "compare with `==`"),
        (r"(?:is|does) not\b", "compare with `!=`"),
        (r"is\b", "compare with `==`"),
        (r"(?:has|have|contain|includes?)\b", "write event.x.contains('…'), or `'…' in event.x` for a list"),
        (r"(?:plus|minus|times|divided by|modulo)" + _VALUE, "calculate with `+`, `-`, `*`, `/`, `%`"),
    )
)
_QUOTES = dict.fromkeys("“”„‟‘’‚‛«»`´", "write straight quotes: 'text'")
_OPERATORS = dict.fromkeys("≥≤≠×÷–—", "write `>=`, `<=`, `!=`, `*`, `/`, `-`")

# Functions and members that are not there, in lower case.
_CALLS = {
    **dict.fromkeys(
        ("len", "length", "count", "size", "count_distinct", "sizeof", "strlen", "cardinality"),
        "write `size(event.x)`",
    ),
    **dict.fromkeys(
        ("format", "strftime", "isoformat", "date_format", "dateformat", "formatdate", "to_char"), _PARTS
    ),
    **dict.fromkeys(("extract", "datepart", "date_part", "date_trunc", "tolocaledatestring"), _PARTS),
    **dict.fromkeys(("toisostring", "todatestring"), "write string(t)"),
    **dict.fromkeys(("unix", "gettime", "epoch", "unix_timestamp", "valueof"), "write int(t), in seconds"),
    **dict.fromkeys(("isweekend", "is_weekend", "weekend"), _WEEKEND),
    **dict.fromkeys(
        ("attributevalue", "getvalue", "getattribute", "lookup", "vlookup", "xlookup"), _OF_CUSTOMER
    ),
    **dict.fromkeys(
        ("find", "position", "locate", "charindex", "strpos", "findindex"), "write x.indexOf('…')"
    ),
    **dict.fromkeys(("has_key", "haskey", "hasownproperty", "hasattr", "isset", "is_set"), _MISSING),
    **dict.fromkeys(("cast", "convert", "try_cast", "astype"), "write double(x), int(x) or string(x)"),
    **dict.fromkeys(
        ("containsany", "contains_any", "hasany", "has_any", "intersect", "intersects", "overlaps"),
        "write x.exists(item, item in ['a', 'b'])",
    ),
    **dict.fromkeys(("notin", "not_in", "nin"), _AMONG),
    **dict.fromkeys(
        ("rand", "random", "randbetween"), "for a share of the customers: the rule's `holdout` or `variants`"
    ),
    **dict.fromkeys(("pow", "power", "sqrt", "exp", "log"), "there are no powers: multiply"),
    **dict.fromkeys(("replaceall", "regex_replace", "substitute"), "write x.replace('a', 'b')"),
    **dict.fromkeys(("equals", "eq", "equalsignorecase", "exact", "is"), "compare with `==`"),
    **{name: _WORDS[name] for name in ("ne", "gt", "gte", "lt", "lte", "mod")},
    "keys": "write `'a' in x`",
    **dict.fromkeys(
        ("nth", "at", "element_at", "first", "last"), "write x[0], or x[size(x) - 1] for the last"
    ),
    **dict.fromkeys(
        ("proper", "propercase", "capitalize", "title", "initcap"),
        "compare x.lowerAscii(); texts have `| capitalize`",
    ),
    **dict.fromkeys(("isnumber", "isnumeric", "is_number"), "write `type(x) in [int, double]`"),
    **dict.fromkeys(("istext", "isstring", "is_string"), "write `type(x) == string`"),
    **dict.fromkeys(
        ("lower", "tolower", "tolowercase", "lcase", "casefold", "downcase"), "write x.lowerAscii()"
    ),
    **dict.fromkeys(("upper", "toupper", "touppercase", "ucase", "upcase"), "write x.upperAscii()"),
    **dict.fromkeys(("includes", "include", "has_value", "instr", "search"), "write x.contains('…')"),
    **dict.fromkeys(("like", "ilike"), _LIKE),
    **dict.fromkeys(("regex", "regexp", "match", "test", "rlike", "regexmatch"), "write x.matches('…')"),
    **dict.fromkeys(("strip", "ltrim", "rtrim", "trim"), "write x.trim()"),
    **dict.fromkeys(("sum", "min", "max", "avg"), "in small letters, of a list: max([a, b])"),
    "nullif": "write `a == b`, or ask `a != b && …`",
    **dict.fromkeys(("boolean", "tobool"), "write `x == true`, or `x == 'true'` of a text"),
    "range": "write `x >= 1 && x <= 9`",
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
            "date_add",
            "date_sub",
            "adddays",
            "add_days",
            "diff",
            "add",
            "subtract",
            "moment",
            "ago",
            "fromnow",
            "age",
            "years",
            "months",
        ),
        _SPAN,
    ),
    **dict.fromkeys(("getdays", "todays", "indays"), _DAYS),
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
    **dict.fromkeys(("is_null", "is_empty", "notnull", "notempty", "missing"), _MISSING),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "default", "get", "iferror", "zn"), _DEFAULT),
    **dict.fromkeys(("if", "iif", "ifelse", "iff", "switch", "case"), _TERNARY),
    "and": "write `a && b`",
    "or": "write `a || b`",
    "not": "write `!a`",
    "between": _WORDS["between"],
    **dict.fromkeys(("any", "some"), "write x.exists(item, item == 'a')"),
    "every": "write x.all(item, item == 'a')",
    **dict.fromkeys(
        ("countif", "sumif", "reduce", "median"),
        "define a trait, and compare that",
    ),
    **dict.fromkeys(("mean", "average"), "write avg(event.items.map(i, i.price)), or define a trait"),
    "greatest": "write max([a, b])",
    "least": "write min([a, b])",
    "abs": "write `a > b ? a - b : b - a`",
    **dict.fromkeys(("isin", "one_of", "oneof", "anyof"), "write `event.x in ['a', 'b']`"),
    **dict.fromkeys(("substr", "left", "right", "mid", "slice", "substring"), "write x.substring(0, 3)"),
    **dict.fromkeys(("typeof", "isinstance"), "write `type(x) == string`"),
}

# Variables that are none.
_VARIABLES = {
    **dict.fromkeys(("none", "nil", "null", "undefined", "nan"), "write `null`"),
    "true": "write `true`",
    "false": "write `false`",
    **dict.fromkeys(("now", "today", "current_date", "current_timestamp"), "write `now`"),
    **dict.fromkeys(("user", "profile", "person", "contact", "member", "client"), "write `customer`"),
    **dict.fromkeys(("subscriber", "recipient", "account", "lead", "visitor"), "write `customer`"),
    **dict.fromkeys(("self", "this", "me"), "write `customer`, or `event`"),
    **dict.fromkeys(("attribute", "custom_attribute", "custom_attributes"), _OF_CUSTOMER),
    **dict.fromkeys(("user_attributes", "userattributes", "user_properties"), _OF_CUSTOMER),
    **dict.fromkeys(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        "a day is a number: Sunday is 0, Saturday is 6",
    ),
    **dict.fromkeys(("yes", "on"), "write `true`"),
    **dict.fromkeys(("no", "off"), "write `false`"),
    **dict.fromkeys(
        ("empty", "blank"), "write `event.x == ''` for an empty text, `!has(event.x)` for what is missing"
    ),
    **dict.fromkeys(("timestamp", "time", "datetime", "date"), "write `event_time`"),
    **dict.fromkeys(("weekend", "is_weekend", "isweekend"), _WEEKEND),
    **dict.fromkeys(("event_properties", "event_attributes", "event_data", "params"), "write `event.NAME`"),
    **dict.fromkeys(("trait", "attributes"), "write `traits.NAME` or `customer.NAME`"),
    "segment": "write `segments.NAME`",
    **dict.fromkeys(
        ("properties", "props", "payload", "data", "e", "evt", "record", "row"), "write `event.NAME`"
    ),
    "math": "there is no such library; `+ - * / %`, int(x) and double(x) are there",
}


_LOOKED_BACK = 300  # characters: some of the patterns take the square of what they look at
# What cannot be there, by what stands before it and what follows.
_SIGNS = tuple(
    (re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE), hint)
    for before, after, hint in (
        (r"\w\?\.\w", r"", "write `event.a.b`, and ask before whether it is there: `has(event.a) && …`"),
        (r"\?\s*$", r"[?:]", _DEFAULT),
        (r"/$", r"\*", _COMMENT),
        (r"\[$", r"[\]*]", _ITEMS),
        (r"\[[^\]]*$", r":", "an item of a list is event.items[0], a part of a text event.x.substring(0, 3)"),
        (r"-$", r">", "write a dot: `event.x`"),
        (r"", r"::(?:int|float|text|numeric|varchar|date)", "write double(x), int(x) or string(x)"),
        (r"", r"::", "write a dot: `event.x`"),
        (r"\d$", r":\d\d", "an hour is a number: now.getHours('Europe/Vienna') >= 12"),
        (r"[(,]\s*\w+\s*$", r"=>", "write e.g. `event.items.exists(item, item.price > 50)`"),
        (r"[<>!=]\s+$", r"[=>]", "without the space: `>=`, `!=`"),
        (r"", r"=\s+>", "write `>=`"),
        (r"", r"=<", "write `<=`"),
        (r"\.$", r"in\b", _AMONG),
        (r"\bin\s+\d+\.?$", r"\.", "write `event.x >= 1 && event.x <= 9`"),
        (r"\btypeof\s+$", r"", "write `type(x) == string`"),
        (
            r"\b(?:has|size|len|length|count|lower|upper|exists|distinct)\s+$",
            r"",
            "write brackets: size(event.x)",
        ),
        (r"\*$", r"\*", _WORDS["^"]),
        (r"^\s*$", r"=", "leave out the `=` in front"),
        (r"^\s*\(?\w*\)?\s*$", r"=>", _ALL),
        (r"\bcast\s*\([^()]*$", r"as\b", "write double(x), int(x) or string(x)"),
        (r"\bf$", r"['\"]", "texts are joined with `+`: customer.a + ' ' + customer.b"),
        (r"", r"\}", "a condition has no braces around it"),
        (r"<\s*$", r">", "write `!=`"),
        (r"", r"=>", "write `>=`"),
        (r"", r"=~", _WORDS["~"]),
        (r"\{$", r"%", _BRACES),
        (r"\{\{", r"\}", _BRACES),
        (r"", r"%%", _WORDS["@"]),
        (r"\bin\s*\([^()]*$", r",", "a list has square brackets: `in ['a', 'b']`"),
        (
            r"(?<!\d)[1-9]\d{0,2}$",
            r",\d{3}(?![\d.])",
            "a decimal has a dot, 49.90, and a thousand no mark, 1000",
        ),
        (r"\d$", r",\d", "a decimal has a dot: 49.90"),
        (r"\d *$", r"(?:d|h|w|m|s|days?|hours?|weeks?|min|months?)\b", _SPAN),
        (r"\binterval\s+$", r"'", _SPAN),
        (r"\bnew\s+$", r"", "write `now`, or timestamp('2026-01-31')"),
        (r"(?<![\w.])not\s+$", r"", _WORDS["not"]),
        (r"", r"not (?:contain|includ|like|match|start|end|has)", _NOT_CONTAINED),
    )
)


def of_place(source: str, position: int, found: str) -> str | None:
    """The hint for what stands where it cannot be; `found` is it, empty at the end."""
    before, after = source[max(position - _LOOKED_BACK, 0) : position], source[position:]
    around = _of_letters(found) or _of_beginning(source[:position])
    if around is not None:
        return around
    if share := re.search(r"(\d+(?:\.\d+)?) *% *$", before):
        return f"a share is a decimal: write {float(share[1]) / 100:g}"
    if thousands := re.match(r"(?:_\d{3})+\b", after):
        return f"write {re.split(r'[^0-9]', before)[-1]}{thousands[0].replace('_', '')}"
    if sign := next((each for each in _SIGNS if each[0].search(before) and each[1].match(after)), None):
        return sign[2]
    return _of_found(found, before, after) if found else _of_end(before)


def _of_letters(found: str) -> str | None:
    """What nobody sees, or takes for something else."""
    if odd := unseen(found):
        is_blank = found.isspace()
        return f"this is a {odd}: {'write a plain space' if is_blank else 'remove it, nobody sees it'}"
    if odd := foreign(found):
        return f"it has a {odd} among other letters: type it anew"
    if not found.isascii() and (plain := unicodedata.normalize("NFKC", found)).isascii():
        return f"write {plain}"
    return None


def _of_beginning(before: str) -> str | None:
    """A condition that begins as other languages have it, or has a comment of theirs."""
    first = re.match(r"\s*(\w+)\b", before)
    if first and first[1].casefold() in _BEGINNINGS:
        return _ALL
    return _COMMENT if _has_dashes(before) else None


def _of_found(found: str, before: str, after: str) -> str | None:
    if found == ")" and before.count("(") <= before.count(")"):
        return "this bracket closes nothing"
    if found == "[" and before.endswith("."):
        return "write it without the dot: event[…]"
    if found in _ROOTS and re.search(r"[\w)\]'\"]\s+$", before):
        return _WORDS[","]
    if found == "." and (index := re.match(r"\.(\d+)", after)):
        return f"an item of a list is written with brackets: event.items[{index[1]}]"
    if before.endswith(".") and found in ("$", "@", "#") and (hint := _of_odd_name(before, after)):
        return hint
    known = _QUOTES.get(found) or _OPERATORS.get(found) or _WORDS.get(found.casefold())
    known = known or next((hint for phrase, hint in _PHRASES if phrase.match(after)), None)
    if known is None and re.search(r"\d *$", before) and found.isalpha():
        return _ALONE
    return known or _of_odd_name(before, after)


def _of_end(before: str) -> str | None:
    """The hint for a condition that ends too early."""
    if re.search(r"\?[^:]*$", before) and "?" in before:
        return _TERNARY
    if re.search(r"[-+*/%!<>=&|,.]\s*$", before):
        return _ENDS
    return "a bracket is not closed" if before.count("(") > before.count(")") else None


def _has_dashes(source: str) -> bool:
    """Whether `--` stands in a condition outside of its texts, as before a comment of SQL."""
    return "--" in re.sub(r"'[^']*'|\"[^\"]*\"", "", source)


_OWNER = r"\b((?:event|customer|context)(?:\.\w+)*)\."


def _of_odd_name(before: str, rest: str) -> str | None:
    """A field whose name has a space, a sign or quotes in it; `rest` begins with what cannot stand there."""
    bracketed = re.search(r"(?<![\w\])])\[((?:\w+ +)+)$", before)
    if bracketed and "]" in rest:
        return f"write event['{bracketed[1]}{rest.partition(']')[0]}']"
    letters, begun = re.match(r"\w+", rest), re.search(_OWNER + r"(\w*)$", before)
    if letters and begun and not letters[0].isascii():
        return f"write {begun[1]}['{begun[2]}{letters[0]}']"
    owner = re.search(_OWNER + r"((?:\w+ +)*)$", before)
    name = re.match(
        r"(?:'([^']+)'|\"([^\"]+)\"|([$@#]?\w+(?: +\w+)*))\s*(?:[=!]=|[<>+*/%)?]|&&|\|\||$)", rest
    )
    if owner is None or name is None:
        return None
    return f"write {owner[1]}['{owner[2]}{next(each for each in name.groups() if each)}']"


def of_difference(source: str, position: int) -> str | None:
    """The hint for a variable that is not there, where a `-` before it may be of a field's name, or two of a
    comment.
    """
    if _has_dashes(source[:position]):
        return _COMMENT
    owner = re.search(_OWNER + r"(\w+(?:-\w+)*-)$", source[:position])
    rest = re.match(r"\w+(?:-\w+)*", source[position:])
    return f"write {owner[1]}['{owner[2]}{rest[0]}']" if owner and rest else None


def of_call(name: str) -> str | None:
    """The hint for a function that is not there."""
    return _CALLS.get(name.casefold())


def of_variable(name: str) -> str | None:
    """The hint for a variable that is not there."""
    return _VARIABLES.get(name.casefold())


def of_part(value: str, name: str, kind: str) -> str | None:
    """The hint for a field of what has none; `value`: as it is written, `kind`: a time, a text or a list."""
    if kind == "number":
        return f"write `{value}`"
    if kind == "time" and name.startswith("get"):
        return f"write {value}.{name}('Europe/Vienna')"
    hint = of_call(name) if name.casefold() in _PARTS_OF.get(kind, ()) else None
    if kind != "list":
        return hint
    return hint or f"ask whether one of them does: {value}.exists(item, item.{name} == 'x')"


_LENGTHS = frozenset(("length", "len", "count", "size"))
_PARTS_OF = {
    "time": frozenset(
        ("year", "month", "day", "dayofmonth", "dayofweek", "weekday", "hour", "date", "format", "getday")
    ),
    "text": _LENGTHS | {"lower", "upper", "tolowercase", "touppercase", "downcase", "upcase"},
    "list": _LENGTHS | {"first", "last"},
}
