"""Sphinx extension: chapters are numbered from 7, as in the syllabus that the book follows.

Sphinx numbers from 1 and has no option for another start. The numbers of sections, figures,
tables and equations all derive from what the toctree collector (here that of sphinx-external-toc)
leaves in the environment, so that is the one place that is shifted.
"""

from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector

FIRST_CHAPTER = 7

Assign = Callable[[Collector, BuildEnvironment], list[str]]


def shifted(assign: Assign) -> Assign:
    """Wrap Sphinx' numbering so that its first chapter is `FIRST_CHAPTER`."""

    def assign_section_numbers(self: Collector, env: BuildEnvironment) -> list[str]:
        before = env.toc_secnumbers
        assign(self, env)
        offset = FIRST_CHAPTER - 1
        for docname, numbers in env.toc_secnumbers.items():
            for anchor, number in numbers.items():
                if number:
                    numbers[anchor] = (number[0] + offset, *number[1:])
            for reference in env.tocs[docname].findall(nodes.reference):
                reference["secnumber"] = numbers.get(reference["anchorname"]) or None
            env.titles[docname]["secnumber"] = numbers.get("") or None
        return [doc for doc, numbers in env.toc_secnumbers.items() if numbers != before.get(doc)]

    return assign_section_numbers


def setup(app: Sphinx) -> dict[str, bool]:
    original = Collector.assign_section_numbers
    if original.__module__ != __name__:
        # the collector has no hook: its method itself is replaced
        Collector.assign_section_numbers = shifted(original)  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
