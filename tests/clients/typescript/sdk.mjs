// The official TypeScript client of the first line, which many programs still are: node sdk.mjs URL TOKEN
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { answers, common, drive, event, listChanged } from "./driven.mjs";

const [url, token] = process.argv.slice(2);
const client = new Client(
  { name: "tests", version: "1" },
  { capabilities: { elicitation: { form: {} }, sampling: {} }, listChanged },
);
client.setRequestHandler(ElicitRequestSchema, (request) => answers.elicitation(request.params));
client.setRequestHandler(CreateMessageRequestSchema, (request) => answers.sampling(request.params));
client.setNotificationHandler(LoggingMessageNotificationSchema, (note) => event("message", note.params));

drive({
  ...common(client, (params, options) => client.callTool(params, undefined, options)),
  connect: async () => {
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit });
    await client.connect(transport);
    return { version: transport.protocolVersion, instructions: client.getInstructions() };
  },
});
