"""Say MyST Markdown in plain Markdown, so that it reads well in Jupyter and in Colab.

Directives become headings, quotations, equations and folded parts; roles become the words that the
site shows in their place; labels and comments go. What the words, numbers and pictures are, is
asked of a `References`. A directive or role that is not known raises: nothing is left as markup.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import yaml


class References(Protocol):
    """What a page points to."""

    def text(self, role: str, content: str) -> str:
        """Markdown in place of a role that refers to something: its number, title or authors."""

    def picture(self, path: str) -> str:
        """An address under which a picture, named by its path on the page, is always found."""

    def link(self, text: str, target: str) -> str:
        """Markdown in place of a link to another page or to a label of the book."""


class Part(NamedTuple):
    """One Markdown cell; a folded one is a heading that hides what follows it."""

    text: str
    folded: bool = False


class Directive(NamedTuple):
    name: str
    argument: str
    options: dict[str, str]
    body: list[str] | None  # None where the end stands in another cell


BREAK = "\f"  # where a new cell has to begin
FOLDED = "\v"  # begins a heading that hides what follows it
FENCE = re.compile(r"^(?P<mark>`{3,}|:{3,}|~{3,})(?:\{(?P<name>[\w:.-]+)\})?[ ]*(?P<argument>.*)$")
LABEL = re.compile(r"^\([\w:.-]+\)=\s*$")
EQUATION = re.compile(r"^\$\$(?P<body>.+?)\$\$(?:[ ]*\((?P<label>[\w:.-]+)\))?[ ]*$", re.S | re.M)
INLINE = re.compile(
    r"""
    \{(?P<role>[a-zA-Z][\w:.-]*)\}(?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)
    | (?P<verbatim> (?P<quote>`+)(?!`).+?(?<!`)(?P=quote)(?!`)
                  | \$\$.+?\$\$ | (?<!\\)\$(?:[^$\n]|\n(?!\n))+?(?<!\\)\$ )
    | !\[(?P<alt>[^\]]*)\]\((?P<picture>[^)\s]+)\)(?:\{[^}\n]*\})?
    | \[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)(?:\{[^}\n]*\})?
    | \[(?P<span>[^\]]+)\]\{[.\#][^}\n]*\}
    """,
    re.S | re.X,
)
ADMONITIONS = {  # and their titles
    "admonition": "",
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "margin": "",
    "note": "Note",
    "seealso": "See also",
    "sidebar": "",
    "tip": "Tip",
    "topic": "",
    "warning": "Warning",
}
HINT = "<summary>Hint</summary>"
DROPPED = {"aside-end", "bibliography", "exercise-end", "index", "solution-end"}
DROPPED |= {"tableofcontents", "toctree"}
GATES = {"aside-start": "aside-end", "solution-start": "solution-end"}  # what is folded
PLAIN_ROLES = {
    "math": "${}$",
    "code": "`{}`",
    "kbd": "`{}`",
    "sub": "<sub>{}</sub>",
    "sup": "<sup>{}</sup>",
    "abbr": "{}",
}


def lower(markdown: str, references: References) -> list[Part]:
    """Lower one Markdown cell to plain Markdown; it may become several cells, or none.

    Raises:
        ValueError: a directive is not known or not closed, or a reference leads nowhere.
    """
    text = lower_lines(markdown.split("\n"), references)
    if (hints := text.count(HINT)) > 1:
        for number in range(1, hints + 1):
            text = text.replace(HINT, f"<summary>Hint {number} of {hints}</summary>", 1)
    pieces = (piece.strip("\n") for piece in text.split(BREAK))
    return [Part(piece.lstrip(FOLDED), piece.startswith(FOLDED)) for piece in pieces if piece]


def lower_lines(lines: list[str], references: References) -> str:
    """Lower lines of a cell, or of a directive's body; `BREAK` and `FOLDED` stay in the text."""
    blocks, prose = [], []
    rest = iter(lines)
    while (line := next(rest, None)) is not None:
        fence = FENCE.match(line)
        if not fence:
            if not LABEL.match(line) and not line.startswith("% "):
                prose.append(line)
            continue
        blocks += [lower_prose("\n".join(prose), references)]
        prose = []
        body = list(until_closed(rest, fence))
        if fence["name"]:
            directive = read_directive(fence["name"], fence["argument"], body)
            if directive.name in GATES:
                inside, after = split_at(GATES[directive.name], list(rest))
                directive, rest = directive._replace(body=inside), iter(after)
            blocks.append(lower_directive(directive, references))
        else:
            blocks.append("\n".join([line, *body, fence["mark"]]))
    blocks.append(lower_prose("\n".join(prose), references))
    text = "\n\n".join(block.strip("\n") for block in blocks if block.strip("\n"))
    return re.sub(r"\n{3,}", "\n\n", text)


def until_closed(lines: Iterator[str], fence: re.Match) -> Iterator[str]:
    """Lines up to the one that closes a fence."""
    mark = fence["mark"]
    for line in lines:
        closing = line.rstrip()
        if len(closing) >= len(mark) and set(closing) == {mark[0]}:
            return
        yield line
    raise ValueError(f"{fence.group()!r} is not closed")


def read_directive(name: str, argument: str, body: list[str]) -> Directive:
    """Split a directive's options, in either notation, from its body."""
    options: dict[str, str] = {}
    if body and body[0].strip() == "---":
        end = next((k for k, line in enumerate(body[1:], 1) if line.strip() == "---"), 0)
        options = {k: str(v) for k, v in (yaml.safe_load("\n".join(body[1:end])) or {}).items()}
        body = body[end + 1 :]
    else:
        while body and (option := re.match(r"^:([\w-]+):[ ]*(.*)$", body[0])):
            options[option[1]] = option[2].strip()
            body = body[1:]
    return Directive(name, argument.strip(), options, body)


def split_at(gate: str, lines: list[str]) -> tuple[list[str] | None, list[str]]:
    """What stands before and behind the gate that ends a fold; None and all if it is not here."""
    for k, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence and fence["name"] == gate:
            rest = iter(lines[k + 1 :])
            list(until_closed(rest, fence))
            return lines[:k], list(rest)
    return None, lines


def lower_directive(directive: Directive, references: References) -> str:
    """Plain Markdown in place of one directive."""
    name, argument, options, body = directive
    if name in DROPPED:
        return BREAK if name.endswith("-end") else ""
    if name == "aside-start":
        title = lower_prose(argument, references)
        return lower_gated("###", title, body, references)
    if name in ("solution", "solution-start"):
        title = f"Solution to {references.text('ref', argument)}"
        return lower_gated("####", title, body, references)
    assert body is not None  # what has no gate ends in its own cell
    if name == "math":
        return equation("\n".join([argument, *body]).strip(), options.get("label"), references)
    if name in ("code", "code-block"):
        return "\n".join([f"```{argument}", *body, "```"])
    if name in ("figure", "image"):
        caption = lower_lines(body, references) if name == "figure" else ""
        number = references.text("numref", options["name"]) if options.get("name") else ""
        picture = f"![{options.get('alt', '')}]({references.picture(argument)})"
        return f"{picture}\n\n{figure_caption(number, caption)}"
    if name in ("exercise", "exercise-start"):
        title = references.text("ref", options["label"])
        title += f" ({lower_prose(argument, references)})" if argument else ""
        return f"{BREAK}### {title}\n\n{lower_lines(body, references)}"
    if name in ADMONITIONS or name == "dropdown":
        title = lower_prose(argument, references) if argument else ADMONITIONS.get(name, "")
        text = lower_lines(body, references)
        if name == "dropdown" or "dropdown" in options.get("class", ""):
            return fold(title, text)
        return quote(f"**{title}**\n\n{text}" if title else text)
    raise ValueError(
        f"the directive {{{name}}} has no form in plain Markdown: "
        "teach it to extensions/notebooks/lower.py, or write the page without it"
    )


def lower_gated(level: str, title: str, body: list[str] | None, references: References) -> str:
    """A fold where all of it is text; else a heading of this level, which hides what follows."""
    if body is None:
        return f"{BREAK}{FOLDED}{level} {title}{BREAK}"
    return fold(title, lower_lines(body, references))


def equation(body: str, label: str | None, references: References) -> str:
    """A displayed equation, with its number if it has a label."""
    if r"\\" in re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "", body, flags=re.S):
        body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    tag = f"\n\\tag{{{references.text('eq', label).strip('()')}}}" if label else ""
    return f"$$\n{body}{tag}\n$$"


def figure_caption(number: str, caption: str) -> str:
    """The line below a figure."""
    return f"**{number}.** {caption}".strip() if number else caption


def fold(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def lower_prose(text: str, references: References) -> str:
    """Lower equations between double dollars, roles, pictures and links in running text."""

    def replace(match: re.Match) -> str:
        if match["role"]:
            role, content = match["role"], match["content"].strip()
            if role in PLAIN_ROLES:
                return PLAIN_ROLES[role].format(content)
            return references.text(role, content)
        if match["picture"]:
            return f"![{match['alt']}]({references.picture(match['picture'])})"
        if match["target"] and not re.match(r"[a-z]+:", match["target"]):
            return references.link(match["words"], match["target"])
        return match["span"] or match.group()

    text = INLINE.sub(replace, text)
    return EQUATION.sub(lambda m: equation(m["body"].strip(), m["label"], references), text)
