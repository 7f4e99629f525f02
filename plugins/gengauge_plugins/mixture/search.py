"""Which start, which regularisation and how many components EM goes on with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge import seeds
from gengauge.errors import DivergedError
from gengauge_plugins.mixture.em import Engine, clusters, engine_for, log_likelihoods, start
from gengauge_plugins.mixture.forms import IllDefinedError, Mixture
from gengauge_plugins.mixture.purse import Purse

CANDIDATES = (1e-4, 1e-2, 3e-2, 1e-1)  # the planar sets want the first, 64 pixels the last two
_LEAST = 1e-8  # of a value's variance: below, float64 sums are rounding
_FEW, _EACH = 20_000, 10  # examples that trials see: the first, or so many a mean's value
_RUNG, _MOST = 8, 512  # components that regularisation is chosen with; components at most
_PATIENCE = 2  # chunks that gain nothing on validation data after which EM ends
_NOTHING = 1e-4  # nats a value of an example: what such a chunk gains at most


@dataclass(frozen=True)
class Settings:
    """What the user chose; see ``GaussianMixture``."""

    components: int
    covariance: str
    regularisation: float
    restarts: int
    select: str
    engine: str


@dataclass(frozen=True)
class Trial:
    """EM after its first chunk."""

    engine: Engine
    components: int
    regularisation: float
    judged: Tensor  # log-likelihoods of the held-out data

    @property
    def score(self) -> float:
        """Mean log-likelihood of the held-out data, in nats."""
        return float(self.judged.mean())


class Search:
    """EM on standardised ``z`` ``[n, d]``, from the start that its first sweeps speak for.

    Trials see a random subset where the data is large. ``copies`` says how often each example is
    in ``z``, and ``values`` how many it has in full space; ``held_out`` ``[m, d]`` may be None,
    and then nothing is chosen by validation: the regularisation is the largest, which errs towards
    what is smooth, and BIC chooses the number of components.
    """

    def __init__(
        self, settings: Settings, z: Tensor, held_out: Tensor | None, copies: int, values: int,
        purse: Purse, log: Callable[..., None],
    ) -> None:  # fmt: skip
        self.settings, self.z, self.purse, self.log = settings, z, purse, log
        self.copies, self.values = copies, values
        wanted = _EACH * (settings.components or _RUNG) * z.shape[1]
        self.some = self._subset(z, max(_FEW, wanted), "trials")
        self.blind = held_out is None
        self.select = "bic" if self.blind else settings.select
        self.held_out = self.some if held_out is None else self._subset(held_out, _FEW, "judges")
        self.found: dict[tuple[int, int], Tensor] = {}
        self.best, self.mixture = -math.inf, None  # type: tuple[float, Mixture | None]

    def _subset(self, x: Tensor, most: int, name: str) -> Tensor:
        if len(x) <= most:
            return x
        generator = np.random.default_rng(seeds.named_seed(self.purse.run.seed, name))
        return x[torch.from_numpy(generator.choice(len(x), most, replace=False)).to(x.device)]

    def run_all(self) -> Mixture:
        """Return the mixture that does best on the held-out data along the chosen path."""
        given = self.settings
        first = given.components or _RUNG
        trials = self._trials(first, self._regularisations())
        regularisation = max(trials, key=lambda t: t.score).regularisation
        if given.components:
            trials += self._restarts(first, regularisation)
            chosen = max(trials, key=lambda t: t.score)
        else:
            chosen = self._ladder(regularisation, trials)
        return self._go_on(chosen)

    def _regularisations(self) -> tuple[float, ...]:
        if self.settings.regularisation:
            return (max(self.settings.regularisation, _LEAST),)
        return CANDIDATES[-1:] if self.blind else CANDIDATES

    def _trials(self, components: int, regularisations: tuple[float, ...]) -> list[Trial]:
        """Return a trial of each regularisation, up to the first that is worse than the last."""
        trials: list[Trial] = []
        for regularisation in regularisations:
            if not trials or self.purse.allowed:
                trials.append(self._trial(components, regularisation, 0))
            if trials[-1].score < trials[max(0, len(trials) - 2)].score:
                break
        return trials

    def _restarts(self, components: int, regularisation: float) -> list[Trial]:
        trials: list[Trial] = []
        for attempt in range(1, self.settings.restarts):
            if self.purse.allowed:
                trials.append(self._trial(components, regularisation, attempt))
        return trials

    def _trial(self, components: int, regularisation: float, attempt: int) -> Trial:
        """Return EM after a chunk, which a process before this one may have run."""
        name = f"mixture {self.purse.run.place.loops}: {components} {regularisation} {attempt}"
        made: list[Engine] = []

        def compute() -> dict[str, Any]:
            engine, raised, done, judged = self._tried(components, regularisation, attempt)
            made.append(engine)
            return {"engine": engine.state_dict(), "raised": raised, "done": done, "judged": judged}

        found = self.purse.run.once(name, compute)
        if not made:
            made.append(self._engine(self.some, found["raised"], found["engine"]))
        self.purse.spend(found["done"], len(self.some))
        judged = found["judged"].to(self.z.device)
        return Trial(made[0], components, found["raised"], judged)

    def _engine(self, z: Tensor, regularisation: float, state: dict[str, Any]) -> Engine:
        given, begun = self.settings, Mixture(*(part.to(z.device) for part in state["mixture"]))
        engine = engine_for(given.engine, z)(z, begun, given.covariance, regularisation)
        engine.load_state_dict(state)
        return engine

    def _tried(
        self, components: int, regularisation: float, attempt: int
    ) -> tuple[Engine, float, int, Tensor]:
        """Return EM after a chunk, its regularisation, sweeps, and log-likelihoods.

        A component that shrank onto too few points is no reason to fail: the regularisation
        rises tenfold until every covariance can be factorised.
        """
        given, some = self.settings, self.some
        key = (components, attempt)
        if key not in self.found:
            seed = seeds.named_seed(self.purse.run.seed, "start", attempt) % 2**32
            self.found[key] = clusters(some, components, seed)
        for power in range(9):
            raised = regularisation * 10.0**power
            try:
                begun = start(some, self.found[key], given.covariance, raised)
                build = engine_for(given.engine, some)
                engine = build(some, begun, given.covariance, raised)
                done = engine.advance(self.purse.sweeps(len(some)))
                judged = log_likelihoods(engine.mixture, given.covariance, self.held_out)
            except IllDefinedError:
                continue
            return engine, raised, done, judged
        raise DivergedError(
            f"no covariance is positive definite with regularisation up to {raised:g} of each "
            "value's variance; look for values that are far apart from all others"
        )

    def _ladder(self, regularisation: float, known: list[Trial]) -> Trial:
        """Return the trial of the number of components that ``select`` likes best.

        Numbers double until two in turn are no better than the best; then the gaps on both sides
        of that are halved until its neighbours are known.
        """
        tried = {t.components: t for t in known if t.regularisation == regularisation}
        best, k = next(iter(tried.values())), 1
        most = min(_MOST, len(self.some) // self.copies)

        def better(components: int) -> Trial:
            if not 1 <= components <= most or not (components in tried or self.purse.allowed):
                return best
            if components not in tried:
                trials = self._trials(components, (regularisation,))
                trials += self._restarts(components, regularisation)
                tried[components] = max(trials, key=lambda t: t.score)
            return self._preferred(best, tried[components])

        best = better(1)
        while k <= 2 * best.components:
            k *= 2
            best = better(k)
        step = best.components // 2
        while step:
            middle = best.components
            for k in (middle - step, middle + step):
                best = better(k)
            step //= 2
        for k in sorted(tried):
            self.log(components=k, **{self.select: self._cost(tried[k])})
        return best

    def _preferred(self, first: Trial, second: Trial) -> Trial:
        """Return the better trial; by validation, more components must be clearly better.

        That is by one standard error of the difference (Breiman et al. 1984, Classification and
        Regression Trees, section 3.4.3): the best of many is else the luckiest.
        """
        few, many = sorted((first, second), key=lambda t: t.components)
        if self.select == "bic":
            return few if self._cost(few) <= self._cost(many) else many
        gain = many.judged - few.judged
        error = float(gain.std(correction=0)) / math.sqrt(max(1, len(gain) // self.copies))
        return many if float(gain.mean()) > error else few

    def _cost(self, trial: Trial) -> float:
        """Return BIC (Schwarz 1978), or the negative log-likelihood of validation data."""
        if self.select == "validation":
            return -trial.score
        mixture, kind = trial.engine.mixture, self.settings.covariance
        k, d = mixture.means.shape
        covariance = d * (d + 1) // 2
        entries = {"full": k * covariance, "tied": covariance, "diag": k * d, "spherical": k}
        examples = len(self.some) / self.copies  # noisy copies are no further examples
        fit = float(log_likelihoods(mixture, kind, self.some).mean())
        return (k - 1 + k * d + entries[kind]) * math.log(examples) - 2 * examples * fit

    def _go_on(self, trial: Trial) -> Mixture:
        """Sweep all of the data until EM converges, the budget ends or validation has enough."""
        given, engine = self.settings, trial.engine
        self._keep(trial.score, engine.mixture)
        if self.some is self.z:
            self._log(engine, trial.score)
        else:
            build = engine_for(given.engine, self.z)
            engine = build(self.z, engine.mixture, given.covariance, trial.regularisation)
        self.worse, self.due = 0, self.some is not self.z  # whatever trials cost, all is seen
        loop = self.purse.run.loop({"search": self}, {"engine": engine, "purse": self.purse})
        while (
            not loop.finished
            and (self.due or self.purse.allowed)
            and not engine.converged
            and self.worse < _PATIENCE
        ):
            try:
                self._chunk(engine)
            except IllDefinedError:  # what was kept so far is a mixture all the same
                break
            loop.stepped()
        if not loop.finished:
            loop.finish()
        assert self.mixture is not None
        return self.mixture

    def _chunk(self, engine: Engine) -> None:
        done = engine.advance(self.purse.sweeps(len(self.z)))
        judged = log_likelihoods(engine.mixture, self.settings.covariance, self.held_out)
        self.due, score = False, float(judged.mean())
        self.purse.spend(done, len(self.z))
        self.worse = 0 if score > self.best + _NOTHING * self.values else self.worse + 1
        self._keep(score, engine.mixture)
        self._log(engine, score)

    def state_dict(self) -> dict[str, Any]:
        """Return what the last sweeps have come to."""
        best = self.mixture and (self.mixture.weights, self.mixture.means, self.mixture.covariances)
        return {"best": self.best, "mixture": best, "worse": self.worse, "due": self.due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        best, self.best = state["mixture"], state["best"]
        self.mixture = best and Mixture(*(part.to(self.z.device) for part in best))
        self.worse, self.due = state["worse"], state["due"]

    def _keep(self, score: float, mixture: Mixture) -> None:
        if score > self.best:
            self.best, self.mixture = score, mixture

    def _log(self, engine: Engine, score: float) -> None:
        self.log(train_loss=-engine.lower_bound, validation_loss=-score)
