# Generated from schema/ by `cargo xtask codegen`; do not edit.

"""Every operation of the engine as a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from . import types

if TYPE_CHECKING:
    from ._connection import Caller
    from ._stream import Stream


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


KINDS: dict[str, Literal["call", "stream"]] = {
    "engine.info": "call",
    "engine.health": "call",
    "functions.list": "call",
    "functions.get": "call",
    "functions.call": "call",
    "workflows.validate": "call",
    "workflows.dry_run": "call",
    "workflows.deploy": "call",
    "workflows.list": "call",
    "workflows.get": "call",
    "workflows.delete": "call",
    "workflows.diff": "call",
    "workflows.rollback": "call",
    "workers.list": "call",
    "templates.list": "call",
    "templates.get": "call",
    "templates.instantiate": "call",
    "templates.save": "call",
    "templates.delete": "call",
    "runs.start": "call",
    "runs.get": "call",
    "runs.list": "call",
    "runs.cancel": "call",
    "runs.cancel_all": "call",
    "runs.delete": "call",
    "runs.pause": "call",
    "runs.resume": "call",
    "runs.migrate": "call",
    "runs.rerun": "call",
    "runs.rerun_all": "call",
    "runs.history": "call",
    "runs.steps": "call",
    "runs.waits": "call",
    "runs.export": "call",
    "runs.replay": "call",
    "runs.stuck": "call",
    "runs.events": "stream",
    "runs.signal": "call",
    "schedules.list": "call",
    "schedules.get": "call",
    "schedules.pause": "call",
    "schedules.resume": "call",
    "schedules.trigger": "call",
    "schedules.preview": "call",
    "approvals.list": "call",
    "approvals.get": "call",
    "approvals.decide": "call",
    "analytics.workflows": "call",
    "analytics.steps": "call",
    "alerts.set": "call",
    "alerts.get": "call",
    "alerts.list": "call",
    "alerts.delete": "call",
    "events.publish": "call",
    "events.list": "call",
    "events.subscribe": "stream",
    "secrets.set": "call",
    "secrets.list": "call",
    "secrets.delete": "call",
}
"""Whether an operation has one answer or many."""


class EngineOperations:
    """The `engine` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def info(self) -> types.EngineInfo:
        """Tells the engine's version and where it keeps its data.

        Needs the permission `engine.read`.
        """
        return cast("types.EngineInfo", await self._caller.call("engine.info", {}))

    async def health(self) -> types.EngineHealth:
        """Tells whether the engine works, by writing to its store and reading again.

        Needs the permission `engine.read`.
        """
        return cast("types.EngineHealth", await self._caller.call("engine.health", {}))


