"""Every operation through its typed method."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import atom_engine
from atom_engine import types
from atom_engine._operations import Operations
from support import SCHEMA, run, workflow


class Recorder:
    """Notes which operations are called on the way to the engine."""

    def __init__(self, caller: Any) -> None:
        self._caller = caller
        self.called: set[str] = set()

    async def call(self, operation: str, request: Any) -> Any:
        self.called.add(operation)
        return await self._caller.call(operation, request)

    def subscribe(self, operation: str, request: Any) -> Any:
        self.called.add(operation)
        return self._caller.subscribe(operation, request)


def test_every_operation_answers_through_its_method(tmp_path: Path) -> None:
    document = workflow("wait: { listen: { to: { one: { with: { type: tests.go } } } } }", name="listener")
    index = json.loads((SCHEMA / "operations.json").read_text())

    async def main() -> set[str]:
        async with await atom_engine.open(data_dir=tmp_path) as engine:
            recorder = Recorder(engine._caller)
            operations = Operations(recorder)  # type: ignore[arg-type]
            assert (await operations.engine.info())["operations"] == len(index["operations"])
            assert (await operations.engine.health())["status"] == "ok"
            assert (await operations.workers.list())["workers"] == []

            functions = (await operations.functions.list(prefix="template."))["functions"]
            assert [function["name"] for function in functions] == ["template.render"]
            assert (await operations.functions.get(name="template.render"))["is_read_only"]
            arguments = {"template": "{{ x }}", "data": {"x": 1}}
            called = await operations.functions.call(name="template.render", arguments=arguments)
            assert called["output"]["text"] == "1"

            assert (await operations.workflows.validate(document=document))["is_valid"]
            assert (await operations.workflows.dry_run(document=document))["waits"][0]["type"] == "event"
            deployed = await operations.workflows.deploy(document=document)
            assert (await operations.workflows.list())["items"] == [deployed]
            kept = await operations.workflows.get(namespace="tests", name="listener")
            assert kept["document"] == document
            listener = {"namespace": "tests", "name": "listener"}
            assert (await operations.workflows.diff(**listener, document=document))["parts"] == []
            rolled_back = await operations.workflows.rollback(**listener, version=deployed["version"])
            assert (rolled_back["latest"], rolled_back["withdrawn"]) == (deployed, [])

            templates = (await operations.templates.list(limit=1))["items"]
            assert [template["name"] for template in templates] == ["document-workflow"]
            text = (await operations.templates.get(name="workflow-automation-demo"))["text"]
            text = text.replace("name: workflow-automation-demo", "name: demo")
            assert (await operations.templates.save(text=text))["name"] == "demo"
            made = await operations.templates.instantiate(name="demo", parameters={"pause": 0})
            assert (await operations.workflows.validate(document=made["document"]))["is_valid"]
            assert (await operations.templates.delete(name="demo"))["deleted"]

            started = await operations.runs.start(workflow={"namespace": "tests", "name": "listener"}, input=1)
            await operations.runs.signal(id=started["id"], type="tests.go", data={"n": 1})
            ended = await operations.runs.get(id=started["id"], wait=True, wait_timeout_ms=20_000)
            assert ended["status"] == "completed", ended
            other = await operations.runs.start(workflow={"namespace": "tests", "name": "listener"})
            assert (await operations.runs.cancel(id=other["id"], reason="test"))["status"] == "cancelled"
            again = await operations.runs.rerun(id=other["id"])
            assert again["rerun_of"] == other["id"]
            await operations.runs.cancel(id=again["id"])
            await operations.runs.delete(id=again["id"])
            assert len((await operations.runs.list(status="completed"))["items"]) == 1
            paused = await operations.runs.start(
                workflow={"namespace": "tests", "name": "listener"}, tags={"batch": "a"}, idempotency_key="k"
            )
            assert (await operations.runs.pause(id=paused["id"]))["status"] == "paused"
            assert (await operations.runs.resume(id=paused["id"]))["status"] == "running"
            migrated = await operations.runs.migrate(id=paused["id"], dry_run=True)
            assert migrated["from"] == migrated["to"]
            assert (await operations.runs.steps(id=paused["id"]))["items"][0]["status"] == "running"
            assert (await operations.runs.waits(id=paused["id"]))["items"][0]["type"] == "event"
            assert (await operations.runs.stuck())["items"] == []
            recording = await operations.runs.export(id=started["id"])
            assert "divergence" not in await operations.runs.replay(recording=recording)
            batch: types.RunSelection = {"tags": {"batch": "a"}}
            assert (await operations.runs.cancel_all(filter=batch, dry_run=True))["matched"] == 1
            assert (await operations.runs.cancel_all(filter=batch))["items"][0]["status"] == "cancelled"
            repeated = await operations.runs.rerun_all(filter={**batch, "statuses": ["cancelled"]})
            new_id = repeated["items"][0]["new_id"]
            assert new_id is not None
            await operations.runs.cancel(id=new_id)
            history = (await operations.runs.history(id=started["id"]))["records"]
            assert [entry async for entry in operations.runs.events(id=started["id"])] == history

            approve = "metadata: { atom: { approve: { title: Sure? } } }"
            asking = workflow(f"ask: {{ set: {{ by: '${{ $approval.by }}' }}, {approve} }}", name="asking")
            asks = await operations.runs.start(document=asking)
            while not (asked := (await operations.approvals.list(status="pending"))["items"]):
                await asyncio.sleep(0)
            assert (await operations.approvals.get(id=asked[0]["id"]))["is_assigned"]
            decided = await operations.approvals.decide(id=asked[0]["id"], decision="approve")
            assert decided["status"] == "approved"
            answered = await operations.runs.get(id=asks["id"], wait=True, wait_timeout_ms=20_000)
            assert answered["status"] == "completed", answered

            logged = await operations.events.publish(event={"type": "tests.note", "data": [1]})
            listed = await operations.events.list(type="tests.note")
            assert [event["event"]["id"] for event in listed["events"]] == [logged["event"]["id"]]
            async for event in operations.events.subscribe(after=0, type="tests.note"):
                assert event == logged
                break

            scheduled = workflow("note: { set: { done: true } }", name="scheduled")
            scheduled = f"schedule: {{ every: PT1H }}\n{scheduled}"
            await operations.workflows.deploy(document=scheduled)
            one = {"namespace": "tests", "name": "scheduled"}
            assert (await operations.schedules.list())["items"] == [await operations.schedules.get(**one)]
            assert (await operations.schedules.pause(**one))["is_paused"]
            assert not (await operations.schedules.resume(**one))["is_paused"]
            assert len((await operations.schedules.preview(**one, count=3))["times"]) == 3
            triggered = (await operations.schedules.trigger(**one))["trigger"]
            assert triggered is not None
            assert triggered["type"] == "schedule"

            counted = await operations.analytics.workflows(namespace="tests", name="asking")
            assert counted["items"][0]["total"]["completed"] == 1
            steps = await operations.analytics.steps(namespace="tests", name="asking")
            assert [step["task"] for step in steps["items"]] == ["/do/0/ask"]
            rule: types.AlertRule = {"name": "quiet", "condition": {"type": "silence", "for_ms": 3_600_000}}
            alert = await operations.alerts.set(rule=rule)
            assert (await operations.alerts.list())["items"] == [alert] == [await operations.alerts.get(name="quiet")]
            assert (await operations.alerts.delete(name="quiet"))["deleted"]

            await operations.secrets.set(name="token", value="hush")
            assert [secret["name"] for secret in (await operations.secrets.list())["secrets"]] == ["token"]
            assert (await operations.secrets.delete(name="token"))["deleted"]
            deleted = await operations.workflows.delete(namespace="tests", name="listener")
            assert deleted["deleted"] == 1
            return recorder.called

    assert run(main()) == {operation["name"] for operation in index["operations"]}
