"""How the page of a backtest looks: light and dark, on a phone, on paper. Nothing is fetched.

The contrast of its colours is worked out by tests/authoring/page/test_page.py.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#57606a",
    "line": "#d0d7de",
    "link": "#0a58ca",
    "c0": "#1f6feb",
    "c1": "#b35900",
    "c2": "#1a7f37",
    "c3": "#8250df",
    "c4": "#cf222e",
    "c5": "#57606a",
}
DARK = {
    "paper": "#14171a",
    "ink": "#e6e8ea",
    "soft": "#a8b1ba",
    "line": "#3a4149",
    "link": "#79b8ff",
    "c0": "#58a6ff",
    "c1": "#f0a04b",
    "c2": "#3fb950",
    "c3": "#bc8cff",
    "c4": "#ff7b72",
    "c5": "#9aa4ae",
}

_REST = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2}
h2{font-size:1.25rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.5rem 0 .25rem}
a{color:var(--link)}p{margin:.5rem 0}.soft,figcaption,caption{color:var(--soft)}
.note{border-left:.25rem solid var(--c1);padding:.25rem .75rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:1rem 0}
.figures div{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem}
.figures dt{color:var(--soft);font-size:.875rem}.figures dd{margin:0;font-size:1.35rem;font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.9375rem}
caption{text-align:left;padding:.25rem 0}
th,td{padding:.25rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th{overflow-wrap:normal}td:not(.n){min-width:8rem}
caption span{display:block;max-width:calc(100vw - 2rem)}
figure{margin:1rem 0}svg{display:block;width:100%;height:auto}
svg.bar{width:120px;height:12px;display:inline-block}
.key svg.bar{width:12px}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}.grid path{stroke:var(--line)}
.track{fill:var(--line)}.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}
.c4{fill:var(--c4)}.c5{fill:var(--c5)}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.25rem 0;font-size:.875rem}
details summary{cursor:pointer;color:var(--link)}
blockquote{margin:.5rem 0;padding:.25rem .75rem;border-left:.25rem solid var(--line)}
blockquote dl{margin:0}blockquote dt{color:var(--soft);font-size:.875rem}
blockquote dd{margin:0 0 .25rem;white-space:pre-wrap}
@media print{body{max-width:none;padding:0;font-size:10pt}section.rule{break-before:page}
figure,tr,blockquote{break-inside:avoid}nav,details{display:none}svg *{print-color-adjust:exact}}
"""


def _variables(colours: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in colours.items()) + "}"


STYLE = (
    f":root{{color-scheme:light dark}}{_variables(LIGHT)}"
    f"@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}{_REST}"
)
