// An order in five steps by the published JavaScript SDK; the card is refused once.
// Prints the line `executions: [...]`: the ids of the executions. Environment: CONDUCTOR_SERVER_URL (without /api).
import { ConductorWorkflow, OrkesClients, TaskManager, simpleTask } from "@io-orkes/conductor-javascript";

const STEPS = ["js_check", "js_reserve", "js_charge", "js_pack", "js_ship"];
const EXECUTIONS = 3;
const WAIT_MS = 60_000;

function step(name) {
  return {
    taskDefName: name,
    execute: async ({ inputData, retryCount }) => {
      if (name === "js_charge" && !retryCount) {
        return { status: "FAILED", reasonForIncompletion: "the card was refused", outputData: {} };
      }
      const done = [...inputData.done, `${name.slice(3)} ${inputData.order}`];
      return { status: "COMPLETED", outputData: { done } };
    },
  };
}

async function register(clients) {
  const metadata = clients.getMetadataClient();
  const definition = { retryCount: 2, retryLogic: "FIXED", retryDelaySeconds: 0, timeoutSeconds: 0 };
  await metadata.registerTasks(STEPS.map((name) => ({ name, ...definition })));
  const workflow = new ConductorWorkflow(clients.getWorkflowClient(), "js_order");
  let before = [];
  for (const name of STEPS) {
    workflow.add(simpleTask(name, name, { order: "${workflow.input.order}", done: before }));
    before = `\${${name}.output.done}`;
  }
  workflow.outputParameters({ done: before });
  await workflow.register(true);
}

async function main() {
  const clients = await OrkesClients.from();
  await register(clients);
  const workflows = clients.getWorkflowClient();
  const quiet = { info() {}, debug() {}, error: console.error, warn() {} };
  const manager = new TaskManager(clients.getClient(), STEPS.map(step), { logger: quiet, options: { concurrency: 2 } });
  manager.startPolling();
  const orders = Array.from({ length: EXECUTIONS }, (_, number) => `j${number}`);
  const ids = await Promise.all(
    orders.map((order) => workflows.startWorkflow({ name: "js_order", version: 1, input: { order } })),
  );
  const deadline = Date.now() + WAIT_MS;
  const open = async (id) => (await workflows.getWorkflow(id, false)).status === "RUNNING";
  while (Date.now() < deadline && (await Promise.all(ids.map(open))).some(Boolean)) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await manager.stopPolling();
  console.log(`executions: ${JSON.stringify(ids)}`);
}

await main();
