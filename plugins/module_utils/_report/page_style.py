# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The style of a report's page. Private to the collection. Pure.

Colours are tables of their own, so that tests compute their contrasts (WCAG 2.2, 1.4.3 and 1.4.11).
"""

from __future__ import annotations

import typing as t

Palette = t.Mapping[str, str]

LIGHT: t.Final[Palette] = {
    "page": "#f4f6f8", "card": "#ffffff", "text": "#18202a", "quiet": "#55606e", "rule": "#d8dee6", "edge": "#818c99", "accent": "#0b5cad",
    "bad": "#a01020", "bad-bg": "#fdeaec", "warn": "#754700", "warn-bg": "#fff2d1", "good": "#0c5f35", "good-bg": "#e2f5ea",
    "idle": "#475160", "idle-bg": "#e9edf2", "bad-mark": "#cf2436", "warn-mark": "#b36b00", "good-mark": "#2a8f5b", "gone-mark": "#7a5195",
}  # fmt: skip
DARK: t.Final[Palette] = {
    "page": "#0e1217", "card": "#171d25", "text": "#e8edf3", "quiet": "#a5b0bd", "rule": "#2b343f", "edge": "#77828f", "accent": "#82baff",
    "bad": "#ffa3aa", "bad-bg": "#3c161b", "warn": "#f6cb74", "warn-bg": "#35280b", "good": "#86dfaa", "good-bg": "#113020",
    "idle": "#b9c2cd", "idle-bg": "#262e38", "bad-mark": "#f2636f", "warn-mark": "#dba232", "good-mark": "#43b97b", "gone-mark": "#b78bd6",
}  # fmt: skip

_RULES: t.Final = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;overflow-wrap:anywhere;background:var(--page);color:var(--text);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.wrap{max-width:88rem;margin:0 auto;padding:0 1.25rem}
h1,h2,h3{line-height:1.2;margin:0}
h1{font-size:1.5rem}h2{font-size:1.15rem}h3{font-size:1rem}
p{margin:0}
a{color:var(--accent)}
svg{display:block;overflow:visible}
time,.n{font-variant-numeric:tabular-nums}
.quiet{color:var(--quiet)}.small{font-size:.85rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-100rem;top:0;background:var(--card);padding:.5rem 1rem;z-index:9}.skip:focus{left:1rem}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[hidden]{display:none!important}

.top{padding:1.5rem 0 .25rem}
.top .wrap{display:flex;flex-wrap:wrap;gap:.75rem 1.5rem;align-items:flex-start;justify-content:space-between}
.theme{display:flex;border:1px solid var(--edge);border-radius:8px;overflow:hidden}
.theme button{border:0;background:var(--card);color:var(--text);padding:.35rem .7rem;font:inherit;font-size:.85rem;cursor:pointer}
.theme button[aria-pressed=true]{background:var(--accent);color:var(--card)}
.theme button:focus-visible{outline-offset:-3px}

.verdict{margin:1rem 0;padding:1rem 1.25rem;border-radius:10px;border-left:6px solid;display:flex;gap:.9rem;align-items:center}
.verdict strong{font-size:1.15rem;display:block}
.verdict svg{flex:none}
.v-failed{background:var(--bad-bg);color:var(--bad);border-color:var(--bad-mark)}
.v-warning{background:var(--warn-bg);color:var(--warn);border-color:var(--warn-mark)}
.v-passed{background:var(--good-bg);color:var(--good);border-color:var(--good-mark)}
.stale{background:var(--warn-bg);color:var(--warn);border-radius:10px;padding:.6rem 1rem;margin:1rem 0}

.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;list-style:none;margin:0 0 1.5rem;padding:0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:.7rem .9rem}
.tile b{display:block;font-size:1.6rem;line-height:1.15;font-variant-numeric:tabular-nums}
.tile span{color:var(--quiet);font-size:.85rem}
.tile.s-unknown b,.tile.s-missing b,.tile.s-late b{color:var(--bad)}
.tile.s-failing b,.tile.s-due b{color:var(--warn)}
.tile.s-ok b{color:var(--good)}
.tile.none b{color:var(--quiet)}

section{margin:0 0 2rem}
.head{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:end;justify-content:space-between;margin-bottom:.6rem}
.tools{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}
.tools label{font-size:.8rem;color:var(--quiet);display:grid;gap:.15rem}
.tools input,.tools select{font:inherit;color:var(--text);background:var(--card);border:1px solid var(--edge)}
.tools input,.tools select{border-radius:7px;padding:.35rem .6rem;min-width:0;max-width:100%}
.tools input{width:16rem}
.only-narrow{display:none!important}

.card{background:var(--card);border:1px solid var(--rule);border-radius:10px}
table{width:100%;border-collapse:collapse}
th{text-align:left;font-size:.8rem;font-weight:600;color:var(--quiet);white-space:nowrap}
th,td{padding:.5rem .7rem;vertical-align:top}
thead th{border-bottom:1px solid var(--rule);vertical-align:bottom}
thead button{all:unset;cursor:pointer;padding:.1rem .2rem;margin:-.1rem -.2rem;border-radius:4px}
thead button:focus-visible{outline:3px solid var(--accent)}
thead button::after{content:"\\2195";opacity:.55;margin-left:.3rem}
th[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";opacity:1}
tbody th{color:var(--text);font-size:inherit;white-space:normal}
tbody th div{font-weight:400}
.inner th{color:var(--quiet);font-size:.8rem}
td.n,th.n{text-align:right;white-space:nowrap}
.fleet>tbody+tbody{border-top:1px solid var(--rule)}
.fleet>tbody:hover{background:color-mix(in srgb,var(--accent) 5%,transparent)}
.fleet summary{cursor:pointer;font-weight:600}
.fleet .w1{width:7.5rem}.fleet .w2{width:12rem}
.why td{padding-top:0}
.why p{border-left:3px solid var(--rule);padding-left:.6rem}
.s-unknown .why p,.s-missing .why p,.s-late .why p{border-color:var(--bad-mark)}
.s-failing .why p,.s-due .why p{border-color:var(--warn-mark)}
.more{display:none}
@supports not selector(:has(a)){.more{display:table-row}}
tbody:has(>tr>th>details[open])>.more{display:table-row}
.more>td{padding:.25rem .7rem 1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr));gap:.5rem 1.5rem;margin:0 0 .9rem;font-size:.9rem}
.facts dt{color:var(--quiet);font-size:.8rem}.facts dd{margin:0}
.figures{display:flex;flex-wrap:wrap;gap:1rem 2rem;margin-bottom:.75rem}
figure{margin:0;max-width:100%;min-width:0}
figcaption,.ends{font-size:.8rem;color:var(--quiet)}
.ends{display:flex;justify-content:space-between}
.chart{width:18.75rem;max-width:100%;height:auto}
.inner{font-size:.87rem;min-width:56rem}
.inner td:nth-child(2),.inner td:nth-child(4){white-space:nowrap;overflow-wrap:normal}
.inner caption{text-align:left;padding-bottom:.25rem}
.inner th{white-space:nowrap;overflow-wrap:normal}
.inner th,.inner td{padding:.25rem .6rem .25rem 0}
.scroll{overflow-x:auto}

.badge{display:inline-flex;align-items:center;gap:.4rem;padding:.1rem .55rem .1rem .4rem;border-radius:99px;font-size:.85rem;font-weight:600;white-space:nowrap}
.badge::before{content:"";width:.6rem;height:.6rem;flex:none;background:currentColor}
.b-bad{color:var(--bad);background:var(--bad-bg)}.b-bad::before{clip-path:polygon(50% 0,100% 100%,0 100%)}
.b-warn{color:var(--warn);background:var(--warn-bg)}.b-warn::before{clip-path:polygon(50% 0,100% 50%,50% 100%,0 50%)}
.b-good{color:var(--good);background:var(--good-bg)}.b-good::before{border-radius:50%}
.b-idle{color:var(--idle);background:var(--idle-bg)}.b-idle::before{height:.2rem}

.g{fill:var(--good-mark)}.w{fill:var(--warn-mark)}.b{fill:var(--bad-mark)}.m{fill:var(--gone-mark)}
.axis{stroke:var(--edge);fill:none}.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}.dot{fill:var(--accent)}
.strip{max-width:100%}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:.5rem 0 0;padding:0;font-size:.8rem;color:var(--quiet)}
.legend li{display:flex;gap:.35rem;align-items:center}

.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));gap:.75rem}
.grid .card{padding:.9rem 1rem;min-width:0}
.grid .runs{max-width:100%;height:2.75rem;margin:.7rem 0 .5rem}
.grid summary{cursor:pointer;color:var(--accent)}
.run{padding:.15rem 0 .6rem}
.run+.run,summary+.run{border-top:1px solid var(--rule);padding-top:.6rem}
.grid summary+.run{margin-top:.5rem}
.note{padding:.5rem 1rem .8rem}
.list{margin:.4rem 0 0;padding-left:1.1rem}
footer{border-top:1px solid var(--rule);padding:1rem 0 2rem;color:var(--quiet);font-size:.85rem}

@media (max-width:60rem){
.wrap{padding:0 .8rem}
.only-narrow{display:grid!important}
.tools{display:grid;grid-template-columns:1fr 1fr;width:100%}
.tools>:nth-child(-n+2){grid-column:1/-1}
.tools input,.tools select{width:100%}
.tiles{grid-template-columns:repeat(auto-fill,minmax(6.7rem,1fr));gap:.5rem}
.tile{padding:.5rem .65rem}.tile b{font-size:1.3rem}
.fleet,.fleet>tbody,.fleet>tbody>tr,.fleet>tbody>tr>td,.fleet>tbody>tr>th,.places,.places>tbody,.places tr,.places td,.places th{display:block}
.fleet>thead,.places>thead{display:none}
.fleet>tbody,.places>tbody>tr{padding:.5rem .2rem}
.fleet>tbody>.main{display:grid;grid-template-columns:1fr 1fr}
.fleet>tbody>.more{display:none}
tbody:has(>tr>th>details[open])>.more{display:block}
@supports not selector(:has(a)){.fleet>tbody>.more{display:block}}
.fleet>tbody>tr>td,.fleet>tbody>tr>th,.places td,.places th{padding:.2rem .7rem;text-align:left;white-space:normal}
.fleet>tbody>.main>th,.fleet>tbody>.main>.wide,.fleet>tbody>.main>td:nth-child(3){grid-column:1/-1}
[data-label]::before{content:attr(data-label);display:block;font-size:.75rem;color:var(--quiet)}
.fleet .w1,.fleet .w2{width:auto}
}
@media print{
:root{color-scheme:light}
html{font-size:11px}
body{background:#fff;font-size:1rem}
.theme,.tools,.skip,.stale{display:none!important}
.card,.tile{border-color:#bbb}
tbody,.grid .card{break-inside:avoid}
.fleet>.s-unknown>.more,.fleet>.s-missing>.more,.fleet>.s-late>.more,.fleet>.s-failing>.more{display:table-row}
.fleet>thead{display:table-header-group}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
@media (prefers-contrast:more){.quiet,.tile span,th{color:var(--text)}}
@media (forced-colors:active){.g,.w,.b,.m,.dot{fill:CanvasText}.line,.axis{stroke:CanvasText}.badge{border:1px solid}}
"""


def _variables(palette: Palette, scheme: str) -> str:
    named = ";".join(f"--{name}:{colour}" for name, colour in palette.items())
    return f"{{color-scheme:{scheme};{named}}}"


def _style() -> str:
    light, dark = _variables(LIGHT, "light"), _variables(DARK, "dark")
    # On paper it is always light.
    themes = [
        f":root{light}",
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){dark}}}",
        f"@media screen{{:root[data-theme=dark]{dark}}}",
    ]
    return "\n".join(themes) + _RULES


STYLE: t.Final = _style()
