"""The contact sheet: one page on which a person sees what became of every file."""

import html
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from infra.corpus.journey import Travelled
from infra.corpus.summary import outcomes

_STYLE: Final = """
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif }
body { margin: 2rem }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); gap: 1rem }
main.small { grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)) }
figure { margin: 0; border: 1px solid #8886; border-radius: 6px; padding: .5rem; overflow-wrap: anywhere }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem }
.picture { height: 140px; display: grid; place-items: center; border-radius: 4px; font-size: 11px;
  background: repeating-conic-gradient(#8882 0 25%, transparent 0 50%) 0 0/16px 16px }
.picture img { max-width: 100%; max-height: 140px }
figcaption { font-size: 12px }
.fault { outline: 3px solid #d22 }
.fault b::before { content: "WRONG "; color: #d22 }
.swatch { display: inline-block; width: 1em; height: 1em; border-radius: 2px }
.quiet { opacity: .7 }
h2 { margin-top: 2rem }
"""
# What browsers show in an `img`; of everything else there is only an after.
_SHOWN: Final = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/svg+xml", "image/bmp"}
)


def write(travelled: Sequence[Travelled], page: Path, *, notes: Iterable[str], faults: Iterable[str]) -> None:
    """Write the page; its pictures are beside it."""
    wrong = [each for each in travelled if each.faults]
    sections = _sections(travelled)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Corpus</title>",
        f"<style>{_STYLE}</style><h1>Corpus</h1>",
        f"<p>{len(travelled)} files: {html.escape(outcomes(travelled))}; {len(wrong)} wrong.</p>",
        *(f"<p>{html.escape(note)}</p>" for note in notes),
        *(f"<p class=fault><b></b>{html.escape(fault)}</p>" for fault in faults),
        "<p>",
        *(
            f'<a href="#{_anchor(title)}">{html.escape(title)} ({len(which)})</a>'
            for title, which in sections
        ),
        "</p>",
        *(part for title, which in sections for part in _section(title, which, page.parent)),
        "</html>",
    ]
    page.write_text("\n".join(parts), encoding="utf-8")


def _sections(travelled: Sequence[Travelled]) -> list[tuple[str, list[Travelled]]]:
    """What is wrong, then every outcome with every reason."""
    found = [("Wrong", [each for each in travelled if each.faults])]
    for outcome in ("ready", "rejected", "refused"):
        which = [each for each in travelled if each.outcome == outcome]
        by_reason = {reason: [e for e in which if e.reason == reason] for reason in {e.reason for e in which}}
        found += [(f"{outcome.capitalize()}: {reason}", by_reason[reason]) for reason in sorted(by_reason)]
    return [(title, which) for title, which in found if which]


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower())


def _section(title: str, which: Sequence[Travelled], beside: Path) -> list[str]:
    small = "" if any(each.stored for each in which) else " class=small"
    figures = [_figure(each, beside) for each in which]
    heading = f"<h2 id={_anchor(title)}>{html.escape(title)} ({len(which)})</h2><main{small}>"
    return [heading, *figures, "</main>"]


def _figure(travelled: Travelled, beside: Path) -> str:
    name = html.escape(travelled.source.name.rpartition("__")[2])
    link = f'<a href="{_address(travelled.source, beside)}">{name}</a>'
    facts = [*_facts(travelled), *travelled.faults]
    lines = "<br>".join(html.escape(each) for each in facts)
    spent = f"{travelled.seconds:.2f} s, decoding {travelled.decoding_seconds:.2f} s"
    held = f"{travelled.peak_bytes / 1024 / 1024:.0f} MiB"
    kind = " class=fault" if travelled.faults else ""
    caption = f"<b></b>{link}<br>{lines}<br><span class=quiet>{spent}, {held}</span>"
    return f"<figure{kind}>{_pictures(travelled, beside)}<figcaption>{caption}</figcaption></figure>"


def _facts(travelled: Travelled) -> list[str]:
    if travelled.outcome != "ready":
        return [f"{travelled.code}: {travelled.detail}"]
    file, image = travelled.file, travelled.file["image"] or {}
    facts = [f"{file['media_type']} {image.get('width', '?')} × {image.get('height', '?')}"]  # noqa: RUF001 - the sign for it
    facts.append(f"{travelled.size:,} → {file['size']:,} bytes")
    facts += [f"{image[name]} {name}" for name in ("frames", "pages") if image.get(name)]
    facts += [str(image[name]) for name in ("camera", "taken_at") if image.get(name)]
    return facts + ([f"removed: {', '.join(file['removed'])}"] if file["removed"] else [])


def _pictures(travelled: Travelled, beside: Path) -> str:
    """Before and after, side by side; a drawing has no rendition, and is its own."""
    if not travelled.stored:
        return ""
    media_type = travelled.file["media_type"]
    smallest = next((path for name, path in travelled.stored.items() if name.isdigit()), None)
    after = smallest or (travelled.stored["original"] if media_type in _SHOWN else None)
    before = travelled.source if media_type in _SHOWN else None
    colours = (travelled.file["image"] or {}).get("colours", ())
    swatches = "".join(
        f'<span class=swatch style="background:{html.escape(each)}"></span>' for each in colours
    )
    pair = "".join(_picture(path, name, beside) for path, name in ((before, "before"), (after, "after")))
    return f"<div class=pair>{pair}</div>{swatches}"


def _picture(path: Path | None, name: str, beside: Path) -> str:
    if path is None:
        return f"<div class=picture>no browser shows it {name}</div>"
    image = f'<img loading=lazy src="{_address(path, beside)}" alt="{name}: not shown">'
    return f"<div class=picture>{image}</div>"


def _address(path: Path, beside: Path) -> str:
    return html.escape(quote(os.path.relpath(path, beside)))
