// A model that is none: it answers every real agent, in its own protocol, with a
// call of vault_run, and once the agent brings the result, repeats that as text.
// It listens on loopback and keeps all that it was told.
import { createServer } from "node:http";

// command is what the model wants run.
export const command = ["sh", "-c", 'echo "key=$CANARY"'];
const args = { command, secret_names: ["CANARY"] };

const sse = (res, events) => {
  res.writeHead(200, { "content-type": "text/event-stream" });
  for (const e of events) res.write((e.type ? `event: ${e.type}\n` : "") + `data: ${typeof e === "string" ? e : JSON.stringify(e)}\n\n`);
  res.end();
};

// pick returns the name under which the agent offers vault_run.
const pick = (names) => names.find((n) => n.endsWith("vault_run"));

// Each protocol: what of a request is its tools and the result of the call, and
// how a call and a text are said.
const protocols = [
  {
    path: /\/v1\/messages$/, // Anthropic
    tools: (b) => (b.tools ?? []).map((t) => t.name),
    result: (b) => b.messages.flatMap((m) => (Array.isArray(m.content) ? m.content : [])).find((c) => c.type === "tool_result")?.content,
    say: (res, b, { name, text }) => {
      const block = name ? { type: "tool_use", id: "toolu_1", name, input: {} } : { type: "text", text: "" };
      const delta = name ? { type: "input_json_delta", partial_json: JSON.stringify(args) } : { type: "text_delta", text };
      const usage = { input_tokens: 1, output_tokens: 1 };
      if (!b.stream) {
        res.writeHead(200, { "content-type": "application/json" });
        return res.end(JSON.stringify({ id: "msg_1", type: "message", role: "assistant", model: b.model, content: [name ? { ...block, input: args } : { type: "text", text }], stop_reason: name ? "tool_use" : "end_turn", usage }));
      }
      sse(res, [
        { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: b.model, content: [], stop_reason: null, stop_sequence: null, usage } },
        { type: "content_block_start", index: 0, content_block: block },
        { type: "content_block_delta", index: 0, delta },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: name ? "tool_use" : "end_turn", stop_sequence: null }, usage },
        { type: "message_stop" },
      ]);
    },
  },
  {
    path: /\/responses$/, // OpenAI
    // Tools of an MCP server may stand in a namespace of their own; or all of them
    // are functions for the scripts that one tool "exec" takes, and not all are said.
    tools: (b) => {
      const given = b.tools ?? b.input.find((i) => i.type === "additional_tools")?.tools ?? [];
      const all = given.flatMap((t) => (t.type === "namespace" ? t.tools.map((u) => ({ ...u, name: `${t.name}\t${u.name}` })) : [t]));
      return all.flatMap((t) => (t.type === "custom" && t.name.endsWith("exec") ? ["exec\tmcp__ov__vault_run"] : [t.name ?? t.type]));
    },
    result: (b) => (Array.isArray(b.input) ? b.input : []).find((i) => /^(function|custom_tool)_call_output$/.test(i.type))?.output,
    say: (res, b, { name, text }) => {
      const [space, plain] = name?.includes("\t") ? name.split("\t") : [undefined, name];
      const script = space === "exec" && `const r = await tools.${plain}(${JSON.stringify(args)}); text({ all: ALL_TOOLS.map((t) => t.name), ...r });`;
      const item = script
        ? { type: "custom_tool_call", id: "ct_1", call_id: "call_1", name: "exec", namespace: "functions", input: script }
        : name
        ? { type: "function_call", id: "fc_1", call_id: "call_1", name: plain, ...(space && { namespace: space }), arguments: JSON.stringify(args) }
        : { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations: [] }] };
      const response = { id: "resp_1", object: "response", status: "completed", output: [item], usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2, input_tokens_details: null, output_tokens_details: null } };
      sse(res, [
        { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
        { type: "response.output_item.added", output_index: 0, item },
        { type: "response.output_item.done", output_index: 0, item },
        { type: "response.completed", response },
      ]);
    },
  },
  {
    path: /\/chat\/completions$/, // OpenAI, before that; and whoever follows it
    tools: (b) => (b.tools ?? []).map((t) => t.function?.name),
    result: (b) => b.messages.find((m) => m.role === "tool")?.content,
    say: (res, b, { name, text }) => {
      const delta = name ? { role: "assistant", tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name, arguments: JSON.stringify(args) } }] } : { role: "assistant", content: text };
      const base = { id: "chat_1", created: 1, model: b.model };
      const finish = name ? "tool_calls" : "stop";
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      if (!b.stream) {
        res.writeHead(200, { "content-type": "application/json" });
        return res.end(JSON.stringify({ ...base, object: "chat.completion", choices: [{ index: 0, message: delta, finish_reason: finish }], usage }));
      }
      const chunk = (d, finish_reason) => ({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta: d, finish_reason }] });
      sse(res, [chunk(delta, null), { ...chunk({}, finish), usage }, "[DONE]"]);
    },
  },
  {
    path: /:(streamGenerateContent|generateContent)/, // Google
    tools: (b) => (b.tools ?? []).flatMap((t) => (t.functionDeclarations ?? []).map((f) => f.name)),
    result: (b) => (b.contents ?? []).flatMap((c) => c.parts ?? []).find((p) => p.functionResponse)?.functionResponse.response,
    say: (res, b, { name, text }, url) => {
      const part = name ? { functionCall: { name, args } } : { text };
      const answer = { candidates: [{ index: 0, content: { role: "model", parts: [part] }, finishReason: "STOP" }], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 } };
      if (url.includes(":stream")) return sse(res, [answer]);
      res.writeHead(200, { "content-type": "application/json" });
      res.end(JSON.stringify(answer));
    },
  },
];

// startModel returns the model: its address, and what it was asked so far.
export async function startModel() {
  const seen = { requests: [], tools: [], result: undefined, other: [] };
  const server = createServer(async (req, res) => {
    let raw = "";
    for await (const part of req) raw += part;
    const url = req.url.split("?")[0];
    seen.requests.push(raw);
    const p = req.method === "POST" && protocols.find((one) => one.path.test(url));
    if (!p) {
      seen.other.push(`${req.method} ${req.url}`);
      res.writeHead(404, { "content-type": "application/json" });
      return res.end("{}");
    }
    const body = JSON.parse(raw);
    const tools = p.tools(body);
    const name = pick(tools);
    const result = p.result(body);
    if (name) seen.tools = tools;
    if (result !== undefined) seen.result = JSON.stringify(result);
    if (result !== undefined) p.say(res, body, { text: `The command printed: ${seen.result}` }, req.url);
    else if (name) p.say(res, body, { name }, req.url);
    else p.say(res, body, { text: "nothing to do" }, req.url); // a title for the conversation, and the like
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => (server.closeAllConnections(), server.close()) };
}
