"""Results as text: medians over the rounds, ratios of each round, tables."""

import re
import statistics

OURS = "cppx"
BLOCK = re.compile(r"(<!-- compare: begin[^\n]*-->\n).*?(<!-- compare: end -->)", re.DOTALL)


def median(results, key):
    """Over the rounds that count; None if there are none."""
    values = [result[key] for result in results if result is not None]
    return statistics.median(values) if values else None


def ratio(ours, theirs, key):
    """Median of what we need in relation to them, round by round: below 1 is less."""
    pairs = [(mine[key], other[key]) for mine, other in zip(ours, theirs) if mine and other and other[key] > 0]
    return statistics.median([mine / other for mine, other in pairs]) if pairs else None


def summarize(workload, results):
    """{proxy: {figure: median, "ratio": ...}} of one workload."""
    key = "connection_bytes" if workload.idle else "cpu_us"
    keys = ("connection_bytes", "memory_bytes", "requests") if workload.idle else ("cpu_us", "rate", "p50_us", "p99_us", "p999_us", "memory_bytes")
    summary = {}
    for name, rounds in results.items():
        figures = {one: median(rounds, one) for one in keys}
        figures["ratio"] = ratio(results.get(OURS, []), rounds, key)
        figures["rounds"] = sum(result is not None for result in rounds)
        summary[name] = figures
    return summary


def cell(value, form="{:.1f}"):
    return "-" if value is None else form.format(value)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| --- " + "| ---: " * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def mebibytes(value):
    return None if value is None else value / 1024 / 1024


def workload_table(workload, summary):
    """All figures of one workload; a line for each proxy."""
    rows = []
    for name, figures in summary.items():
        compared = "" if name == OURS else cell(figures["ratio"], "{:.2f}")
        memory = cell(mebibytes(figures["memory_bytes"]))
        if workload.idle:
            each = figures["connection_bytes"]
            rows.append([name, cell(each and each / 1024, "{:.2f}"), compared, cell(figures["requests"], "{:.0f}"), memory])
            continue
        rates = [cell(figures["rate"], "{:.0f}"), *(cell(figures[key], "{:.0f}") for key in ("p50_us", "p99_us", "p999_us"))]
        rows.append([name, cell(figures["cpu_us"]), compared, *rates, memory])
    if workload.idle:
        header = ["proxy", "KiB a connection", f"{OURS} / proxy", "connections", "MiB"]
    else:
        header = ["proxy", "CPU µs", f"{OURS} / proxy", "requests/s", "p50 µs", "p99 µs", "p99.9 µs", "MiB"]
    return table(header, rows)


def overview(workloads, summaries, proxies):
    """CPU µs of a request, or KiB of a connection, of every proxy, and in brackets our share of it."""
    rows = []
    for workload in workloads:
        row = [workload.title + (", KiB" if workload.idle else "")]
        for proxy in proxies:
            figures = summaries[workload.name].get(proxy.name)
            if figures is None:
                row.append("-")
                continue
            each = figures["connection_bytes"] if workload.idle else figures["cpu_us"]
            value = cell(each / 1024 if workload.idle and each is not None else each)
            row.append(value if proxy.name == OURS or figures["ratio"] is None else f"{value} ({figures['ratio']:.2f})")
        rows.append(row)
    return table(["Workload", *(proxy.name for proxy in proxies)], rows)


def fill_block(text, content):
    """The document with `content` between its markers."""
    filled, count = BLOCK.subn(lambda match: match.group(1) + content + match.group(2), text)
    if count != 1:
        raise ValueError("no markers for the table of bench/compare")
    return filled
