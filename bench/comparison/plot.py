"""The overview as a picture: bars of CPU per request, a row of them for each workload. SVG by hand."""

from xml.sax.saxutils import escape

COLOURS = {"cppx": "#c0392b"}
OTHERS = ("#95a5a6", "#2c7fb8", "#41ae76", "#8c6bb1", "#d9a441", "#5d6d7e")
LABEL, BAR_AREA, VALUE = 260, 520, 90
BAR, GAP = 11, 16


def text(x, y, content, anchor="start", size=11):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">{escape(content)}</text>'


def svg(workloads, summaries, proxies):
    """Each workload has its own scale: its most expensive proxy fills the width."""
    colours = dict(COLOURS)
    for index, proxy in enumerate(proxy for proxy in proxies if proxy.name not in COLOURS):
        colours[proxy.name] = OTHERS[index % len(OTHERS)]
    parts, y = [], 24
    parts.append(text(8, y, "CPU µs per request (idle: KiB per connection), less is better", size=14))
    for workload in workloads:
        summary = summaries[workload.name]
        key, unit = ("connection_bytes", 1024) if workload.idle else ("cpu_us", 1)
        values = {name: figures[key] / unit for name, figures in summary.items() if figures[key] is not None}
        if not values:
            continue
        y += GAP
        parts.append(text(8, y + BAR, workload.title))
        longest = max(max(values.values()), 1e-9)
        for proxy in proxies:
            if proxy.name not in values:
                continue
            value = values[proxy.name]
            width = max(value, 0) / longest * BAR_AREA
            parts.append(f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{colours[proxy.name]}"/>')
            parts.append(text(LABEL + width + 4, y + BAR - 2, f"{value:.1f} {proxy.name}", size=9))
            y += BAR
    width, height = LABEL + BAR_AREA + VALUE, y + 12
    frame = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">'
    return "\n".join([frame, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"
