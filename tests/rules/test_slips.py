"""Three hundred slips of people who know SQL, Excel, Python, JavaScript or Liquid: found at their
place, with what to write instead. None passes `check`, and then never fires.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stream.authoring.check import check
from stream.cel.slips import of_place

RULES = """
sources:
  clicks: {topic: clicks, event: event, customer: customer_id, time: ts}
channels:
  web: {topic: web, consent: none}
policy: {allow: [W510]}
traits:
  spend: {function: sum, of: purchase, field: amount}
  orders: {function: count, of: purchase}
  best: {function: top, of: purchase, field: sku}
rules:
  slip:
    on: view
    limit: 1 per 7d
    goal: {on: purchase, within: 3d}
    if: >-
      CONDITION
    send: {channel: web, content: {text: Hi}}
"""
COLUMN = 7  # where the condition begins

# What is typed, the word at which it must be found, and what must be said.
SLIPS = [
    # ---- logic ----
    ("event.a > 1 AND event.b > 2", "AND", "`&&`"),
    ("event.a > 1 and event.b > 2", "and", "`&&`"),
    ("event.a > 1 OR event.b > 2", "OR", "`||`"),
    ("event.a > 1 or event.b > 2", "or", "`||`"),
    ("event.a > 1 & event.b > 2", "&", "`&&`"),
    ("event.a > 1 | event.b > 2", "|", "`||`"),
    ("NOT event.a", "event", "`!`"),
    ("not event.a", "event", "`!`"),
    ("event.a XOR event.b", "XOR", "!="),
    ("AND(event.a > 1, event.b > 2)", "AND", "&&"),
    ("OR(event.a > 1, event.b > 2)", "OR", "||"),
    ("NOT(event.a > 1)", "NOT", "!a"),
    ("IF(event.a > 1, true, false)", "IF", "?"),
    ("if event.a > 1 then true else false", "if", "?"),
    ("event.a > 1 then true", "then", "?"),
    ("event.a > 1; event.b > 2", ";", "&&"),
    # ---- comparisons ----
    ("event.a = 'x'", "=", "`==`"),
    ("event.a === 'x'", "= '", "`==`"),
    ("event.a !== 'x'", "= '", "`==`"),
    ("event.a <> 'x'", ">", "`!=`"),
    ("event.a => 1", "=", "write `>=`"),
    ("event.a is null", "is", "has(event.x)"),
    ("event.a IS NOT NULL", "IS", "has(event.x)"),
    ("event.a isnull", "isnull", "has(event.x)"),
    ("event.a equals 'x'", "equals", "`==`"),
    ("event.a eq 'x'", "eq", "`==`"),
    ("event.a gte 5", "gte", "`>=`"),
    ("event.a lt 5", "lt", "`<`"),
    ("event.a between 1 and 5", "between", ">= 1 &&"),
    ("event.a BETWEEN 1 AND 5", "BETWEEN", ">= 1 &&"),
    ("event.a ≥ 5", "≥", ">="),
    ("event.a ≠ 5", "≠", "!="),
    ("event.a == brot", "brot", "'brot'"),
    ("event.a == None", "None", "`null`"),
    ("event.a == NULL", "NULL", "`null`"),
    ("event.a == nil", "nil", "`null`"),
    ("event.a == undefined", "undefined", "`null`"),
    ("event.a == True", "True", "`true`"),
    ("event.a == FALSE", "FALSE", "`false`"),
    # ---- lists and texts ----
    ("event.a in ('x', 'y')", ",", "square brackets"),
    ("event.a in ('x')", "in", "['a', 'b']"),
    ("event.a IN ['x', 'y']", "IN", "small letters"),
    ("event.a not in ['x']", "not", "!(event.x in"),
    ("'x' in 'xyz'", "in", "contains"),
    ("event.a LIKE 'x%'", "LIKE", "startsWith"),
    ("event.a like '%x%'", "like", "contains"),
    ("event.a contains 'x'", "contains", "contains('…')"),
    ("event.a startsWith 'x'", "startsWith", "startsWith('…')"),
    ("event.a matches 'x'", "matches", "matches('…')"),
    ("event.a.includes('x')", "includes", "contains"),
    ("event.a.startswith('x')", "startswith", "startsWith"),
    ("event.a.toLowerCase() == 'x'", "toLowerCase", "lowerAscii"),
    ("event.a.lower() == 'x'", "lower", "lowerAscii"),
    ("LOWER(event.a) == 'x'", "LOWER", "lowerAscii"),
    ("event.a.toUpperCase() == 'X'", "toUpperCase", "upperAscii"),
    ("event.a.strip() == 'x'", "strip", "trim"),
    ("len(event.a) > 2", "len", "size"),
    ("LENGTH(event.a) > 2", "LENGTH", "size"),
    ("event.a.length() > 2", "length", "size"),
    ("event.a.count() > 2", "count", "size"),
    ("concat(event.a, event.b) == 'x'", "concat", "a + b"),
    ("event.a.match('x')", "match", "matches"),
    ("regex(event.a, 'x')", "regex", "matches"),
    ("event.a.substr(0, 2) == 'x'", "substr", "substring"),
    ("event.a.some(1)", "some", "exists"),
    ("event.a == “x”", "“", "straight quotes"),
    ("event.a == ‘x’", "‘", "straight quotes"),
    ("event.a == „x“", "„", "straight quotes"),
    ("event.name.matches('AB(')", "matches", "RE2"),
    # ---- numbers ----
    ("event.price > 49,90", ",", "49.90"),
    ("event.price > 1,000", ",", "1000"),
    ("(now - event_time).getDays() > 7", "getDays", "duration('7d')"),
    ("event.price > €50", "€", "number alone"),
    ("double('49,90') > 3.0", "double", "no number"),
    ("int('12.5') > 3", "int", "no whole number"),
    ("parseInt(event.a) > 3", "parseInt", "int(x)"),
    ("parseFloat(event.a) > 3.0", "parseFloat", "double(x)"),
    ("float(event.a) > 3.0", "float", "double(x)"),
    ("Number(event.a) > 3", "Number", "double(x)"),
    ("str(event.a) == '3'", "str", "string(x)"),
    ("event.a mod 2 == 0", "mod", "`%`"),
    ("round(event.a) == 3", "round", "int(x)"),
    ("max(event.a, 3) == 3", "max", "max([event.a, 3])"),
    ("1 + 1.5 > event.a", "+", "double"),
    ("traits.spend > '50'", ">", "a number with a text"),
    # ---- times ----
    ("event.created_at > 2026-01-01", "2026", "timestamp('2026-01-01')"),
    ("timestamp(event.t) > now - 7d", "d", "duration('7d')"),
    ("event.age > 7 days", "days", "duration"),
    ("timestamp('01.12.2026') < now", "timestamp", "2026-11-27"),
    ("timestamp('2026-13-01') < now", "timestamp", "out of range"),
    ("now - timestamp(event.t) > duration('7 days')", "duration", "7d"),
    ("now - timestamp(event.t) > duration('a week')", "duration", "7d"),
    ("event_time.getHours('Europe/Berln') > 3", "getHours", "Europe/Vienna"),
    ("event_time.hour('UTC') > 3", "hour", "getHours"),
    ("event_time > today()", "today", "`now`"),
    ("event_time < now()", "now", "leave the brackets out"),
    ("event_time > date('2026-01-01')", "date", "timestamp("),
    ("days(7) < 3", "days", "duration('7d')"),
    ("event_time > NOW", "NOW", "`now`"),
    ("event_time > TODAY", "TODAY", "`now`"),
    # ---- names ----
    ("price > 50", "price", "event.price"),
    ("user.vip", "user", "`customer`"),
    ("properties.price > 50", "properties", "event.NAME"),
    ("trait.spend > 5.0", "trait", "traits.NAME"),
    ("traits.spent > 5.0", "spent", "`spend`"),
    ("traits.orders.last_7d > 5", "last_7d", "no field"),
    ("segments.loyal", "loyal", "segment"),
    ("{{ event.price }} > 5", "}", "no braces"),
    ("$event.price > 5", "$", "event.x"),
    ("event.price | size > 5", "|", "||"),
    ("defined(event.a)", "defined", "has(event.x)"),
    ("isEmpty(event.a)", "isEmpty", "has(event.x)"),
    ("coalesce(event.a, 0) > 5", "coalesce", "has(event.x)"),
    ("traits.spend", "spend", "compare"),
    ("event.a == 'x", "'x", "close it"),
    ("event == 'purchase'", "=", "event_name"),
    ("traits.email == 'x'", "email", "customer.email"),
    ("event_properties.price > 5", "event_properties", "event.NAME"),
    ("custom_attribute.vip", "custom_attribute", "customer.NAME"),
    ("custom_attribute.${vip}", "$", "the name alone"),
    ("subscriber.vip", "subscriber", "`customer`"),
    ("this.vip", "this", "`customer`"),
    ("EVENT.price > 5", "EVENT", "`event`"),
    ("@firstName == 'Ada'", "@", "customer.x"),
    ("%%FirstName%% == 'Ada'", "%", "customer.x"),
    ("[Order Total] > 50", "Total", "event['Order Total']"),
    ("AttributeValue('x') == 'y'", "AttributeValue", "customer.NAME"),
    ("timestamp > now", "timestamp", "event_time"),
    ("event.a == blank", "blank", "event.x == ''"),
    ("event.a == yes", "yes", "`true`"),
    # ---- words for comparisons ----
    ("event.a is 'x'", "is", "`==`"),
    ("event.a is not 'x'", "is", "`!=`"),
    ("event.a IS TRUE", "IS", "`==`"),
    ("event.a is empty", "is", "has(event.x)"),
    ("event.a exists", "exists", "has(event.x)"),
    ("event.a equal to 5", "equal", "`==`"),
    ("event.a is greater than 5", "is", "`>`"),
    ("event.a more than 5", "more", "`>`"),
    ("event.a over 5", "over", "`>`"),
    ("event.a fewer than 5", "fewer", "`<`"),
    ("event.a below 5", "below", "`<`"),
    ("event.a at least 5", "at", "`>=`"),
    ("event.a has 'x'", "has", "contains('…')"),
    ("event.a does not contain 'x'", "does", "!event.x.contains"),
    ("event.a not contains 'x'", "not", "!event.x.contains"),
    ("event.a starts with 'x'", "starts", "startsWith"),
    ("event.a BEGINS WITH 'x'", "BEGINS", "startsWith"),
    ("event.a ends with 'x'", "ends", "endsWith"),
    ("event.a one of ['x']", "one", "in ['a', 'b']"),
    ("event.a nin ['x']", "nin", "!(event.x in"),
    ("event.a plus 5 > 3", "plus", "`+`"),
    ("event.a within 7d", "d", "duration('7d')"),
    # ---- signs of other languages ----
    ("event.a == 'a' & 'b'", "&", "joined with `+`"),
    ("event.a > 2 -- big", "big", "`//`"),
    ("event.a > 2 -- big ones", "ones", "`//`"),
    ("event.a > 2 /* big */", "*", "`//`"),
    ("event.a ?? 0 > 5", "? 0", "has(event.x) ?"),
    ("event.a ?: 0 > 5", ": 0", "has(event.x) ?"),
    ("event->a > 5", ">a", "a dot"),
    ("event::a > 5", "::", "a dot"),
    ("event.a ** 2 > 3", "* 2", "no powers"),
    ("event.a ^ 2 > 3", "^", "no powers"),
    ("event.a ~ 'x'", "~", "matches"),
    ("event.a =~ 'x'", "=~", "matches"),
    ("event.a == /x/", "/x/", "matches"),
    ("new Date() > event.a", "Date", "`now`"),
    ("event.a > = 5", "= 5", "without the space"),
    ("event.a = > 5", "= >", "`>=`"),
    ("event.a =< 5", "=<", "`<=`"),
    ("event.a::int > 5", "::", "double(x)"),
    ("typeof event.a == 'string'", "event", "type(x)"),
    ("event.a instanceof String", "instanceof", "type(x)"),
    ("has event.a", "event", "brackets"),
    ("exists(event.a)", "exists", "has(event.price)"),
    ("event.a.gte(5)", "gte", "`>=`"),
    # ---- lists ----
    ("event.items.some(i => i.sku == 'x')", "=>", "exists(item"),
    ("event.a.in(['x'])", "in", "event.x in"),
    ("traits.orders in 1..5", ".5", ">= 1 &&"),
    ("traits.orders in [1-5]", "1-", "traits.orders <= 5"),
    ("traits.orders.count > 5", "count", "write `traits.orders`"),
    ("event.items[].sku == 'x'", "]", "exists(item"),
    ("event.items[*].sku == 'x'", "*", "exists(item"),
    ("event.items.0.sku == 'x'", ".0", "event.items[0]"),
    ("event.items[-1].sku == 'x'", "-1", "event.items[size(event.items) - 1]"),
    ("event.items[0:2] == 'x'", ":2", "event.items[0]"),
    ("traits.best.sku == 'x'", "sku", "traits.best.exists(item, item.sku == 'x')"),
    ("traits.best.length > 2", "length", "size("),
    ("event.tags.hasAny(['x'])", "hasAny", "exists"),
    # ---- numbers ----
    ("event.discount > 15% && event.a > 1", "&&", "0.15"),
    ("event.price * 20% > 3", ">", "0.2"),
    ("event.price > 1_000", "_", "write 1000"),
    ("event.price > 50EUR", "EUR", "number alone"),
    ("event.price > 50 EUR", "EUR", "number alone"),
    ("CAST(event.a, 'int') > 5", "CAST", "double(x)"),
    ("event_name > 5", ">", "double(event_name)"),
    ("rand() < 0.5", "rand", "holdout"),
    # ---- times ----
    ("now.format('MM') == '12'", "format", "getMonth"),
    ("strftime(now, '%m') == '12'", "strftime", "getMonth"),
    ("now | date('%m')", "|", "no filters"),
    ("now.hour > 20", "hour", "getHours"),
    ("now.month == 3", "month", "begins with 0"),
    ("now.weekday == 1", "weekday", "getDayOfWeek"),
    ("now.isWeekend()", "isWeekend", "in [0, 6]"),
    ("now.getDayOfWeek() == 'Monday'", "=", "Sunday is 0"),
    ("now.getDayOfWeek() in ['SA', 'SU']", "in", "Sunday is 0"),
    ("now.getMonth() == 12", "12", "December is 11"),
    ("now.getHours() in [23, 24]", "24", "midnight is 0"),
    ("event_time.getDayOfWeek() == 7", "7", "Sunday is 0"),
    ("size(event.items) < 0", "0", "never holds"),
    ("now.getHours() >= 22 && now.getHours() < 6", "< 6", "`||`"),
    ("event.a != 'x' || event.a != 'y'", "!= 'y'", "`&&`"),
    ("now - event.created_at > duration('7d')", "-", "timestamp(event.created_at)"),
    ("event.created_at > timestamp('2026-01-01')", ">", "timestamp(event.created_at)"),
    ("event.created_at.getMonth('UTC') == 3", "getMonth", "timestamp(event.created_at)"),
    ("event_time > '2026-01-01'", ">", "timestamp('2026-01-01')"),
    ("event_time - '7d' < now", "-", "duration('7d')"),
    ("event_time > now() - interval '7 days'", "'7", "duration('7d')"),
    ("moment(event.t) < now", "moment", "duration('7d')"),
    ("timestamp(event.t) > now - 86400", "-", "duration('86400s')"),
    ("now - event_time > 86400", ">", "duration('86400s')"),
    ("timestamp(event.t) > 1700000000", ">", "timestamp(1700000000)"),
    ("now > '12:00'", ">", "getHours('Europe/Vienna') >= 12"),
    ("now.getHours() > 12:00", ":", "an hour is a number"),
    ("now.getDayOfWeek() == monday", "monday", "Sunday is 0"),
    ("now - timestamp(event.t) > duration('P1DT12H')", "duration", "write 1d12h"),
    # ---- terms ----
    ("event.a > 1, event.b > 2", ",", "&&"),
    ("10 < event.a < 100", "< 100", "write `10 < event.a && event.a < 100`"),
    ("1 <= event.a <= event.b", "<= event.a", "write `1 <= event.a && event.a <= event.b`"),
    ("mean(event.a) > 5", "mean", "write avg("),
    # ---- what nobody sees ----
    ("event.a\u00a0> 5", "\u00a0", "this is a no-break space (U+00A0): write a plain space"),
    ("event.a > \u202f5", "\u202f", "narrow no-break space (U+202F)"),
    ("event.a\u200b > 5", "\u200b", "zero width space (U+200B): remove it, nobody sees it"),
    ("event.\ufeffa > 5", "\ufeff", "zero width no-break space (U+FEFF)"),
    ("event.a > \uff15\uff10", "\uff15", "write 50"),
    ("event.pr\u0456ce > 5", "\u0456ce", "(U+0456) among other letters"),
    ("event.a == 'x\u200b'", "'x", "has a zero width space (U+200B) in it"),
    ("event.a == '\u202ex'", "'\u202ex", "right-to-left override (U+202E)"),
    ("event.a == 'x '", "'x '", "ends with a space (write 'x')"),
    ("event.a in ['y', ' x']", "' x'", "begins with a space (write 'x')"),
    ("event.a != 'x\u00a0'", "'x", "ends with a no-break space (U+00A0)"),
    ("event.a == 'c\u043elor'", "'c", "cyrillic small letter o (U+043E)"),
    ("event.a.contains('x\u00ad')", "'x", "soft hyphen (U+00AD)"),
    # ---- what can be known without data ----
    ("event.event == 'View'", "'View'", "did you mean `view`"),
    ("event_name.startsWith('Vi')", "startsWith", "there are: view"),
    ("traits.best[3] == 'x'", "3", "the items 0 to 2"),
    ("size(traits.best) > 3", "3", "is 0 to 3"),
    ("traits.best['x'] == 'x'", "'x'", "a list has no field `x`"),
    # ---- of other languages, tried on 300 more of them ----
    ("DATEDIFF(now, event.a) > 7", "DATEDIFF", "duration('7d')"),
    ("NULLIF(event.a, 0) > 5", "NULLIF", "write `a == b`"),
    ("CAST(event.a AS INT) > 5", "AS INT", "write double(x)"),
    ("COUNT(*) > 2", "*", "size(event.items)"),
    ("SUM(event.items.price) > 2", "SUM", "in small letters"),
    ("MAX(event.a, event.b) > 5", "MAX", "max([a, b])"),
    ("SUBSTRING(event.a, 1, 2) == 'ab'", "SUBSTRING", "x.substring(0, 3)"),
    ("TRIM(event.a) == 'b'", "TRIM", "x.trim()"),
    ("Boolean(event.a)", "Boolean", "`x == true`"),
    ("event.items.*.price > 2", "*", "event.items.exists("),
    ("event.a ++ > 5", "+ >", "no `++`"),
    ("event.a += 1", "=", "compare with `==`"),
    ("now.getHours > 18", "getHours", "now.getHours('Europe/Vienna')"),
    ("f\"{customer.a}\" == 'x'", '"{', "texts are joined with `+`"),
    (":customer == 'x'", ":", "write a dot"),
    ("customer:a == 'x'", ":", "write a dot"),
    ("traits.spend in range(5, 10)", "range", "`x >= 1 && x <= 9`"),
    ("traits.orders == false", "==", "`x == 0` or `x > 0`"),
    ("traits.best == 'sku1'", "==", "'a' in x"),
    ("event.items.map(i, i.price) > 5", ">", "size(x) > 5"),
    ("event.items.filter(i, i.price > 5) > 0", "> 0", "size(x) > 5"),
    ("event.a > 5)", ")", "this bracket closes nothing"),
    ("event.a event.b", "event.b", "`&&`"),
    ("event.a > 5.", "5.", "write e.g. 5 or 5.0"),
    ('event.a in ["x" "y"]', '"y"', "a comma between"),
    ("event in ['view']", "in", "`event_name`"),
    ("event.[a] > 5", "[a", "without the dot"),
    ("event.größe > 5", "öße", "event['größe']"),
    ("WHERE event.a > 5", "event", "what has to hold"),
    ("SELECT event.a", "event", "what has to hold"),
    ("return event.a > 5", "return", "what has to hold"),
    ("return event.a > 5;", ";", "what has to hold"),
    ("lambda e: e.a > 5", "e:", "what has to hold"),
    ("(e) => e.a > 5", "=>", "what has to hold"),
    ("=event.a > 5", "=", "leave out the `=`"),
    ("event.a > 5 : true", ":", "`condition ? value : other`"),
    ("event.a > 5 unless event.b", "unless", "`&& !(…)`"),
    ("event.a > 5 WHERE event.b", "WHERE", "what has to hold"),
    ("event.a > 5 ∧ event.b", "∧", "`&&`"),
    ("event.a.matches('x(?=y)')", "matches", "neither look-around"),
    ("duration(7) > now - event_time", "duration", "duration('7d')"),
    ("event.a ge 5", "ge", "`>=`"),
    ("event.a == event.b == event.c", "==", "write `event.a == event.b && event.b == event.c`"),
    ("sum(event.items, 'price') > 5", "sum", "sum(event.items.map(i, i.price))"),
    ("min(event.a, 5) > 3", "min", "min([event.a, 5])"),
    ("event.a[-1] == 'b'", "-1", "event.a[size(event.a) - 1]"),
    ("NVL(event.a, 0) > 5", "NVL", "has(event.x) ? event.x : 0"),
    ("event.a ISNULL", "ISNULL", "!has(event.x)"),
    ("event.a RLIKE 'x.*'", "RLIKE", "event.x.matches"),
    ("event.a NOT BETWEEN 1 AND 5", "NOT", "write `!`"),
    ("customer.get('age', 0) > 18", "get", "has(event.x) ? event.x : 0"),
    ("customer.age > 18 years", "years", "the number alone"),
    ("'vip' in customer.tags[]", "]", "event.items.exists("),
    ("customer.birthday == TODAY()", "TODAY", "write `now`"),
    ("event.time between 9 and 17", "between", "`event.x >= 1 && event.x <= 9`"),
    ("new Date(event.date) > now", "Date", "write `now`"),
    ("event.a > 1.000,50", ",", "49.90"),
    ("event.a > 10k", "k", "the number alone"),
    ("event.a > $50", "$", "write the name alone"),
    ("event.items.every(i => i.price > 5)", "=>", "event.items.exists("),
    ("event.items.exists(price > 5)", "price", "event.items.exists(item,"),
    ("event.'a' > 5", "'a", "event['a']"),
    ("/x/.test(event.a)", "/x", "event.x.matches"),
    ("now - interval '7 days' > event_time", "'7", "duration('7d')"),
    ("event_time.getFullYear() == 26", "26", "all four digits"),
]

# The same, where a test shows what is in the data.
TESTS = """
tests:
  - name: a view
    customer: {attributes: {tags: [new], age: 33}}
    events:
      - {at: 0m, event: view, price: 80, order: {total: 5}, tags: [a], items: [{sku: p1, price: 3}]}
      - {at: 1m, event: purchase, amount: 80, sku: p1}
    expect: []
