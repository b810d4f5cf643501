"""MyST said in plain Markdown, construct by construct."""

import pytest

from extensions.notebooks.lower import Part, lower

KNOWN = {
    ("numref", "fig-a"): "Fig. 7.1",
    ("eq", "eq-a"): "(7.2)",
    ("ref", "ex-a"): "Exercise 7.3",
    ("ref", "sec-a"): "*A section*",
    ("cite:t", "lin2013"): "Lin et al. [2013]",
}


class Answers:
    """References that are known in advance."""

    def text(self, role, content):
        if (role, content) not in KNOWN:
            raise ValueError(f"{{{role}}}`{content}` leads nowhere")
        return KNOWN[role, content]

    def picture(self, path):
        return f"data:{path}"

    def link(self, text, target):
        return f"<{text}|{target}>"


def lowered(markdown: str) -> str:
    return "\n---cell---\n".join(part.text for part in lower(markdown, Answers()))


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("See {numref}`fig-a`, {eq}`eq-a`.", "See Fig. 7.1, (7.2)."),
        ("{cite:t}`lin2013` and {ref}`sec-a`", "Lin et al. [2013] and *A section*"),
        ("(sec-a)=\n# Title\n\nWords", "# Title\n\nWords"),
        ("% a comment\nWords", "Words"),
        ("in `{ref}` and ``{eq}`x` `` stay", "in `{ref}` and ``{eq}`x` `` stay"),
        ("$[a]_{i}(b)$ stays, \\$5 too", "$[a]_{i}(b)$ stays, \\$5 too"),
        ("```python\n{eq}`x`\n(a)=\n```", "```python\n{eq}`x`\n(a)=\n```"),
        ("{math}`x^2` and H{sub}`2`O", "$x^2$ and H<sub>2</sub>O"),
        ("[words]{.class} here", "words here"),
        ("![a](b.png){width=50%}", "![a](data:b.png)"),
        ("[page](other.md) [out](https://a.b/c)", "<page|other.md> [out](https://a.b/c)"),
        ("```{math}\n:label: eq-a\nx = y\n```", "$$\nx = y\n\\tag{7.2}\n$$"),
        ("$$x = y$$ (eq-a)", "$$\nx = y\n\\tag{7.2}\n$$"),
        ("$$\nx = y\n$$", "$$\nx = y\n$$"),
        (
            "```{math}\na \\\\\nb\n```",
            "$$\n\\begin{aligned}\na \\\\\nb\n\\end{aligned}\n$$",
        ),
        (
            "```{math}\n\\begin{cases}a \\\\ b\\end{cases}\n```",
            "$$\n\\begin{cases}a \\\\ b\\end{cases}\n$$",
        ),
        ("```{warning}\nSee {eq}`eq-a`.\n```\nOn.", "> **Warning**\n>\n> See (7.2).\n\nOn."),
        ("::::{tip}\n:::{note}\nIn\n:::\n::::", "> **Tip**\n>\n> > **Note**\n> >\n> > In"),
        ("```{admonition} A title\nWords\n```", "> **A title**\n>\n> Words"),
        (
            "```{admonition} More\n:class: dropdown\nWords\n```",
            "<details>\n<summary>More</summary>\n\nWords\n\n</details>",
        ),
        (
            "```{figure} a.png\n---\nname: fig-a\nalt: Words\n---\nA caption.\n```",
            "![Words](data:a.png)\n\n**Fig. 7.1.** A caption.",
        ),
        ("```{code-block} python\nx = 1\n```", "```python\nx = 1\n```"),
        ("Before\n```{tableofcontents}\n```\nAfter", "Before\n\nAfter"),
    ],
)
def test_a_construct(myst, plain):
    assert lowered(myst) == plain


def test_a_solution_with_code_is_a_heading_that_hides_what_follows():
    gate = "```{solution-start} ex-a\n:label: sol-a\n:class: dropdown\n```"
    exercise = "```{exercise-start} Costs of {eq}`eq-a`\n:label: ex-a\n```\nHow many?\n"
    before = f"## Exercises\n{exercise}```{{exercise-end}}\n```\n{gate}\nSo many."
    assert lower(before, Answers()) == [
        Part("## Exercises"),
        Part("### Exercise 7.3 (Costs of (7.2))\n\nHow many?"),
        Part("#### Solution to Exercise 7.3", folded=True),
        Part("So many."),
    ]
    after = f"And more.\n```{{solution-end}}\n```\n{exercise}```{{exercise-end}}\n```"
    assert lower(after, Answers()) == [
        Part("And more."),
        Part("### Exercise 7.3 (Costs of (7.2))\n\nHow many?"),
    ]
    assert lower("```{solution-end}\n```", Answers()) == []


def test_a_solution_without_code_is_folded_where_it_stands():
    solution = "```{solution-start} ex-a\n```\nSo many.\n```{solution-end}\n```\nOn."
    folded = "<details>\n<summary>Solution to Exercise 7.3</summary>\n\nSo many.\n\n</details>"
    assert lower(solution, Answers()) == [Part(f"{folded}\n\nOn.")]


def test_an_aside_is_folded_and_hides_its_cells():
    text = ":::{aside-start} Why {eq}`eq-a`, of `f`?\n:label: aside-why\n:::\n\nWords."
    (part,) = lower(f"{text}\n\n```{{aside-end}}\n```", Answers())
    assert part.text.startswith("<details>\n<summary>Why (7.2), of `f`?</summary>\n\nWords.")
    assert lower(text, Answers()) == [Part("### Why (7.2), of `f`?", folded=True), Part("Words.")]
    assert lower("More.\n```{aside-end}\n```", Answers()) == [Part("More.")]


@pytest.mark.parametrize(
    ("myst", "words"),
    [
        ("```{mermaid}\na\n```", "directive {mermaid} has no form.*extensions/notebooks/lower.py"),
        ("```{note}\nnever closed", "'```{note}' is not closed"),
        ("{ref}`nothing`", "{ref}`nothing` leads nowhere"),
        ("````{note}\n```{mermaid}\n```\n````", "mermaid"),
    ],
)
def test_what_cannot_be_said_raises(myst, words):
    with pytest.raises(ValueError, match=words):
        lowered(myst)


def test_what_follows_a_solution_is_not_hidden_with_it():
    after = "And more.\n```{solution-end}\n```\n## Sources"
    assert lower(after, Answers()) == [Part("And more."), Part("## Sources")]
