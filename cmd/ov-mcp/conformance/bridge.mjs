// A bridge from streamable HTTP on 127.0.0.1 to the stdio server, because the
// official suite speaks HTTP only. It passes messages on as they are; what it
// does itself is what HTTP adds: sessions, streams, headers, status codes.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const modern = "2026-07-28";
const versionKey = "io.modelcontextprotocol/protocolVersion";

// A Child is one server process. Requests of several HTTP clients may reach it
// under the same id, so the bridge gives each an id of its own.
class Child {
  constructor({ command, args, env, cwd }) {
    this.process = spawn(command, args, { env, cwd, stdio: ["pipe", "pipe", "inherit"] });
    this.open = new Map(); // our id -> {id, token, stream}
    this.next = 0;
    createInterface({ input: this.process.stdout }).on("line", (line) => this.heard(JSON.parse(line)));
  }

  tell(message) {
    this.process.stdin.write(JSON.stringify(message) + "\n");
  }

  ask(message, stream) {
    const id = `bridge-${++this.next}`;
    this.open.set(id, { id: message.id, token: message.params?._meta?.progressToken, stream });
    stream.onclose = () => {
      if (this.open.delete(id)) this.tell({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } });
    };
    this.tell({ ...message, id });
  }

  // cancelled translates the id that a client wants to cancel.
  cancelled(message) {
    for (const [id, r] of this.open) {
      if (r.id === message.params?.requestId) {
        this.tell({ ...message, params: { ...message.params, requestId: id } });
        this.open.delete(id);
        r.stream.end();
      }
    }
  }

  heard(message) {
    const r = this.open.get(message.id);
    if (message.method === undefined && r) {
      this.open.delete(message.id);
      r.stream.last({ ...message, id: r.id });
      return;
    }
    const token = message.params?.progressToken;
    const open = [...this.open.values()];
    const to = open.find((o) => token !== undefined && o.token === token) ?? open.at(-1);
    to?.stream.send(message);
  }

  end() {
    this.process.stdin.end();
  }
}

// answerStream answers one POST: as one JSON object where nothing comes before
// the answer, else as a stream of events.
function answerStream(response, headers, statusOf) {
  let streaming = false;
  const stream = {
    onclose: () => {},
    send(message) {
      if (!streaming) response.writeHead(200, { ...headers, "content-type": "text/event-stream", "cache-control": "no-store" });
      streaming = true;
      response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
    },
    last(message) {
      if (streaming) this.send(message);
      else response.writeHead(statusOf(message), { ...headers, "content-type": "application/json" }).write(JSON.stringify(message));
      response.end();
    },
    end: () => response.end(),
  };
  response.on("close", () => stream.onclose());
  return stream;
}

const refuse = (response, status, code, message, id = null, data) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } }));

function read(request) {
  return new Promise((resolve, reject) => {
    const parts = [];
    request.on("data", (p) => parts.push(p)).on("end", () => resolve(Buffer.concat(parts).toString())).on("error", reject);
  });
}

// headerFault says how the headers of a modern request differ from its body.
function headerFault(headers, message) {
  const name = message.params?.name ?? message.params?.uri;
  if (headers["mcp-protocol-version"] !== message.params?._meta?.[versionKey]) return "Mcp-Protocol-Version differs from the body";
  if (headers["mcp-method"] !== message.method) return "Mcp-Method differs from the body";
  if (["tools/call", "prompts/get", "resources/read"].includes(message.method) && headers["mcp-name"] !== name) return "Mcp-Name differs from the body";
  return "";
}

const modernStatus = (m) => ({ [-32601]: 404, [-32602]: 400, [-32022]: 400, [-32021]: 400 })[m.error?.code] ?? 200;

// startBridge serves /mcp and returns {url, close}.
export async function startBridge(server) {
  const sessions = new Map();
  const stateless = new Child(server);
  const children = [stateless];

  async function post(request, response) {
    let message;
    try {
      message = JSON.parse(await read(request));
    } catch {
      return refuse(response, 400, -32700, "not JSON");
    }
    const era = message.params?._meta?.[versionKey];
    const header = request.headers["mcp-protocol-version"];
    if (era !== undefined || (header ?? "") >= modern) {
      if (era === undefined && message.id !== undefined) return refuse(response, 400, -32602, `no ${versionKey} in params._meta`, message.id);
      const fault = headerFault(request.headers, message);
      if (fault && message.id !== undefined) return refuse(response, 400, -32020, fault, message.id);
      return pass(stateless, message, response, {}, modernStatus);
    }
    if (message.method === "initialize") {
      const id = randomUUID();
      const child = new Child(server);
      children.push(child);
      sessions.set(id, child);
      return pass(child, message, response, { "mcp-session-id": id }, () => 200);
    }
    const id = request.headers["mcp-session-id"];
    if (id === undefined) return refuse(response, 400, -32000, "no Mcp-Session-Id", message.id ?? null);
    if (!sessions.has(id)) return refuse(response, 404, -32001, "no such session", message.id ?? null);
    pass(sessions.get(id), message, response, {}, () => 200);
  }

  function pass(child, message, response, headers, statusOf) {
    if (message.id !== undefined && message.method !== undefined) return child.ask(message, answerStream(response, headers, statusOf));
    if (message.method === "notifications/cancelled") child.cancelled(message);
    else child.tell(message);
    response.writeHead(202).end();
  }

  function remove(request, response) {
    const id = request.headers["mcp-session-id"];
    if (!sessions.has(id)) return refuse(response, 404, -32001, "no such session");
    sessions.get(id).end();
    sessions.delete(id);
    response.writeHead(204).end();
  }

  const local = (host) => /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host ?? "");
  const http = createServer((request, response) => {
    const origin = request.headers.origin;
    if (!local(request.headers.host) || (origin && !local(origin.replace(/^https?:\/\//, "")))) return refuse(response, 403, -32000, "not from this computer");
    if (request.method === "POST") return post(request, response);
    if (request.method === "DELETE") return remove(request, response);
    response.writeHead(405, { allow: "POST, DELETE" }).end(); // no stream of the server's own: it says nothing unasked
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${http.address().port}/mcp`,
    async close() {
      children.forEach((c) => c.end());
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