"""
OF_DATA = [
    ("event.items['sku'] == 'p1'", "'sku'", "exists(item, item.sku == 'x')"),
    ("'p1' in event.items", "in", "exists(item, item.sku =="),
    ("event.items.exists(i, i.skuu == 'p1')", "skuu", "did you mean `items[].sku`?"),
    ("event.items.exists(i, i == 'p1')", "==", "an object with a text"),
    ("event.items.exists(i, i.price == 'x')", "==", "a number with a text"),
    ("event.items[0].price == 'x'", "==", "a number with a text"),
    ("5 in event.tags", "in", "a list of which each item is a text"),
    ("'new' in customer.age", "in", "`in` needs a list"),
    ("event['order.total'] > 4", "'order.total'", "write event.order.total"),
    ("traits.best[0] == 5", "==", "a text with a number"),
    ("5 in traits.best", "in", "a list of which each item is a text"),
]


def findings(tmp_path: Path, condition: str, tests: str = "") -> list[str]:
    (tmp_path / "shop.yaml").write_text(RULES.replace("CONDITION", condition) + tests, encoding="utf-8")
    return [str(each) for each in check(tmp_path).diagnostics]


@pytest.mark.parametrize(("condition", "word", "said"), SLIPS, ids=[each for each, _, _ in SLIPS])
def test_a_slip_is_found_at_its_place_with_what_to_write(
    tmp_path: Path, condition: str, word: str, said: str
) -> None:
    found = findings(tmp_path, condition)
    assert len(found) == 1, found
    at = f":{RULES[: RULES.index('CONDITION')].count(chr(10)) + 1}:{COLUMN + condition.index(word)}"
    assert f"{at}: error: " in found[0] or f"{at}: warning: " in found[0]
    assert said in found[0]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("(event.a > 5", "a bracket is not closed"),
        ("event.a > 5 &&", "something is missing behind it"),
        ("event.a > 5 ? true", "`condition ? value : other`"),
        ("event.a > 10 %", "write 0.1"),
    ],
)
def test_a_condition_that_ends_too_early_says_what_is_missing(
    tmp_path: Path, condition: str, said: str
) -> None:
    (found,) = findings(tmp_path, condition)
    assert f":{COLUMN + len(condition)}: error: the condition ends too early" in found
    assert said in found


@pytest.mark.parametrize(("condition", "word", "said"), OF_DATA, ids=[each for each, _, _ in OF_DATA])
def test_a_slip_that_the_data_show_is_found_at_its_place(
    tmp_path: Path, condition: str, word: str, said: str
) -> None:
    assert findings(tmp_path, "event.price > 5", TESTS) == []
    (found,) = findings(tmp_path, condition, TESTS)
    at = f":{RULES[: RULES.index('CONDITION')].count(chr(10)) + 1}:{COLUMN + condition.index(word)}"
    assert f"{at}: warning: " in found
    assert said in found


@pytest.mark.parametrize(
    "condition",
    [
        "event.a == '\u05d0\u200f1' || event.a == '\U0001f468\u200d\U0001f469' || event.a == '12\u202f000'",
        "event.a == ' ' || event.a.contains('x ') || event.a == '\u043f\u0430\u0440' || event.a == '\u00b5g'",
        "event.c.split(', ').size() > 1 && event.a == 'gr\u00f6\u00dfe' && event.b in ['\u6771\u4eac']",
        "traits.best[2] == 'x' && size(traits.best) == 3 && event.event == 'view'",
    ],
)
def test_what_is_written_so_on_purpose_is_no_slip(tmp_path: Path, condition: str) -> None:
    assert findings(tmp_path, condition) == []


@pytest.mark.parametrize("piece", ["1", "[", "[a ", "1 %", "in (", "a?", "(a,", "event.a ", "'", "{{", " "])
def test_no_text_keeps_the_hints_busy(piece: str) -> None:
    """A condition of 4,000 digits, with a `;` behind it, took two seconds."""
    source = (piece * 4096)[:4090] + ";"
    started = time.process_time()
    of_place(source, len(source) - 1, ";")
    assert time.process_time() - started < 0.2


def test_a_condition_that_begins_with_a_text_needs_quotes_around_all_of_it(tmp_path: Path) -> None:
    for written in ("if: CONDITION", "{if: CONDITION, on: view}"):
        rules = RULES.replace(
            "if: >-\n      CONDITION", written.replace("CONDITION", "'vip' in customer.tags")
        )
        (tmp_path / "shop.yaml").write_text(rules, encoding="utf-8")
        (found,) = check(tmp_path).diagnostics
        assert "quotes of the other kind" in str(found)


@pytest.mark.parametrize(
    "condition",
    [
        "event.amount * 1.19 > 100",
        "event.price * event.quantity + 4.9 > 50",
        "traits.spend / traits.orders > 20",
        "traits.spend * 2 > 100",
        "timestamp(event.t) > timestamp('2026-01-01')",
        "timestamp(event.t) > timestamp('2026-01-01', 'Europe/Vienna')",
        "now - timestamp(event.t) > duration('7d')",
        "now - timestamp(event.t) > duration('1w2d')",
    ],
)
def test_what_people_expect_to_be_right_is(tmp_path: Path, condition: str) -> None:
    assert [each for each in findings(tmp_path, condition) if ": error: " in each] == []