class FunctionsOperations:
    """The `functions` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        *,
        prefix: str | None = None,
    ) -> types.FunctionList:
        """Lists the functions that workflows can call.

        Args:
            prefix: Only functions whose names begin with this, e.g. `mailbox.`.

        Needs the permission `functions.read`.
        """
        return cast("types.FunctionList", await self._caller.call("functions.list", _given({"prefix": prefix})))

    async def get(
        self,
        *,
        name: str,
    ) -> types.FunctionInfo:
        """Tells what a function takes and gives.

        Args:
            name: The function's name.

        Needs the permission `functions.read`.
        """
        return cast("types.FunctionInfo", await self._caller.call("functions.get", {"name": name}))

    async def call(
        self,
        *,
        name: str,
        arguments: Any = None,
        directory: str | None = None,
        timeout_ms: int | None = None,
    ) -> types.FunctionOutput:
        """Calls a function directly, once, and gives its result.

        Args:
            name: The function's name.
            arguments: What to pass to it; an empty object when absent.
            directory: Where relative file paths start.
            timeout_ms: How long to wait for the answer, in milliseconds; as long as it takes when absent.

        Needs the permission `functions.call`.
        """
        return cast("types.FunctionOutput", await self._caller.call("functions.call", {"name": name, **_given({"arguments": arguments, "directory": directory, "timeout_ms": timeout_ms})}))


class WorkflowsOperations:
    """The `workflows` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def validate(
        self,
        *,
        document: str,
        resources: bool = False,
    ) -> types.WorkflowValidation:
        """Checks a workflow document without keeping it.

        Args:
            document: The document's text, YAML or JSON.
            resources: Whether to read the external resources that the document refers to, as deploying it does, and to check them too. Needs the permission `workflows.write`, too.

        Needs the permission `workflows.read`.
        """
        return cast("types.WorkflowValidation", await self._caller.call("workflows.validate", {"document": document, **_given({"resources": resources})}))

    async def dry_run(
        self,
        *,
        workflow: types.WorkflowReference | None = None,
        document: str | None = None,
        input: Any = None,
        answers: Mapping[str, Any] | None = None,
        decisions: Mapping[str, types.Decision] | None = None,
        events: Sequence[types.EventDraft] | None = None,
    ) -> types.DryRunReport:
        """Shows what a run of a workflow would do, with given answers and without any effect.

        Args:
            workflow: The deployed workflow; either this or `document`.
            document: The text of the document, YAML or JSON; either this or `workflow`.
            input: The input; an empty object when absent.
            answers: What calls and awaited runs answer, by the JSON pointer of their task, e.g. `/do/0/read`: the same each time the task runs. A call without an answer gives `{'unknown': task}`.
            decisions: What people decide where a task asks for an approval, by the JSON pointer of the task; approved, by nobody known, where nothing is given.
            events: The events that come, in order, each once a task listens and no call is under way.

        Needs the permission `workflows.read`.
        """
        return cast("types.DryRunReport", await self._caller.call("workflows.dry_run", _given({"workflow": workflow, "document": document, "input": input, "answers": answers, "decisions": decisions, "events": events})))

    async def deploy(
        self,
        *,
        document: str,
    ) -> types.DeployedWorkflow:
        """Deploys a workflow document, and sets its schedule; a deployed version never changes.

        Args:
            document: The document's text, YAML or JSON.

        Needs the permission `workflows.write`.
        """
        return cast("types.DeployedWorkflow", await self._caller.call("workflows.deploy", {"document": document}))

    async def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.DeployedWorkflowPage:
        """Lists the deployed workflows by namespace, name and time of deployment.

        Args:
            after: The `next` of the page before; absent for the first page.
            limit: How many workflows at most, 1 to 1000; 100 when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.DeployedWorkflowPage", await self._caller.call("workflows.list", _given({"after": after, "limit": limit})))

    async def get(
        self,
        *,
        namespace: str,
        name: str,
        version: str | None = None,
    ) -> types.WorkflowDocument:
        """Gives a deployed workflow with its text.

        Args:
            namespace: Its namespace.
            name: Its name.
            version: Its version; the latest when absent or `latest`: the highest that is not withdrawn.

        Needs the permission `workflows.read`.
        """
        return cast("types.WorkflowDocument", await self._caller.call("workflows.get", {"namespace": namespace, "name": name, **_given({"version": version})}))

    async def delete(
        self,
        *,
        namespace: str,
        name: str,
        version: str | None = None,
    ) -> types.DeletedWorkflows:
        """Removes a version of a workflow, or all of them; runs that follow it go on.

        Args:
            namespace: Its namespace.
            name: Its name.
            version: Its version; all versions when absent.

        Needs the permission `workflows.write`.
        """
        return cast("types.DeletedWorkflows", await self._caller.call("workflows.delete", {"namespace": namespace, "name": name, **_given({"version": version})}))

    async def diff(
        self,
        *,
        namespace: str,
        name: str,
        from_: str | None = None,
        to: str | None = None,
        document: str | None = None,
    ) -> types.WorkflowComparison:
        """Compares two versions of a workflow, or a version and a text, task by task.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.
            from_: The version to compare; the latest when absent or `latest`.
            to: The version to compare it with; the latest when absent or `latest`. Only without `document`.
            document: The text to compare it with, YAML or JSON; it need not be deployed.

        Needs the permission `workflows.read`.
        """
        return cast("types.WorkflowComparison", await self._caller.call("workflows.diff", {"namespace": namespace, "name": name, **_given({"from": from_, "to": to, "document": document})}))

    async def rollback(
        self,
        *,
        namespace: str,
        name: str,
        version: str,
    ) -> types.RolledBackWorkflow:
        """Makes an earlier version of a workflow the latest, and withdraws those above it.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.
            version: The version that is to be the latest. A higher one than the present rolls forward.

        Needs the permission `workflows.write`.
        """
        return cast("types.RolledBackWorkflow", await self._caller.call("workflows.rollback", {"namespace": namespace, "name": name, "version": version}))


class WorkersOperations:
    """The `workers` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self) -> types.WorkerList:
        """Lists the engines that share the storage, and how many runs each drives.

        Needs the permission `engine.read`.
        """
        return cast("types.WorkerList", await self._caller.call("workers.list", {}))


