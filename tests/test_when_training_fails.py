"""The page of faults keeps its form: every symptom is listed, made, mended and explained."""

import re

import jupytext
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from extensions.search import read_terms
from helpers.sections.lenet import init_xavier
from tools.lift import find_page, lift
from tools.pages import ROOT
from tools.style import WIDTH, count, tags

PAGE = find_page("when-training-fails")
TEXT = PAGE.read_text(encoding="utf-8")
CASE = re.compile(
    r"^\(sec-fails-([a-z-]+)\)=\n#{2,3} [^\n]+\n(.*?)(?=^\(sec-|^## |\Z)", re.M | re.S
)
CASES = dict(CASE.findall(TEXT))
OTHERS = {"checks", "slow"}  # no faults of one line: no bullets, or other ones
of_every_fault = pytest.mark.parametrize("name", sorted(CASES.keys() - OTHERS))
DATA = torch.randn(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def page():
    return lift(PAGE.stem)


def test_the_tables_lead_to_every_case_and_only_there():
    tables = "".join(re.findall(r"^\|.*\n", TEXT, flags=re.M))
    assert {*re.findall(r"<sec-fails-([a-z-]+)>", tables)} == {*CASES}
    assert len(CASES) >= 18


@of_every_fault
def test_a_fault_is_told_caused_cured_made_claimed_and_explained(name):
    case = CASES[name]
    assert re.findall(r"^- \*\*(\w+):\*\*", case, flags=re.M) == ["Sign", "Cause", "Cure"]
    assert re.search(r"\{ref\}`(sec-(?!fails)|ex-)", case), "no link to what explains it"
    kinds = [tags(c) for c in jupytext.reads(case, fmt="md:myst").cells if c.cell_type == "code"]
    assert "claims" in kinds[-1] and len(kinds) > 1


def test_readers_find_a_case_by_other_words():
    terms = read_terms(ROOT / "search-terms.txt")
    assert {f"sec-fails-{name}" for name in CASES} <= terms.keys()


def test_it_is_short():
    measures = count(PAGE)
    assert measures["code"] <= 150 and measures["wide"] == measures["asserts"] == 0, WIDTH
    assert measures["words"] <= 2200


def test_a_network_has_ten_scores_and_starts_with_zero_biases(page):
    for options in ({}, {"c": 16}, {"activation": nn.Sigmoid, "norm": nn.BatchNorm2d, "p": 0.5}):
        net = page.make_net(**options)
        assert net(DATA).shape == (300, 10)
        assert not any(m.bias.any() for m in net if isinstance(m, (nn.Conv2d, nn.Linear)))
    torch.manual_seed(0)
    net = page.make_net()
    torch.manual_seed(0)
    twin = page.make_net().apply(init_xavier)  # draws anew
    assert not torch.equal(net[0].weight, twin[0].weight)


def test_a_step_is_one_of_gradient_descent(page):
    net, twin = nn.Linear(4, 3), nn.Linear(4, 3)
    twin.load_state_dict(net.state_dict())
    X, y = torch.randn(20, 4), torch.arange(20) % 3
    losses = page.fit(net, X, y, lr=0.5, num_epochs=3, order=torch.arange)
    for step in range(3):  # 20 images are one batch
        loss = F.cross_entropy(twin(X), y)
        assert losses[step] == pytest.approx(loss.item(), rel=1e-5)
        grads = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for p, grad in zip(twin.parameters(), grads, strict=True):
                p -= 0.5 * grad
    torch.testing.assert_close(net.state_dict(), twin.state_dict())


def test_gradients_that_are_never_cleared_add_up(page):
    w = nn.Parameter(torch.zeros(1))
    rule = page.NeverCleared([w], 1.0)
    for _ in range(3):
        rule.zero_grad()
        w.sum().backward()
        rule.step()
    assert w.item() == -(1 + 2 + 3)


def test_softmax_twice_has_a_floor(page):
    y = torch.arange(10)
    best = page.with_softmax(1e4 * torch.eye(10), y)
    assert float(best) == pytest.approx(1.461, abs=5e-4)
    for scale in (0, 1, 100):
        assert page.with_softmax(scale * torch.randn(10, 10), y) >= best - 1e-6


def test_every_epoch_begins_in_training_mode(page):
    net, modes = nn.Linear(4, 3), []

    def loss(scores, labels):
        modes.append(net.training)
        net.eval()  # as a validation does
        return F.cross_entropy(scores, labels)

    page.fit(net, torch.randn(20, 4), torch.arange(20) % 3, loss=loss)
    assert modes == [True] * 4


def test_renewed_statistics_are_means_over_the_batches(page):
    net = nn.Sequential(nn.BatchNorm2d(1, momentum=0.3))
    net[0].running_mean.fill_(7)
    page.renew_statistics(net, DATA)
    batches = DATA.split(128)
    for kept, of in ((net[0].running_mean, torch.mean), (net[0].running_var, torch.var)):
        torch.testing.assert_close(kept, torch.stack([of(b) for b in batches]).mean()[None])
    assert net[0].momentum == 0.3 and not net.training


def test_active_counts_what_is_above_zero(page):
    net = page.make_net()
    assert all(0.05 < share < 0.95 for share in page.active(net, DATA))
    nn.init.constant_(net[4].bias, -1e3)  # the second convolution
    assert page.active(net, DATA)[1] == 0
