// The official TypeScript client of the second line, which speaks both eras: node client.mjs URL TOKEN ERA
import { createTaskSessionFromClient } from "@modelcontextprotocol/ext-tasks/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { answers, common, drive, event, listChanged } from "./driven.mjs";

const [url, token, era] = process.argv.slice(2);
const endpoint = new URL(`${url}/mcp`);
const authorization = { Authorization: `Bearer ${token}` };
const info = { name: "tests", version: "1" };
const capabilities = { elicitation: { form: {} }, sampling: {} };
const tasks = { "io.modelcontextprotocol/tasks": {} };

const client = new Client(info, {
  capabilities,
  versionNegotiation: { mode: era === "pinned" ? { pin: "2026-07-28" } : era },
  listChanged,
});
client.setRequestHandler("elicitation/create", (request) => answers.elicitation(request.params));
client.setRequestHandler("sampling/createMessage", (request) => answers.sampling(request.params));
client.setNotificationHandler("notifications/message", (note) => event("message", note.params));

let requests = 0;

/** How a host sends what the SDK's client does not know the shape of. */
async function dispatch(request, { signal } = {}) {
  const { method, params } = request;
  const name = method === "tools/call" ? params.name : params.taskId;
  const headers = {
    ...authorization,
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": params._meta["io.modelcontextprotocol/protocolVersion"],
    "Mcp-Method": method,
    "Mcp-Name": name,
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: `task-${++requests}`, method, params });
  const response = await fetch(endpoint, { method: "POST", headers, body, signal });
  const answer = await response.json();
  return "error" in answer ? { kind: "error", error: answer.error } : { kind: "result", result: answer.result };
}

let session;
const executions = new Map();

drive({
  ...common(client, (params, options) => client.callTool(params, options)),
  connect: async () => {
    const transport = new StreamableHTTPClientTransport(endpoint, { requestInit: { headers: authorization } });
    await client.connect(transport);
    return { version: client.getNegotiatedProtocolVersion(), instructions: client.getInstructions() };
  },
  // A call as a host makes it that knows tasks: `settle` waits for its end, whatever that takes.
  task: async ({ name, arguments: given }) => {
    session ??= createTaskSessionFromClient(client, {
      endpointId: "portero",
      rawDispatch: dispatch,
      v2RequestFraming: {
        protocolVersion: client.getNegotiatedProtocolVersion(),
        clientInfo: info,
        clientCapabilities: { ...capabilities, extensions: tasks },
      },
    });
    const execution = await session.callTool(name, given);
    const task = execution.handle?.taskId ?? null;
    executions.set(task, execution);
    return { kind: execution.kind, task };
  },
  settle: async ({ task }) => {
    const { outcome, lastTask } = await executions.get(task).settle();
    const error = outcome.error && { message: outcome.error.message, code: outcome.error.code ?? null };
    const { status, result = null } = outcome;
    return { status, result, error: error ?? null, last: lastTask?.statusMessage };
  },
  cancelTask: ({ task }) => executions.get(task).cancel(),
});
