"""The results as a table, with the published figures beside, and as a picture."""

from statistics import fmean

# Accuracy after 200, 400 ... steps: of the common model, and the mean of three sites alone, as published with
# NVIDIA FLARE's PEFT example (a GPT of 345 M parameters, the same partitions, one run each).
PUBLISHED = {
    "1": {"federated": [0.9469, 0.9558, 0.9735, 0.9602], "alone": [0.8599, 0.8643, 0.8761, 0.8717, 0.8732]},
    "5": {"federated": [0.9735, 0.9735, 0.9823, 0.9735], "alone": [0.9528, 0.9646, 0.9617, 0.9587, 0.9587]},
    "10": {"federated": [0.9558, 0.9690, 0.9735, 0.9779], "alone": [0.9617, 0.9646, 0.9646, 0.9646, 0.9602]},
}
COLOURS = {"federated": "#0b6e4f", "alone": "#c44900", "pooled": "#555555"}
WIDTH, HEIGHT, LOW, HIGH = 320, 260, 0.6, 1.0  # of a panel, and the accuracies that it shows


def table(rows, beside):
    """A row for each alpha: last and best, means over the seeds and their spread, beside published curves."""
    lines = ["| alpha | | seeds | last | best | published best |", "|---|---|---|---|---|---|"]
    for alpha in _alphas(rows):
        for kind in COLOURS:
            found = _cells(rows, alpha, kind)
            if found:
                published = beside.get(alpha, {}).get(kind)
                said = f"{max(published):.3f}" if published else "-"
                lines.append(f"| {alpha} | {kind} | {len(found)} | {_spread(found, 'last')} | {_spread(found, 'best')} | {said} |")
        federated, alone = (_cells(rows, alpha, kind) for kind in ("federated", "alone"))
        if federated and alone:
            last, best = (_mean(federated, name) - _mean(alone, name) for name in ("last", "best"))
            lines.append(f"| {alpha} | federated above alone | | {last:+.3f} | {best:+.3f} | |")
    return "\n".join(lines)


def picture(rows, steps, beside):
    """A panel for each alpha: a thin line for each seed, the published ones dotted."""
    alphas = _alphas(rows)
    size = f'width="{WIDTH * len(alphas)}" height="{HEIGHT}"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">']
    out.append('<rect width="100%" height="100%" fill="white"/>')
    for i, alpha in enumerate(alphas):
        curves = {kind: [[float(a) for a in r["curve"].split()] for r in _cells(rows, alpha, kind)] for kind in COLOURS}
        longest = max([len(c) for found in curves.values() for c in found] + [1])
        out.append(f'<g transform="translate({i * WIDTH} 0)"><text x="45" y="16">alpha {alpha}: accuracy by steps at each site</text>')
        for tick in range(5):
            a = LOW + (HIGH - LOW) * tick / 4
            out.append(f'<text x="8" y="{_y(a) + 4:.0f}">{a:.2f}</text><path d="M40 {_y(a):.1f}H{WIDTH - 10}" stroke="#ddd"/>')
        out += [f'<text x="{_x(n, longest) - 10:.0f}" y="{HEIGHT - 24}">{n * steps}</text>' for n in range(1, longest + 1)]
        for kind, colour in COLOURS.items():
            out += [_line(c, longest, colour, "") for c in curves[kind]]
            if kind in beside.get(alpha, {}):
                out.append(_line(beside[alpha][kind][:longest], longest, colour, ' stroke-dasharray="2 3"'))
        for n, (kind, colour) in enumerate(COLOURS.items()):
            out.append(f'<text x="{45 + 80 * n}" y="{HEIGHT - 8}" fill="{colour}">{kind}</text>')
        out.append("</g>")
    return "\n".join([*out, "</svg>\n"])


def _line(curve, longest, colour, more):
    points = " ".join(f"{_x(n + 1, longest):.1f},{_y(a):.1f}" for n, a in enumerate(curve))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{more}/>'


def _x(n, longest):
    return 45 + (WIDTH - 70) * n / longest


def _y(accuracy):
    return 30 + (HEIGHT - 80) * (HIGH - max(LOW, accuracy)) / (HIGH - LOW)


def _alphas(rows):
    return sorted({r["alpha"] for r in rows if r["alpha"] != "all"}, key=float)


def _cells(rows, alpha, kind):
    return [r for r in rows if r["cell"] == kind and r["alpha"] == ("all" if kind == "pooled" else alpha)]


def _mean(found, name):
    return fmean(float(r[name]) for r in found)


def _spread(found, name):
    values = sorted(float(r[name]) for r in found)
    return f"{fmean(values):.3f}" + (f" ({values[0]:.3f} to {values[-1]:.3f})" if len(values) > 1 else "")
