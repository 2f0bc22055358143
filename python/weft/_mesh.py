"""A mesh as one of its sites sees it, for notebooks: read from the site's node, or its directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _program, safetensors
from ._http import Socket, Unreachable
from ._types import Error

_SOCKET = "api.sock"
_GENESIS = "genesis.cbor"  # in the directory of every site that is in a mesh
_MAX_REPLY = 256 << 20  # bytes: a page of rounds at a thousand sites
_PAGE = 1000  # rounds
_NANOSECONDS = 1e9


def mesh(dir: str | os.PathLike[str] | None = None) -> Mesh:
    """The mesh of the site in a directory ($WEFT_DIR, else ~/.weft), read-only, as its node tells
    it; while that does not run, as the weft program reads the directory.
    ``weft.mesh().run("letters").history()`` fits pandas.DataFrame."""
    return Mesh(Path(dir if dir is not None else os.environ.get("WEFT_DIR") or Path.home() / ".weft"))


class Mesh:
    """See ``mesh``. Every call asks the node anew."""

    __module__ = "weft"

    def __init__(self, dir: Path) -> None:
        self._dir = dir
        # A socket's path is limited to some 100 bytes: a short one may lead to the same folder.
        here = os.path.relpath(dir / _SOCKET)
        path = min(str(dir / _SOCKET), here, key=len)
        self._socket = Socket(path, f"does the site's node run? weft --dir {dir} up", _MAX_REPLY)

    def status(self) -> dict[str, Any]:
        """Where the site stands, as `weft status --json` has it."""
        return dict(self._get("/v1/status"))

    def peers(self) -> list[dict[str, Any]]:
        """The other sites, as `weft peers --json` has them."""
        return list(self._get("/v1/peers"))

    def runs(self) -> list[Run]:
        """The runs that this site knows, in the order of their opening."""
        try:
            runs = self.status()["runs"]
        except Unreachable as down:
            self._needs_directory(down)
            runs = json.loads(_program.call("--dir", self._dir, "run", "list", "--json"))["runs"]
        return [Run(self, status) for status in runs]

    def run(self, name: str) -> Run:
        """The newest run of that name, or the one of that CID."""
        runs = self.runs()
        for run in reversed(runs):
            if name in (run.name, run.id):
                return run
        raise Error(f"no run {name!r} at this site", f"it has: {', '.join(dict.fromkeys(r.name for r in runs)) or 'none'}")

    def model(self, cid: str, framework: str = "auto", run: str = "") -> dict[str, Any]:
        """The tensors of a model that this site holds, with what the model of that run has beside its weights."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="weft-model-") as folder:
            path = Path(folder, "model.safetensors")
            try:
                self._fetch(cid, path, run)
            except Unreachable as down:
                self._needs_directory(down)
                _program.call("--dir", self._dir, "model", "export", cid, "-o", path)  # which finds the run of a CID itself
            return safetensors.load_file(path, framework)  # mapped: it outlives its name

    def _rounds(self, run: str, newest: int) -> dict[str, Any]:
        """What a run has come to up to a round: its rounds as "history", and what was measured of their models as "figures"."""
        history: list[Any] = []
        figures: list[Any] = []
        while len(history) < newest:
            page = self._get(f"/v1/runs/{run}/rounds?from={len(history) + 1}&limit={min(_PAGE, newest - len(history))}")
            history += page["rounds"]
            figures += page.get("figures") or []
            if not page["rounds"]:
                break
        return {"history": history, "figures": figures}

    def _fetch(self, cid: str, path: Path, run: str) -> None:
        with open(path, "wb") as f:
            status = self._socket.fetch(f"/v1/models/{cid}" + (f"?run={run}" if run else ""), f)
        if status >= 300:
            self._refused(status, path.read_bytes())

    def _needs_directory(self, down: Unreachable) -> None:
        """Raises down if there is no site in a mesh here, whose directory could be read instead."""
        if not (self._dir / _GENESIS).is_file():
            raise down

    def _get(self, path: str) -> Any:
        status, reply = self._socket.call("GET", path)
        if status >= 300:
            raise Error(str(reply.get("error", f"status {status}")), str(reply.get("hint", "")))
        return reply

    def _refused(self, status: int, body: bytes) -> None:
        try:
            reply = json.loads(body)
        except ValueError:
            reply = {}
        raise Error(str(reply.get("error", f"status {status}")), str(reply.get("hint", "")))


