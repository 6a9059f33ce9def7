"""`labelling pull` of 1 % new answers among many, against a full export of all of them, on a real Label Studio."""

from __future__ import annotations

import time
from typing import Any

import labelling_push
import measure

#: How many objects each answer has.
_OBJECTS = 4

#: Seconds from which on what was answered before is not looked at again (`workbench.labelling.fetch`, with some to spare).
_OLD_S = 35


def measure_pull(items: int, turns: int) -> measure.Ratio:
    """Return how much of a full export's time a pull takes that finds one new answer a hundred tasks."""
    with measure.scratch() as folder:
        root = labelling_push.photographs(folder, items)
        with labelling_push.servers(root):
            server = labelling_push.Server(root)
            measure.workbench("labelling", "push", "--workspace", root)
            project_id = server.projects()[0]["id"]
            tasks = server.tasks(project_id)
            fresh = max(1, items // 100)
            later = [task["id"] for task in tasks[:: max(1, items // (fresh * turns))]][: fresh * turns]
            first = [task for task in tasks if task["id"] not in set(later)]
            _answer_in_bulk(server, project_id, first)
            measure.workbench("labelling", "pull", "--workspace", root)

            def before(turn: int) -> None:
                time.sleep(_OLD_S)
                for number, task_id in enumerate(later[turn * fresh : (turn + 1) * fresh]):
                    server.ask("POST", f"/api/tasks/{task_id}/annotations/", {"result": _results(number)})

            def work(_turn: int) -> None:
                told = measure.workbench("labelling", "pull", "--workspace", root)
                if told["data"]["tasks_fetched"] > 2 * fresh:
                    msg = f"{told['data']['tasks_fetched']} tasks were fetched for {fresh} new answers"
                    raise RuntimeError(msg)

            def floor(_turn: int) -> None:
                server.ask("GET", f"/api/projects/{project_id}/export?exportType=JSON")

            work_s, floor_s, _, _ = measure.in_turns(work, floor, turns=turns, before=before)
    return measure.Ratio(
        name="labelling pull, 1 % new answers",
        against="a full export",
        items=items,
        unit="tasks",
        work_s=work_s,
        floor_s=floor_s,
        work_cpu_s=None,
        floor_cpu_s=None,
    )


def _answer_in_bulk(server: labelling_push.Server, project_id: int, tasks: list[dict[str, Any]]) -> None:
    """Give tasks an answer each: they come again with it, in the place of those without."""
    chosen = {"selectedItems": {"all": False, "included": [task["id"] for task in tasks]}}
    server.ask("POST", f"/api/dm/actions/?id=delete_tasks&project={project_id}", chosen)
    for start in range(0, len(tasks), 1000):
        part = tasks[start : start + 1000]
        answered = [{"data": task["data"], "annotations": [{"result": _results(task["id"])}]} for task in part]
        server.ask("POST", f"/api/projects/{project_id}/import", answered)


def _results(seed: int) -> list[dict[str, Any]]:
    """Return an answer of some objects with facets and a text, as people give them."""
    results: list[dict[str, Any]] = []
    for number in range(_OBJECTS):
        at = {"x": 5 + 20 * number, "y": 5 + seed % 50, "width": 15, "height": 20, "rotation": 0}
        of = {"id": f"r{number}", "to_name": "image", "original_width": 160, "original_height": 160}
        of |= {"image_rotation": 0}
        label = {**at, "rectanglelabels": ["part.barrel"]}
        results.append({**of, "from_name": "box", "type": "rectanglelabels", "value": label})
        for facet, value in (("completeness", "fragment"), ("confidence", "certain")):
            results.append({**of, "from_name": facet, "type": "choices", "value": {**at, "choices": [value]}})
        text = {**at, "text": [f"AB {seed}"]}
        results.append({**of, "from_name": "transcription", "type": "textarea", "value": text})
    return results


if __name__ == "__main__":
    measure.present(measure_pull, items=10_000)
