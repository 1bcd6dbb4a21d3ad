"""The regions of the emulated project: each a service of its own, and the list that goes over all of them."""

from __future__ import annotations

from typing import Any

from emulated.document import Call
from emulated.service import Service

AGGREGATED = "dataflow.projects.jobs.aggregated"


class Regions:
    """One project."""

    def __init__(self, home: Service) -> None:
        self._home = home
        self._all = {home.region: home}

    def open(self, region: str) -> Service:
        """Another region of the project, whose jobs have other ids."""
        opened = self._all.setdefault(region, Service(self._home.project, region))
        opened.number = 1000 * len(self._all)
        return opened

    def handle(self, call: Call) -> dict[str, Any]:
        """Answers a call, or raises Refusal."""
        if call.method.id == AGGREGATED:
            return self._aggregated(call)
        return self._all.get(call.path.get("location", ""), self._home).handle(call)

    def _aggregated(self, call: Call) -> dict[str, Any]:
        self._home.admit(call.path["projectId"])
        shown = [job for region in self._all.values() for job in region.listed(call)]
        return self._home.paged(call, shown)
