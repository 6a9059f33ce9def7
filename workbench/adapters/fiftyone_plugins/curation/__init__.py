"""A curator's actions in FiftyOne's app: exclude, keep, group, send back to labelling.

Each asks who decides and why, and appends a decision with the very command a person would type, `workbench curation
decide`: files stay the truth, and one place checks and writes them. What is shown is brought up to date at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

#: A decision takes about two seconds; more than this means that something holds the workspace.
_PATIENCE_S = 60


class _Decide(foo.Operator):  # type: ignore[misc]
    """Appends one decision about the selected photographs."""

    action: str
    label: str
    icon: str
    #: What the form says before a decision is made.
    about: str

    @property
    def config(self) -> Any:
        """What FiftyOne shows of the operator in its list."""
        return foo.OperatorConfig(name=self.action, label=self.label, icon=self.icon, dynamic=True)

    def resolve_placement(self, _ctx: Any) -> Any:
        """Put a button above the pictures."""
        button = types.Button(label=self.label, icon=self.icon, prompt=True)
        return types.Placement(types.Places.SAMPLES_GRID_ACTIONS, button)

    def resolve_input(self, ctx: Any) -> Any:
        """Ask who and why; warn where nothing is selected."""
        form = types.Object()
        count = len(ctx.selected or [])
        if not count:
            warning = types.Warning(label="Select photographs first", description="Tick their boxes in the grid.")
            form.view("nothing", warning)
            form.define_property("none", types.Boolean(), invalid=True, view=types.HiddenView())
        form.str("reason", label="Why", description="One sentence; it is kept.", required=True)
        form.str("by", label="Your name", description="Kept with the decision.", required=True)
        view = types.View(label=f"{self.label}: {count} selected", description=self.about)
        return types.Property(form, view=view)

    def execute(self, ctx: Any) -> dict[str, Any]:
        """Append the decision, mark the samples, and say how it went."""
        if not ctx.selected:
            return {"said": "Nothing was selected, so nothing was decided."}
        view = ctx.dataset.select(ctx.selected)
        answer = _decide(self.action, view.values("image_id"), ctx.params["reason"], ctx.params["by"])
        if answer.get("exit_code", 1):
            return {"said": answer["summary"]}
        said = f"{self.action} by {ctx.params['by']}: {ctx.params['reason']}"
        view.set_values("decisions", [[*(held or []), said] for held in view.values("decisions")])
        view.tag_samples("decisions")
        if self.action == "relabel":
            view.set_values("sent_back", [["sent back to labelling"]] * len(view))
            view.tag_samples("sent_back")
        ctx.trigger("clear_selected_samples")
        ctx.trigger("reload_dataset")
        return {"said": f"{answer['summary']} Next: {answer['next']}"}

    def resolve_output(self, _ctx: Any) -> Any:
        """Show how it went."""
        outcome = types.Object()
        outcome.str("said", label="Outcome")
        return types.Property(outcome)


class Exclude(_Decide):
    """Leaves photographs out."""

    action, label, icon = "exclude", "Exclude", "block"
    about = "Leaves the photographs out of every split and release, until somebody decides to keep them."


class Keep(_Decide):
    """Takes an exclusion or a sending back back."""

    action, label, icon = "keep", "Keep", "check_circle"
    about = "Takes back that the photographs were excluded, or sent back to labelling."


class Group(_Decide):
    """Puts photographs into one group."""

    action, label, icon = "group", "Group", "link"
    about = "Puts the photographs, with all that belongs to each, into one group: they never straddle splits."


class Relabel(_Decide):
    """Sends photographs back to labelling."""

    action, label, icon = "relabel", "Back to labelling", "edit"
    about = "Leaves the photographs out and gives each a new task with the next `workbench labelling push`."


def _decide(action: str, image_ids: list[str], reason: str, by: str) -> dict[str, Any]:
    """Run `workbench curation decide`; return its JSON answer."""
    line = [sys.executable, "-m", "workbench.cli.main", "curation", "decide", action, "--json"]
    line += ["--reason", reason, "--by", by, "--workspace", os.environ["WORKBENCH_WORKSPACE"], "--", *image_ids]
    done = subprocess.run(line, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        answer = {"summary": f"The decision was not noted: {done.stderr.strip()[-300:]}", "exit_code": 1}
    return answer


def register(plugin: Any) -> None:
    """Give FiftyOne the operators; it calls this."""
    for operator in (Exclude, Keep, Group, Relabel):
        plugin.register(operator)
