"""Bars as SVG: readable by light and by dark, with a label of text on each bar. Pure."""

from xml.sax.saxutils import escape

from comparison import short

PANEL_WIDTH, NAME_WIDTH, LABEL_WIDTH, GAP = 620, 170, 210, 24
ROW, BAR, HEAD, TOP = 20, 13, 34, 64
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2128 } .title { font-size: 18px; font-weight: 600 } .head { font-weight: 600 }
.dim { fill: #57606a } .page { fill: #ffffff } .bar { fill: #8c9aab } .ours { fill: #1f6feb } .axis { stroke: #8c959f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
 text { fill: #e6edf3 } .dim { fill: #9da7b3 } .page { fill: #0d1117 } .bar { fill: #6e7b8b } .ours { fill: #58a6ff } .axis { stroke: #6e7681 }
}
"""


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def bar_label(row):
    return f"{row['seconds']['median']:.2f} s, {row['cpu_s_per_gib']['median']:.2f} CPU s/GiB, {row['memory_mib']['median']:.0f} MiB"


def panel_height(group):
    return HEAD + ROW * len(group["rows"]) + GAP


def panel(group, left, top):
    """One workload over one wire: the shorter the bar, the faster."""
    rows = sorted(group["rows"], key=lambda row: row["seconds"]["median"] if "seconds" in row else float("inf"))
    longest = max((row["seconds"]["median"] for row in rows if "seconds" in row), default=0) or 1
    axis, room = left + NAME_WIDTH, PANEL_WIDTH - NAME_WIDTH - LABEL_WIDTH
    lines = [text(left, top + 14, group["words"], "head"), text(left, top + 28, group["wire"], "dim")]
    bottom = top + HEAD + ROW * len(rows)
    for number, row in enumerate(rows):
        y = top + HEAD + ROW * number
        lines.append(text(axis - 8, y + BAR, row["mover"], anchor="end"))
        if "seconds" not in row:
            lines.append(text(axis + 6, y + BAR, f"failed: {short(row['failed'], 50)}", "dim"))
            continue
        width = max(room * row["seconds"]["median"] / longest, 1)
        kind = "ours" if row["mover"].startswith("Longhaul") else "bar"
        lines += [f'<rect class="{kind}" x="{axis}" y="{y + 2}" width="{width:.1f}" height="{BAR}" rx="2"/>',
                  text(axis + width + 6, y + BAR, bar_label(row))]
    lines.append(f'<line class="axis" x1="{axis}" y1="{top + HEAD - 2}" x2="{axis}" y2="{bottom}"/>')
    return lines


def chart(groups, title, subtitle):
    """A column for each wire, a row for each workload: what stands side by side is about the same data."""
    wires = list(dict.fromkeys(group["wire_name"] for group in groups))
    heights = {}
    for group in groups:
        heights[group["workload"]] = max(panel_height(group), heights.get(group["workload"], 0))
    tops, height = {}, TOP
    for workload, room in heights.items():
        tops[workload], height = height, height + room
    width = GAP + max(len(wires), 1) * (PANEL_WIDTH + GAP)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
             f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", f'<rect class="page" width="{width}" height="{height}"/>',
             text(GAP, 28, title, "title"), text(GAP, 48, subtitle, "dim")]
    for group in groups:
        lines += panel(group, GAP + wires.index(group["wire_name"]) * (PANEL_WIDTH + GAP), tops[group["workload"]])
    return "\n".join(lines + ["</svg>"]) + "\n"
