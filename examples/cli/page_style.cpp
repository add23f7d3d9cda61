// SPDX-License-Identifier: MIT
#include "page_style.hpp"

#include "html.hpp"
#include "terminal.hpp"

#include <array>
#include <string_view>

namespace cli::page {

namespace {

// The gates' colours are those of Okabe and Ito, told apart by colour-blind readers; lighter on a dark ground.
constexpr std::string_view rules = R"css(
:root { color-scheme: light dark;
  --ground: #f6f6f3; --card: #ffffff; --ink: #1d2024; --soft: #5d646e; --rule: #dfe0dc; --code: #f8f8f6; --accent: #0b6e99;
  --g0: #6b7178; --g1: #0072b2; --g2: #3a9bd9; --g3: #009e73; --g4: #c98300; --g5: #b0568c; --g6: #d55e00; --g7: #8a6d1b; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #121418; --card: #1a1d22; --ink: #e7e7e3; --soft: #a0a7b1; --rule: #343941; --code: #15181c; --accent: #6bb8dd;
  --g0: #a3a9b1; --g1: #4aa8e0; --g2: #8fd0f5; --g3: #2cc49a; --g4: #f0b43a; --g5: #e391c1; --g6: #ff8a3d; --g7: #d8b95a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
main, header.top { max-width: 1160px; margin: 0 auto; padding: 0 20px; }
header.top { padding-top: 36px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 10px; letter-spacing: -.01em; }
h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 0 0 2px; font-weight: 600; }
p { margin: 0 0 12px; max-width: 78ch; }
.remark, .lead small, .figure p { color: var(--soft); font-size: 14px; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 22px 24px; margin: 20px 0; }
section > p { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 12px; margin: 18px 0 0; padding: 0; list-style: none; }
.cards li { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 14px 16px; }
.cards .loss { color: var(--soft); font-size: 14px; }
.cards .value { font-size: 32px; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.cards .policy { font-weight: 600; }
.cards .more { color: var(--soft); font-size: 14px; }
svg { display: block; width: 100%; height: auto; overflow: visible; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
svg text { fill: var(--ink); }
svg .tick, svg .unit, svg .note { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .small { font-size: 11px; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .reference { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 4; }
svg .paper { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .front { fill: none; stroke: var(--ink); stroke-width: 1.6; opacity: .55; }
svg .leader { stroke: var(--soft); stroke-width: .8; }
svg .name { font-size: 13px; font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg .full { fill: var(--card); stroke: var(--ink); stroke-width: 2.5; }
svg .best { stroke-width: 1.8; } svg .other { stroke-width: 1.3; opacity: .72; } svg .faint { stroke-width: 1.2; opacity: .38; }
svg .hollow, svg .hollow.best { fill: var(--card); }
svg .dashed { stroke-dasharray: 2.4 1.6; }
svg .never { fill: var(--soft); opacity: .55; }
svg .counts { stroke: none; opacity: .3; }
svg .series { fill: none; stroke-width: 2; stroke-linejoin: round; } svg .dot { stroke: var(--card); stroke-width: 1; }
.wide { display: block; } .narrow { display: none; }
svg.mark { display: inline-block; width: 16px; height: 16px; vertical-align: -3px; margin-right: 6px; flex: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 0 0 10px; padding: 0; font-size: 14px; }
.legend li { display: flex; align-items: center; }
.gray svg * { stroke: var(--soft); } .gray svg :not(.hollow) { fill: var(--soft); } .gray svg .hollow { fill: var(--card); }
.swatch { width: 14px; height: 14px; border-radius: 3px; margin-right: 6px; }
.figures { display: grid; gap: 22px 26px; } .figures > * { min-width: 0; }
.small-figures { grid-template-columns: repeat(auto-fill, minmax(228px, 1fr)); }
.large-figures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
.figure { display: flex; flex-direction: column; } .figure svg { margin-top: auto; }
.figure p { margin: 2px 0 0; font-size: 13px; }
header.top > .remark { margin: 10px 0 0; }
.scroll { overflow-x: auto; margin-top: 14px; } .scroll + .remark { margin-top: 14px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
table.compact { width: auto; min-width: min(100%, 560px); }
th, td { padding: 5px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th[scope=row], th.first { text-align: left; font-weight: 500; }
table.all th[scope=row], table.all th.first { position: sticky; left: 0; background: var(--card); }
tr.front th[scope=row] { font-weight: 700; }
summary { cursor: pointer; color: var(--soft); }
thead button { all: unset; cursor: pointer; } thead button:focus-visible { outline: 2px solid var(--accent); }
th[aria-sort=descending] button::after { content: " \25be"; } th[aria-sort=ascending] button::after { content: " \25b4"; }
td.n, th.n { text-align: right; padding-left: 0; color: var(--soft); width: 1.5em; }
.completions { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); }
article { border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; min-width: 0; background: var(--code); break-inside: avoid; }
article > header { padding: 8px 12px; border-bottom: 1px solid var(--rule); font-size: 13px; color: var(--soft); background: var(--card); }
article > header b { color: var(--ink); overflow-wrap: anywhere; }
pre { margin: 0; white-space: pre; overflow-x: auto; tab-size: 4;
  font: 13.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; }
pre.made { padding: 10px 12px 12px; line-height: 1.62; } pre.made .prompt { color: var(--soft); }
.t { background: rgba(var(--c), var(--a)); border-bottom: 2.5px solid rgb(var(--c)); padding: 1px 0; margin-right: 1px; border-radius: 2px 2px 0 0;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.t[data-l]::before { content: attr(data-l); font: 9px/1 system-ui, sans-serif; vertical-align: super; color: var(--soft); padding-right: 1px; }
.d { display: inline-flex; flex-direction: column; align-items: flex-start; vertical-align: baseline; margin-right: 2px; }
.d .t { line-height: 1.2; }
.d small { font-size: 12px; line-height: 1.5; color: var(--g6); }
.d small::before { content: "\2260\2009"; }
.stop { border: 1.5px solid currentColor; color: var(--g6); border-radius: 4px; padding: 1px 6px; font: 600 12px/1.6 system-ui, sans-serif; white-space: nowrap; }
.beside { display: grid; grid-template-columns: max-content 1fr; gap: 6px 12px; margin: 0; padding: 10px 12px; border-top: 1px solid var(--rule); }
.beside dt { color: var(--soft); font-size: 13px; } .beside dd { margin: 0; min-width: 0; font-size: 13px; }
.beside .apart { border-bottom: 1.5px dotted var(--g6); }
.bar { fill: rgb(var(--c)); }
footer { max-width: 1160px; margin: 0 auto; padding: 0 20px 40px; color: var(--soft); font-size: 13px; } footer p { margin: 0 0 4px; } footer pre { font-size: 12px; }
@media (max-width: 700px) {
  .wide { display: none; } .narrow { display: block; }
  main, header.top { padding-left: 12px; padding-right: 12px; } section { padding: 16px 14px; margin: 14px 0; }
  h1 { font-size: 25px; } .cards { grid-template-columns: 1fr 1fr; gap: 8px; } .cards .value { font-size: 26px; } .cards li { padding: 10px 12px; }
  .small-figures { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 16px 14px; }
  .small-figures svg { font-size: 15px; } .small-figures svg .small { display: none; } h3 { font-size: 13px; }
  table.compact th[scope=row] { white-space: normal; }
  .beside { grid-template-columns: 1fr; gap: 2px; } th, td { padding: 5px 5px; } table { font-size: 13px; }
  table.all th[scope=row], table.all th.first { white-space: normal; min-width: 128px; } }
@media print { body { background: #fff; } section { break-inside: auto; } .figure, .cards li { break-inside: avoid; } }
)css";

}  // namespace

std::string style_sheet(std::size_t layers) {
    std::string css(rules);
    for (std::size_t gate = 0; gate < 8; ++gate) {
        const std::string n = std::to_string(gate);
        css += ".g" + n + " { fill: var(--g" + n + "); stroke: var(--g" + n + "); }\n";
    }
    for (std::size_t layer = 1; layer <= layers; ++layer) {
        const std::array<int, 3> c = layer_colour(layer, layers);
        const double early = layers < 2 ? 0.0 : 1.0 - static_cast<double>(layer - 1) / static_cast<double>(layers - 1);
        // The paler the later, so that early tokens are seen first, and seen without colours too.
        css += ".l" + std::to_string(layer) + " { --c: " + std::to_string(c[0]) + ", " + std::to_string(c[1]) + ", " +
               std::to_string(c[2]) + "; --a: " + fixed_digits(0.10 + 0.38 * early, 2) + "; }\n";
    }
    return css;
}

}  // namespace cli::page