class TemplatesOperations:
    """The `templates` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.TemplateInfoPage:
        """Lists the templates that come with the engine and those imported, by name.

        Args:
            after: The `next` of the page before; absent for the first page.
            limit: How many templates at most, 1 to 1000; 100 when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.TemplateInfoPage", await self._caller.call("templates.list", _given({"after": after, "limit": limit})))

    async def get(
        self,
        *,
        name: str,
    ) -> types.TemplateDetails:
        """Gives a template with its form and its whole file.

        Args:
            name: Its name.

        Needs the permission `workflows.read`.
        """
        return cast("types.TemplateDetails", await self._caller.call("templates.get", {"name": name}))

    async def instantiate(
        self,
        *,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        workflow_namespace: str | None = None,
        workflow_name: str | None = None,
        workflow_version: str | None = None,
    ) -> types.InstantiatedTemplate:
        """Makes a workflow document from a template and the values of its form.

        Args:
            name: The template's name.
            parameters: The values of its form; the defaults where absent.
            workflow_namespace: The namespace to give to the workflow; the template's when absent.
            workflow_name: The name to give to the workflow; the template's when absent.
            workflow_version: The version to give to the workflow; the template's when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.InstantiatedTemplate", await self._caller.call("templates.instantiate", {"name": name, **_given({"parameters": parameters, "workflow_namespace": workflow_namespace, "workflow_name": workflow_name, "workflow_version": workflow_version})}))

    async def save(
        self,
        *,
        text: str,
    ) -> types.TemplateInfo:
        """Keeps a template, in place of an earlier one of the same name.

        Args:
            text: The whole file, YAML or JSON.

        Needs the permission `workflows.write`.
        """
        return cast("types.TemplateInfo", await self._caller.call("templates.save", {"text": text}))

    async def delete(
        self,
        *,
        name: str,
    ) -> types.DeletedTemplate:
        """Removes an imported template; workflows made from it stay.

        Args:
            name: Its name.

        Needs the permission `workflows.write`.
        """
        return cast("types.DeletedTemplate", await self._caller.call("templates.delete", {"name": name}))


class RunsOperations:
    """The `runs` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def start(
        self,
        *,
        workflow: types.WorkflowReference | None = None,
        document: str | None = None,
        input: Any = None,
        directory: str | None = None,
        id: types.RunId | None = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        wait: bool = False,
        wait_timeout_ms: int | None = None,
    ) -> types.Run:
        """Starts a run of a workflow, durably, and waits for its end when asked to.

        Args:
            workflow: The deployed workflow to run; either this or `document`.
            document: The text of the document to run, YAML or JSON; either this or `workflow`. Needs the permission `workflows.write`, too.
            input: The input; an empty object when absent.
            directory: Where relative file paths start. Without it there are none: a call with a relative path fails.
            id: The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run.
            idempotency_key: The key under which to start the run once: starting a run of a workflow with the same namespace and name again with the same key, document and input gives the first run, whatever became of it. When absent, the document may compute one with `metadata.atom.idempotencyKey`.
            tags: Words to find the run by, beside the tags of its document: at most 32, of 256 characters each.
            wait: Whether to answer only when the run has ended.
            wait_timeout_ms: How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered as it is.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("runs.start", _given({"workflow": workflow, "document": document, "input": input, "directory": directory, "id": id, "idempotency_key": idempotency_key, "tags": tags, "wait": wait, "wait_timeout_ms": wait_timeout_ms})))

    async def get(
        self,
        *,
        id: types.RunId,
        wait: bool = False,
        wait_timeout_ms: int | None = None,
    ) -> types.Run:
        """Gives a run, and waits for its end when asked to.

        Args:
            id: Its id.
            wait: Whether to answer only when the run has ended.
            wait_timeout_ms: How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered as it is.

        Needs the permission `runs.read`.
        """
        return cast("types.Run", await self._caller.call("runs.get", {"id": id, **_given({"wait": wait, "wait_timeout_ms": wait_timeout_ms})}))

    async def list(
        self,
        *,
        status: types.RunStatus | None = None,
        statuses: Sequence[types.RunStatus] | None = None,
        namespace: str | None = None,
        name: str | None = None,
        version: str | None = None,
        parent: types.RunId | None = None,
        created_from: str | None = None,
        created_before: str | None = None,
        ended_from: str | None = None,
        ended_before: str | None = None,
        error_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.RunPage:
        """Lists runs without their input and output, the newest first.

        Args:
            status: Only runs in this state.
            statuses: Only runs in one of these states; not together with `status`.
            namespace: Only runs of workflows in this namespace.
            name: Only runs of workflows with this name.
            version: Only runs of this version.
            parent: Only runs started by this run.
            created_from: Only runs created at this time or later.
            created_before: Only runs created before this time.
            ended_from: Only runs that ended at this time or later.
            ended_before: Only runs that ended before this time.
            error_type: Only faulted runs whose error has this type.
            tags: Only runs with all these tags.
            fields: Only runs with all these indexed fields: texts, numbers or booleans.
            after: The `next` of the page before; absent for the first page.
            limit: How many runs at most, 1 to 1000; 100 when absent.

        Needs the permission `runs.read`.
        """
        return cast("types.RunPage", await self._caller.call("runs.list", _given({"status": status, "statuses": statuses, "namespace": namespace, "name": name, "version": version, "parent": parent, "created_from": created_from, "created_before": created_before, "ended_from": ended_from, "ended_before": ended_before, "error_type": error_type, "tags": tags, "fields": fields, "after": after, "limit": limit})))

    async def cancel(
        self,
        *,
        id: types.RunId,
        reason: str | None = None,
    ) -> types.Run:
        """Cancels a run; one that has ended stays as it is, one with compensations is undone first.

        Args:
            id: Its id.
            reason: Why, for its history.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("runs.cancel", {"id": id, **_given({"reason": reason})}))

    async def cancel_all(
        self,
        *,
        filter: types.RunSelection | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.ChangedRuns:
        """Cancels the runs that a filter shows, some with each call, or only counts them.

        Args:
            filter: Which runs; all of the owner that have not ended when absent.
            reason: Why, for their history.
            dry_run: Whether only to count the runs and change nothing.
            after: The `next` of the call before; absent for the first call.
            limit: How many runs to cancel at most, 1 to 1000; 100 when absent.

        Needs the permission `runs.write`.
        """
        return cast("types.ChangedRuns", await self._caller.call("runs.cancel_all", _given({"filter": filter, "reason": reason, "dry_run": dry_run, "after": after, "limit": limit})))

    async def delete(
        self,
        *,
        id: types.RunId,
    ) -> types.Done:
        """Removes a run that has ended, with its history and approvals.

        Args:
            id: Its id.

        Needs the permission `runs.write`.
        """
        return cast("types.Done", await self._caller.call("runs.delete", {"id": id}))

    async def pause(
        self,
        *,
        id: types.RunId,
        reason: str | None = None,
    ) -> types.Run:
        """Pauses a run: what is under way finishes, and nothing new begins until it is resumed.

        Args:
            id: Its id.
            reason: Why, for its history.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("runs.pause", {"id": id, **_given({"reason": reason})}))

    async def resume(
        self,
        *,
        id: types.RunId,
    ) -> types.Run:
        """Lets a paused run go on; one that is not paused stays as it is.

        Args:
            id: Its id.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("runs.resume", {"id": id}))

    async def migrate(
        self,
        *,
        id: types.RunId,
        version: str | None = None,
        dry_run: bool = False,
    ) -> types.MigratedRun:
        """Moves a run to another version of its workflow, if that would have done the same so far.

        Args:
            id: The run's id.
            version: The deployed version to move it to; the latest when absent or `latest`.
            dry_run: Whether only to check whether it could be moved.

        Needs the permission `runs.write`.
        """
        return cast("types.MigratedRun", await self._caller.call("runs.migrate", {"id": id, **_given({"version": version, "dry_run": dry_run})}))

    async def rerun(
        self,
        *,
        id: types.RunId,
        from_: str | None = None,
        new_id: types.RunId | None = None,
        wait: bool = False,
        wait_timeout_ms: int | None = None,
    ) -> types.Run:
        """Repeats a run from the step it failed at, or from any other, in a new run.

        Args:
            id: The id of the run to repeat.
            from_: The JSON pointer of the task to begin with, as in the run's history, e.g. `/do/2/pay`. When absent, the step that the run failed at; a run that completed or was undone is repeated from its start.
            new_id: The id to give to the new run, a UUID. Repeating the same run again with the same id gives the first repetition.
            wait: Whether to answer only when the new run has ended.
            wait_timeout_ms: How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is answered as it is.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("runs.rerun", {"id": id, **_given({"from": from_, "new_id": new_id, "wait": wait, "wait_timeout_ms": wait_timeout_ms})}))

    async def rerun_all(
        self,
        *,
        filter: types.RunSelection | None = None,
        from_: str | None = None,
        dry_run: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.ChangedRuns:
        """Repeats the runs that a filter shows, some with each call, or only counts them.

        Args:
            filter: Which runs; all of the owner that faulted when absent.
            from_: The JSON pointer of the task to begin with, as in `runs.rerun`.
            dry_run: Whether only to count the runs and change nothing.
            after: The `next` of the call before; absent for the first call.
            limit: How many runs to repeat at most, 1 to 1000; 100 when absent.

        Needs the permission `runs.write`.
        """
        return cast("types.ChangedRuns", await self._caller.call("runs.rerun_all", _given({"filter": filter, "from": from_, "dry_run": dry_run, "after": after, "limit": limit})))

    async def history(
        self,
        *,
        id: types.RunId,
        after: int = 0,
        limit: int | None = None,
    ) -> types.RunHistory:
        """Tells what has happened to a run, task by task.

        Args:
            id: Its id.
            after: The offset of the history after which to begin: the `next` of the page before; the beginning when absent.
            limit: How many records at most, 1 to 1000; 1000 when absent.

        Needs the permission `runs.read`.
        """
        return cast("types.RunHistory", await self._caller.call("runs.history", {"id": id, **_given({"after": after, "limit": limit})}))

    async def steps(
        self,
        *,
        id: types.RunId,
        after: int = 0,
        limit: int | None = None,
    ) -> types.RunSteps:
        """Tells when each execution of a task began and ended, how often it was tried, and how it ended.

        Args:
            id: The run's id.
            after: The number of the step after which to begin: the `next` of the page before; the beginning when absent.
            limit: How many steps at most, 1 to 1000; 1000 when absent.

        Needs the permission `runs.read`.
        """
        return cast("types.RunSteps", await self._caller.call("runs.steps", {"id": id, **_given({"after": after, "limit": limit})}))

    async def waits(
        self,
        *,
        id: types.RunId,
    ) -> types.RunWaits:
        """Tells what a run waits for, and what keeps it from going on.

        Args:
            id: The run's id.

        Needs the permission `runs.read`.
        """
        return cast("types.RunWaits", await self._caller.call("runs.waits", {"id": id}))

    async def export(
        self,
        *,
        id: types.RunId,
    ) -> types.RunRecording:
        """Gives a run with its document and its journal, to be kept or replayed elsewhere.

        Args:
            id: The run's id.

        Needs the permission `runs.read`.
        """
        return cast("types.RunRecording", await self._caller.call("runs.export", {"id": id}))

    async def replay(
        self,
        *,
        recording: types.RunRecording,
    ) -> types.RunReplay:
        """Replays an exported run with this version of the engine, and tells where it would do something else.

        Args:
            recording: What `runs.export` gave.

        Needs the permission `runs.read`.
        """
        return cast("types.RunReplay", await self._caller.call("runs.replay", {"recording": recording}))

    async def stuck(
        self,
        *,
        older_than_ms: int | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.StuckRunPage:
        """Lists runs that cannot go on although they wait for nothing that will come by itself, and why.

        Args:
            older_than_ms: For how long they must have been unable to go on, in milliseconds; a minute when absent.
            after: The `next` of the page before; absent for the first page.
            limit: How many running runs to look at, 1 to 1000; 100 when absent. A page shows those of them that are stuck, so it can be empty and still have a `next`.

        Needs the permission `runs.read`.
        """
        return cast("types.StuckRunPage", await self._caller.call("runs.stuck", _given({"older_than_ms": older_than_ms, "after": after, "limit": limit})))

    def events(
        self,
        *,
        id: types.RunId,
        after: int = 0,
    ) -> Stream[types.HistoryEntry]:
        """Follows what happens to a run, from its beginning or any offset, until it has ended.

        Args:
            id: Its id.
            after: The offset of the history after which to begin; the beginning when absent.

        Needs the permission `runs.read`.
        """
        return self._caller.subscribe("runs.events", {"id": id, **_given({"after": after})})

    async def signal(
        self,
        *,
        id: types.RunId,
        type: str,
        data: Any = None,
        source: str | None = None,
        event_id: str | None = None,
    ) -> types.Done:
        """Sends an event to one run, durably.

        Args:
            id: The run's id.
            type: What kind of event it is, e.g. `com.example.order.placed.v1`.
            data: What happened.
            source: Where the event comes from, a URI reference; `/atom` when absent.
            event_id: Identifies the event together with `source`; a new id when absent.

        Needs the permission `runs.write`.
        """
        return cast("types.Done", await self._caller.call("runs.signal", {"id": id, "type": type, **_given({"data": data, "source": source, "event_id": event_id})}))


class SchedulesOperations:
    """The `schedules` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.SchedulePage:
        """Lists the schedules of deployed workflows by namespace and name.

        Args:
            after: The `next` of the page before; absent for the first page.
            limit: How many schedules at most, 1 to 1000; 100 when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.SchedulePage", await self._caller.call("schedules.list", _given({"after": after, "limit": limit})))

    async def get(
        self,
        *,
        namespace: str,
        name: str,
    ) -> types.Schedule:
        """Gives the schedule of a deployed workflow.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.

        Needs the permission `workflows.read`.
        """
        return cast("types.Schedule", await self._caller.call("schedules.get", {"namespace": namespace, "name": name}))

    async def pause(
        self,
        *,
        namespace: str,
        name: str,
    ) -> types.Schedule:
        """Keeps a schedule from starting runs until it is resumed.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.

        Needs the permission `workflows.write`.
        """
        return cast("types.Schedule", await self._caller.call("schedules.pause", {"namespace": namespace, "name": name}))

    async def resume(
        self,
        *,
        namespace: str,
        name: str,
    ) -> types.Schedule:
        """Lets a paused schedule start runs again, from now on.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.

        Needs the permission `workflows.write`.
        """
        return cast("types.Schedule", await self._caller.call("schedules.resume", {"namespace": namespace, "name": name}))

    async def trigger(
        self,
        *,
        namespace: str,
        name: str,
        id: types.RunId | None = None,
    ) -> types.Run:
        """Starts a run of a scheduled workflow now, even while the schedule is paused.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.
            id: The id to give to the run, a UUID. Triggering again with the same id gives the first run.

        Needs the permission `runs.write`.
        """
        return cast("types.Run", await self._caller.call("schedules.trigger", {"namespace": namespace, "name": name, **_given({"id": id})}))

    async def preview(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        cron: str | None = None,
        time_zone: str | None = None,
        after: str | None = None,
        count: int | None = None,
    ) -> types.SchedulePreview:
        """Shows the next times of a schedule, or of a cron expression.

        Args:
            namespace: The namespace of a scheduled workflow; either this and `name`, or `cron`.
            name: The name of a scheduled workflow.
            cron: A cron expression, e.g. `0 8 * * 1-5`.
            time_zone: The time zone of `cron`, a name of the IANA database; `UTC` when absent.
            after: The time after which to begin; now when absent.
            count: How many times to show, 1 to 1000; 10 when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.SchedulePreview", await self._caller.call("schedules.preview", _given({"namespace": namespace, "name": name, "cron": cron, "time_zone": time_zone, "after": after, "count": count})))


