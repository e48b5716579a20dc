"""The findings of one run as one html file, which needs no other."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import TYPE_CHECKING

from convscope.studies.diagnose.findings import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def page(title: str, findings: Sequence[Finding], figures: Mapping[str, "Figure"]) -> str:
    """The html text, with the figures inside."""
    from convscope.reporting.figures import as_png

    cards = "\n".join(
        f'<section class="{f.level}"><h2>{escape(f.about)} <small>{f.level}</small></h2><p><b>{escape(f.measured)}</b>'
        f"</p><p>{escape(f.meaning)}</p><p>→ {escape(f.action)}</p></section>"
        for f in findings)
    images = "\n".join(
        f'<img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(as_png(figure)).decode()}">'
        for name, figure in figures.items())
    return HTML.substitute(title=escape(title), cards=cards, images=images)


HTML = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 1.5rem auto; max-width: 60rem; color: #222; background: #fff;
       font: 15px/1.45 system-ui, sans-serif; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
h2 { font-size: 1rem; margin: 0; }
p { margin: .2rem 0; }
section { border-left: 5px solid #009E73; padding: .4rem .8rem; margin: .8rem 0; background: #f7f7f7; }
section.note { border-color: #E69F00; }
section.problem { border-color: #D55E00; }
small { color: #6b6b6b; font-weight: normal; }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
</style>
</head>
<body>
<h1>$title</h1>
$cards
$images
</body>
</html>
""")
