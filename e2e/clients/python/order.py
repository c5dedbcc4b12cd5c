"""An order in five steps by the published Python SDK; the card is refused once.

Prints the line `executions: [...]`: the ids of the executions. Environment: CONDUCTOR_SERVER_URL (with /api).
"""
import json
import time

from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.http.models import StartWorkflowRequest, Task, TaskDef
from conductor.client.orkes_clients import OrkesClients
from conductor.client.worker.worker_task import worker_task
from conductor.client.workflow.conductor_workflow import ConductorWorkflow
from conductor.client.workflow.task.simple_task import SimpleTask

STEPS = ("py_check", "py_reserve", "py_charge", "py_pack", "py_ship")
EXECUTIONS = 3
WAIT_SECONDS = 60


@worker_task(task_definition_name="py_check")
def check(order: str, done: list[str]) -> dict:
    return {"done": done + ["checked " + order]}


@worker_task(task_definition_name="py_reserve")
def reserve(order: str, done: list[str]) -> dict:
    return {"done": done + ["reserved " + order]}


@worker_task(task_definition_name="py_charge")
def charge(task: Task) -> dict:
    if task.retry_count == 0:
        raise RuntimeError("the card was refused")
    return {"done": task.input_data["done"] + ["charged " + task.input_data["order"]]}


@worker_task(task_definition_name="py_pack")
def pack(order: str, done: list[str]) -> dict:
    return {"done": done + ["packed " + order]}


@worker_task(task_definition_name="py_ship")
def ship(order: str, done: list[str]) -> dict:
    return {"done": done + ["shipped " + order]}


def register(clients):
    """Five task definitions, the third with a retry, and the workflow that strings them together."""
    metadata = clients.get_metadata_client()
    for name in STEPS:
        metadata.register_task_def(TaskDef(name=name, retry_count=2, retry_logic="FIXED", retry_delay_seconds=0))
    workflow = ConductorWorkflow(name="py_order", version=1, executor=clients.get_workflow_executor())
    before = []
    for name in STEPS:
        step = SimpleTask(name, name)
        step.input_parameters.update({"order": "${workflow.input.order}", "done": before})
        workflow >> step
        before = "${%s.output.done}" % name
    workflow.output_parameters({"done": before})
    workflow.register(overwrite=True)


def main():
    configuration = Configuration()
    clients = OrkesClients(configuration)
    register(clients)
    workflows = clients.get_workflow_client()
    with TaskHandler(configuration=configuration, scan_for_annotated_workers=True) as handler:
        handler.start_processes()
        ids = [workflows.start_workflow(StartWorkflowRequest(name="py_order", version=1, input={"order": f"p{number}"}))
               for number in range(EXECUTIONS)]
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if all(workflows.get_workflow_status(one, include_output=True).status not in ("RUNNING", "PAUSED") for one in ids):
                break
            time.sleep(0.2)
    print("executions: " + json.dumps(ids), flush=True)


if __name__ == "__main__":
    main()
