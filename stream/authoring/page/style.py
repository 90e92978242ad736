"""How the pages look: light and dark, on a phone, on paper. Nothing is fetched.

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
    "c1": "#e8590c",
    "c2": "#0ca678",
    "c3": "#731d8d",
    "c4": "#6b1d00",
    "c5": "#4b5059",
}
DARK = {
    "paper": "#14171a",
    "ink": "#e6e8ea",
    "soft": "#a8b1ba",
    "line": "#3a4149",
    "link": "#79b8ff",
    "c0": "#58a6ff",
    "c1": "#f0a04b",
    "c2": "#2ee6a8",
    "c3": "#e6ccff",
    "c4": "#e0485a",
    "c5": "#75688c",
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
.figures dt{font-size:.875rem}.figures dd{margin:0;font-size:1.35rem;font-weight:600}
.figures .soft{font-size:.8125rem;font-weight:400;line-height:1.3}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.9375rem}
caption{text-align:left;padding:.25rem 0}
th,td{padding:.25rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}
thead th{vertical-align:bottom;overflow-wrap:normal}
tbody th{font-weight:400;min-width:8rem}
.wide th:first-child{position:sticky;left:0;background:var(--paper);min-width:7rem}
caption span{display:block;max-width:calc(100vw - 2rem)}
figure{margin:1rem 0}svg{display:block;width:100%;height:auto}
svg.bar{width:7.5rem;height:.75rem;display:inline-block;margin-left:.5rem}
.key svg.bar{width:16px;height:12px;margin:0}
svg.chart{overflow:visible}
svg text{fill:var(--soft);font:9.5px system-ui,sans-serif}.grid path{stroke:var(--line)}
.track{fill:var(--line)}.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}
.c4{fill:var(--c4)}.c5{fill:var(--c5)}.over{stroke:var(--paper);fill:none}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.25rem 0;font-size:.875rem}
details summary{cursor:pointer;color:var(--link)}
blockquote{margin:.5rem 0;padding:.25rem .75rem;border-left:.25rem solid var(--line)}
blockquote dl{margin:0}blockquote dt{color:var(--soft);font-size:.875rem}
blockquote dd{margin:0 0 .25rem;white-space:pre-wrap}
.tree{list-style:none;margin:.25rem 0;padding-left:1.1rem;font-size:.9375rem}.tree .tree{margin:0}
.tree li::before{content:attr(data-sign);display:inline-block;width:1.1rem;margin-left:-1.1rem}
.moment{border-left:.25rem solid var(--line);padding-left:.75rem;margin:1rem 0}.moment h3{margin:0}
@media (max-width:40rem){svg text{font-size:17px}.more{display:none}.wide thead th{min-width:5.5rem}
.wide svg.bar{display:none}
.blocks thead{display:none}.blocks :is(table,caption,tbody,tr,th,td){display:block;border:0;padding:0}
.blocks tr{padding:.5rem 0;border-bottom:1px solid var(--line)}.blocks tbody th{font-weight:600}
.blocks td.n{display:inline-block;margin-right:1rem;white-space:normal;text-align:left}
.blocks td::before{content:attr(data-head);color:var(--soft)}}
@media print{body{max-width:none;padding:0;font-size:10pt}
h1,h2,h3,section>p,figcaption,caption,thead,.key{break-after:avoid}
figure,tr,li,blockquote,.short,.figures div{break-inside:avoid}.wide{overflow:visible}
details,.back{display:none}svg.bar{width:4rem}svg *{print-color-adjust:exact}}
"""


def _variables(colours: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in colours.items()) + "}"


STYLE = (
    f":root{{color-scheme:light dark}}{_variables(LIGHT)}"
    f"@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}{_REST}"
)