class Run:
    """A run as a site saw it when it was asked for."""

    __module__ = "weft"

    id: str
    """Its CID."""
    name: str
    rounds: int
    """Its length."""
    done: int
    """Committed rounds."""
    phase: str
    """What the site does for it, "done" at the end."""
    status: Mapping[str, Any]
    """All that `weft status --json` has of it; with "history" and "figures" once they were asked for."""
    result: Mapping[str, Any] | None = None
    """Of `weft.local`: all that `weft try --json` says."""

    def __init__(self, mesh: Mesh, status: Mapping[str, Any]) -> None:
        self._mesh = mesh
        self.status = status
        self.id = status["id"]
        self.name = status["name"]
        self.rounds = status["rounds"]
        self.done = status["done"]
        self.phase = status["phase"]

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.done} of {self.rounds} rounds, {self.phase})"

    def history(self) -> list[dict[str, Any]]:
        """A row for each committed round and site whose update counted or who measured the round's
        model, as `weft run history --csv` has it: round, site, samples, weight, attempts,
        share of the round's weight, norm of the change and norm_ratio to the median's (where they
        are stated), the site's metrics, what it measured of the model as eval_..., took_s, height, model. Round 0 is
        what the run began with, and there if it was measured."""
        self._complete()
        figures = {f["round"]: f for f in self.status.get("figures") or []}
        rounds = list(self.status.get("history") or [])
        if 0 in figures:
            rounds.insert(0, {"round": 0, "model": figures[0]["model"], "height": 0})
        rows: list[dict[str, Any]] = []
        for r in rounds:
            measured = figures.get(r["round"], {}).get("sites", {})
            for site in sorted({*(r.get("sites") or []), *measured}):
                rows.append(
                    {
                        "round": r["round"],
                        "site": site,
                        "samples": (r.get("site_samples") or {}).get(site, 0),
                        "weight": (r.get("weights") or {}).get(site, 0),
                        "attempts": (r.get("attempts") or {}).get(site, 0),
                        **{k: r[f"{k}s"][site] for k in ("share", "norm", "norm_ratio") if site in (r.get(f"{k}s") or {})},
                        **_metrics((r.get("metrics") or {}).get(site) or {}, measured.get(site, {}).get("metrics", {})),
                        "took_s": r["took"] / _NANOSECONDS if r.get("took") else None,
                        "height": r["height"],
                        "model": r["model"],
                    }
                )
        return rows

    def model(self, which: int | str = "latest", framework: str = "auto") -> dict[str, Any]:
        """The tensors of a round's model, by the round's number; "latest" is the newest that this
        site holds, "best" the best by the run's terms. Of a run with ``local:`` these are the
        common tensors; `weft model export --local` adds the site's own."""
        if which == "best":
            best = self.status.get("best")
            if not best:
                raise Error(f"{self.name!r} has no best model", "in the run file, best: METRIC:max or METRIC:min says which is")
            return self._mesh.model(best["model"], framework, self.id)
        self._complete()
        held = {r["round"]: r["model"] for r in self.status.get("history") or [] if r["held"]}
        if which == "latest":
            which = max(held, default=0)
        if which not in held:
            kept = ", ".join(map(str, held)) or "none"
            raise Error(f"the model of round {which} of {self.name!r} is not at this site", f"it holds those of rounds: {kept}")
        return self._mesh.model(held[which], framework, self.id)

    def _complete(self) -> None:
        """Has the rounds that were committed when the run was asked for in its status."""
        newest = self.status.get("newest")
        if newest and "history" not in self.status:
            self.status = {**self.status, **self._mesh._rounds(self.id, newest["round"])}


def _metrics(said: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What a training said and what was measured of the model; a metric that both have is logged_... of the training."""
    named = {name if name.startswith("eval_") else "eval_" + name: v for name, v in measured.items()}
    return {**{"logged_" + name if name in named else name: v for name, v in said.items()}, **named}
