"""The contact sheet: one page on which a person sees what became of every file."""

import base64
import html
from collections import Counter
from pathlib import Path

from functions.files.imaging.child import Processed
from infra.corpus.judging import Verdict

_STYLE = """
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif }
body { margin: 2rem }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 1rem }
figure { margin: 0; border: 1px solid #8886; border-radius: 6px; padding: .5rem; overflow-wrap: anywhere }
.picture { height: 160px; display: grid; place-items: center; border-radius: 4px;
  background: repeating-conic-gradient(#8882 0 25%, transparent 0 50%) 0 0/16px 16px }
.picture img { max-width: 100%; max-height: 160px }
figcaption { font-size: 12px }
.fault { outline: 3px solid #d22 }
.swatch { display: inline-block; width: 1em; height: 1em; border-radius: 2px }
.quiet { opacity: .7 }
h2 { margin-top: 2rem }
"""


def write(verdicts: list[Verdict], page: Path, notes: list[str]) -> None:
    """Write the page; its pictures are beside it."""
    ready = [each for each in verdicts if each.made is not None]
    rejected = [each for each in verdicts if each.rejected is not None]
    codes = Counter(each.rejected.code for each in rejected if each.rejected)
    head = f"{len(verdicts)} files: {len(ready)} ready, {len(rejected)} rejected ({_counted(codes)})"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Corpus</title>",
        f"<style>{_STYLE}</style><h1>Corpus</h1><p>{html.escape(head)}</p>",
        *(f"<p>{html.escape(note)}</p>" for note in notes),
        "<h2>Ready</h2><main>",
        *(_ready(each, page.parent) for each in ready),
        "</main><h2>Rejected</h2><main>",
        *(_rejected(each) for each in rejected),
        "</main></html>",
    ]
    page.write_text("\n".join(parts), encoding="utf-8")


def _counted(codes: Counter[str]) -> str:
    return ", ".join(f"{code} {count}" for code, count in codes.most_common())


def _ready(verdict: Verdict, beside: Path) -> str:
    made = verdict.made
    if made is None:
        return ""
    source = _source(made, beside)
    facts = [f"{made.media_type} {made.width} × {made.height}"]  # noqa: RUF001 - the sign for it
    facts += [f"{made.frames} frames"] if made.animated else []
    facts += [f"{made.pages} pages"] if made.pages > 1 else []
    facts += [made.camera] if made.camera else []
    facts += [f"{made.taken_at:%Y-%m-%d %H:%M}"] if made.taken_at else []
    facts += [f"removed: {', '.join(made.removed)}"] if made.removed else []
    swatches = "".join(f'<span class=swatch style="background:{colour}"></span>' for colour in made.colours)
    image = f'<img loading=lazy src="{source}" alt="">'
    return _figure(verdict, f"<div class=picture>{image}</div>{swatches}", facts)


def _source(made: Processed, beside: Path) -> str:
    """Where the page finds the picture; a drawing has no rendition, and is in the page itself."""
    if made.renditions:
        return html.escape(str(made.renditions[0].path.relative_to(beside)))
    if made.cleaned is None:
        return ""
    return f"data:{made.media_type};base64,{base64.b64encode(made.cleaned.read_bytes()).decode()}"


def _rejected(verdict: Verdict) -> str:
    rejected = verdict.rejected
    return _figure(verdict, "", [f"{rejected.code}: {rejected.detail}"]) if rejected is not None else ""


def _figure(verdict: Verdict, above: str, facts: list[str]) -> str:
    name = html.escape(verdict.source.name.rpartition("__")[2])
    spent = f"{verdict.seconds:.2f} s, {verdict.peak_bytes / 1024 / 1024:.0f} MiB"
    lines = "<br>".join(html.escape(each) for each in [*facts, *verdict.faults])
    kind = " class=fault" if verdict.faults else ""
    caption = f"<b>{name}</b><br>{lines}<br><span class=quiet>{spent}</span>"
    return f"<figure{kind}>{above}<figcaption>{caption}</figcaption></figure>"