class ApprovalsOperations:
    """The `approvals` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        *,
        status: types.ApprovalStatus | None = None,
        run: types.RunId | None = None,
        namespace: str | None = None,
        name: str | None = None,
        is_assigned: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.ApprovalPage:
        """Lists what runs ask the caller or asked others for the caller, the newest first.

        Args:
            status: Only approvals in this state.
            run: Only approvals of this run.
            namespace: Only approvals of workflows in this namespace.
            name: Only approvals of workflows with this name.
            is_assigned: Only approvals that the caller may decide.
            after: The `next` of the page before; absent for the first page.
            limit: How many approvals at most, 1 to 1000; 100 when absent.

        Needs the permission `approvals.read`.
        """
        return cast("types.ApprovalPage", await self._caller.call("approvals.list", _given({"status": status, "run": run, "namespace": namespace, "name": name, "is_assigned": is_assigned, "after": after, "limit": limit})))

    async def get(
        self,
        *,
        id: types.ApprovalId,
    ) -> types.Approval:
        """Gives an approval with everything that the decision is about.

        Args:
            id: Its id.

        Needs the permission `approvals.read`.
        """
        return cast("types.Approval", await self._caller.call("approvals.get", {"id": id}))

    async def decide(
        self,
        *,
        id: types.ApprovalId,
        decision: types.DecisionKind,
        comment: str | None = None,
        form: Any = None,
        input: Any = None,
    ) -> types.Approval:
        """Approves or rejects what a run asks, or approves it with another input, durably.

        Args:
            id: Its id.
            decision: What is decided.
            comment: What to say about it.
            form: The form as filled in.
            input: What replaces the task's input, for `edit`.

        Needs the permission `approvals.decide`.
        """
        return cast("types.Approval", await self._caller.call("approvals.decide", {"id": id, "decision": decision, **_given({"comment": comment, "form": form, "input": input})}))


class AnalyticsOperations:
    """The `analytics` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def workflows(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        version: str | None = None,
        by_version: bool = False,
        from_: str | None = None,
        before: str | None = None,
        interval: types.StatisticsInterval | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.WorkflowStatisticsList:
        """Tells for each workflow how many runs there were, how they ended and what they took.

        Args:
            namespace: Of workflows with this namespace only.
            name: Of workflows with this name only.
            version: Of this version only.
            by_version: Whether each version has numbers of its own.
            from_: The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when absent.
            before: The end of the time range, taken forward to the end of its hour, or day; now when absent.
            interval: How the time range is divided, into 1000 parts at most; not at all when absent.
            after: The `next` of the page before; absent for the first page.
            limit: How many workflows at most, 1 to 1000; 100 when absent.

        Needs the permission `runs.read`.
        """
        return cast("types.WorkflowStatisticsList", await self._caller.call("analytics.workflows", _given({"namespace": namespace, "name": name, "version": version, "by_version": by_version, "from": from_, "before": before, "interval": interval, "after": after, "limit": limit})))

    async def steps(
        self,
        *,
        namespace: str,
        name: str,
        version: str | None = None,
        by_version: bool = False,
        from_: str | None = None,
        before: str | None = None,
        interval: types.StatisticsInterval | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.TaskStatisticsList:
        """Tells for each task of a workflow how often it was executed, how that ended and what it took.

        Args:
            namespace: The namespace of the workflow.
            name: Its name.
            version: Of this version only.
            by_version: Whether each version has numbers of its own.
            from_: The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when absent.
            before: The end of the time range, taken forward to the end of its hour, or day; now when absent.
            interval: How the time range is divided, into 1000 parts at most; not at all when absent.
            after: The `next` of the page before; absent for the first page.
            limit: How many tasks at most, 1 to 1000; 100 when absent.

        Needs the permission `runs.read`.
        """
        return cast("types.TaskStatisticsList", await self._caller.call("analytics.steps", {"namespace": namespace, "name": name, **_given({"version": version, "by_version": by_version, "from": from_, "before": before, "interval": interval, "after": after, "limit": limit})}))


class AlertsOperations:
    """The `alerts` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def set(
        self,
        *,
        rule: types.AlertRule,
    ) -> types.Alert:
        """Sets a rule that publishes an event when runs go wrong, and when they no longer do.

        Args:
            rule: The rule.

        Needs the permission `workflows.write`.
        """
        return cast("types.Alert", await self._caller.call("alerts.set", {"rule": rule}))

    async def get(
        self,
        *,
        name: str,
    ) -> types.Alert:
        """Gives an alert rule, and whether it holds.

        Args:
            name: The rule's name.

        Needs the permission `workflows.read`.
        """
        return cast("types.Alert", await self._caller.call("alerts.get", {"name": name}))

    async def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> types.AlertPage:
        """Lists alert rules by name, and whether they hold.

        Args:
            after: The `next` of the page before; absent for the first page.
            limit: How many rules at most, 1 to 1000; 100 when absent.

        Needs the permission `workflows.read`.
        """
        return cast("types.AlertPage", await self._caller.call("alerts.list", _given({"after": after, "limit": limit})))

    async def delete(
        self,
        *,
        name: str,
    ) -> types.DeletedAlert:
        """Removes an alert rule.

        Args:
            name: The rule's name.

        Needs the permission `workflows.write`.
        """
        return cast("types.DeletedAlert", await self._caller.call("alerts.delete", {"name": name}))


class EventsOperations:
    """The `events` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def publish(
        self,
        *,
        event: types.EventDraft | Mapping[str, Any],
    ) -> types.LoggedEvent:
        """Appends an event to the caller's log; runs that listen for it receive it.

        Args:
            event: The event.

        Needs the permission `events.write`.
        """
        return cast("types.LoggedEvent", await self._caller.call("events.publish", {"event": event}))

    async def list(
        self,
        *,
        after: int | None = None,
        limit: int | None = None,
        type: str | None = None,
    ) -> types.EventPage:
        """Lists the events of the caller's log, the oldest first.

        Args:
            after: The offset after which to begin; the beginning when absent.
            limit: How many events at most, 1 to 1000; 100 when absent.
            type: Only events of this type.

        Needs the permission `events.read`.
        """
        return cast("types.EventPage", await self._caller.call("events.list", _given({"after": after, "limit": limit, "type": type})))

    def subscribe(
        self,
        *,
        after: int | None = None,
        type: str | None = None,
    ) -> Stream[types.LoggedEvent]:
        """Follows the caller's log of events without end.

        Args:
            after: The offset after which to begin, 0 for all events; only events from now on when absent.
            type: Only events of this type.

        Needs the permission `events.read`.
        """
        return self._caller.subscribe("events.subscribe", _given({"after": after, "type": type}))


class SecretsOperations:
    """The `secrets` operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def set(
        self,
        *,
        name: str,
        value: types.Secret,
    ) -> types.SecretInfo:
        """Keeps a secret under a name, replacing an earlier one.

        Args:
            name: Its name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter.
            value: Its text, at most 64 KiB.

        Needs the permission `secrets.write`.
        """
        return cast("types.SecretInfo", await self._caller.call("secrets.set", {"name": name, "value": value}))

    async def list(self) -> types.SecretList:
        """Lists the names of the caller's secrets.

        Needs the permission `secrets.read`.
        """
        return cast("types.SecretList", await self._caller.call("secrets.list", {}))

    async def delete(
        self,
        *,
        name: str,
    ) -> types.DeletedSecret:
        """Removes a secret.

        Args:
            name: Its name.

        Needs the permission `secrets.write`.
        """
        return cast("types.DeletedSecret", await self._caller.call("secrets.delete", {"name": name}))


class Operations:
    """Every operation, by its group."""

    def __init__(self, caller: Caller) -> None:
        self.engine = EngineOperations(caller)
        self.functions = FunctionsOperations(caller)
        self.workflows = WorkflowsOperations(caller)
        self.workers = WorkersOperations(caller)
        self.templates = TemplatesOperations(caller)
        self.runs = RunsOperations(caller)
        self.schedules = SchedulesOperations(caller)
        self.approvals = ApprovalsOperations(caller)
        self.analytics = AnalyticsOperations(caller)
        self.alerts = AlertsOperations(caller)
        self.events = EventsOperations(caller)
        self.secrets = SecretsOperations(caller)
