// A client as a program that is told what to do: a line of JSON in for each command, a line out for each answer or event.
import { createInterface } from "node:readline";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

export const event = (name, value) => say({ event: name, value });

/** What went wrong, as the person who wrote a client would see it. */
const told = (error) => ({
  name: error.constructor.name,
  message: String(error.message),
  code: error.code ?? null,
  data: error.data ?? null,
});

/** `commands` by name; each gets the params of the command and `{ signal, progress }`. `cancel` is one of them already. */
export function drive(commands) {
  const running = new Map();
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, command, params } = JSON.parse(line);
    if (command === "cancel") {
      running.get(params.id).abort("not wanted any more");
      return say({ id, result: null });
    }
    const abort = new AbortController();
    running.set(id, abort);
    try {
      const progress = (value) => event(`progress ${id}`, value);
      say({ id, result: (await commands[command](params, { signal: abort.signal, progress })) ?? null });
    } catch (error) {
      say({ id, error: told(error) });
    } finally {
      running.delete(id);
    }
  });
}

/** How this client answers whatever it is asked. */
export const answers = {
  elicitation: (params) => {
    event("elicitation", params);
    return { action: "accept", content: { who: params.requestedSchema.properties.who.default + " himself" } };
  },
  sampling: (params) => {
    event("sampling", params);
    const content = { type: "text", text: "thought: " + params.messages[0].content.text };
    return { role: "assistant", model: "made-up", stopReason: "endTurn", content };
  },
};

const changed = (kind) => ({
  debounceMs: 0,
  onChanged: (error, items) => event(`changed ${kind}`, error ? String(error) : items.map((item) => item.name)),
});

/** It looks at a list again when it hears that it has changed. */
export const listChanged = { tools: changed("tools"), prompts: changed("prompts"), resources: changed("resources") };

/** The commands that read the same in both lines of the SDK; `callTool` takes the params and the options of a call. */
export const common = (client, callTool) => ({
  tools: () => client.listTools(),
  call: (params, { signal, progress }) => callTool(params, { signal, onprogress: progress, timeout: 60_000 }),
  resources: () => client.listResources(),
  templates: () => client.listResourceTemplates(),
  read: (params) => client.readResource(params),
  prompts: () => client.listPrompts(),
  prompt: (params) => client.getPrompt(params),
  complete: (params) => client.complete(params),
  level: (params) => client.setLoggingLevel(params.level),
});
