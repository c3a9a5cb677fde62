// Sessions of the protocol's own client libraries with the server: both lines
// of the TypeScript SDK, in every era that they speak. Each message in either
// direction is kept and searched for the secrets afterwards.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { Client as Client2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";

import { pieces } from "./world.mjs";

// The clients under test. question is what setRequestHandler wants for
// elicitation; revision is what the negotiation must end with.
export const clients = [
  { name: "TypeScript SDK v1", package: "@modelcontextprotocol/sdk", revision: "2025-11-25", Client: Client1, Stdio: Stdio1, question: ElicitRequestSchema },
  { name: "TypeScript SDK v2, legacy", package: "@modelcontextprotocol/client", revision: "2025-11-25", Client: Client2, Stdio: Stdio2, question: "elicitation/create", mode: "legacy" },
  { name: "TypeScript SDK v2, auto", package: "@modelcontextprotocol/client", revision: "2026-07-28", Client: Client2, Stdio: Stdio2, question: "elicitation/create", mode: "auto" },
  { name: "TypeScript SDK v2, modern", package: "@modelcontextprotocol/client", revision: "2026-07-28", Client: Client2, Stdio: Stdio2, question: "elicitation/create", mode: { pin: "2026-07-28" } },
];

// connect returns a client whose messages are all in said. It answers the
// question for a page as a person with a browser would, and a form with the next
// of choices, or yes.
async function connect(kind, world) {
  const said = [];
  const questions = [];
  const choices = [];
  const transport = new kind.Stdio({ ...world.server, stderr: "pipe" });
  transport.onmessage = (m) => said.push(JSON.stringify(m));
  const send = transport.send.bind(transport);
  transport.send = (m, ...rest) => (said.push(JSON.stringify(m)), send(m, ...rest));
  const client = new kind.Client(
    { name: "conformance", version: "1" },
    { capabilities: { elicitation: { form: {}, url: {} } }, ...(kind.mode && { versionNegotiation: { mode: kind.mode } }) },
  );
  client.setRequestHandler(kind.question, async (request) => {
    questions.push(request.params);
    if (request.params.mode !== "url") return { action: choices.shift() ?? "accept", content: {} };
    await fillIn(request.params, world.password);
    return { action: "accept" };
  });
  await client.connect(transport);
  return { client, said, questions, choices };
}

// fillIn opens the page and types the password. The page must show the code
// that the question shows.
async function fillIn({ mode, url, message }, password) {
  assert.equal(mode, "url");
  const address = new URL(url);
  assert.equal(address.hostname, "127.0.0.1");
  const page = await (await fetch(address)).text();
  assert.ok(page.includes(/code (\d{6})/.exec(message)[1]), "the page shows another code");
  const answer = await fetch(address, {
    method: "POST",
    headers: { origin: address.origin, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ password, do: "yes" }),
  });
  assert.equal(answer.status, 200);
}

// ten prints a value in ten spellings, one of them over many lines.
const ten = `
const v = process.env.CANARY, b = Buffer.from(v);
for (const s of [v, b.toString("base64"), b.toString("base64url"), b.toString("hex"), b.toString("hex").toUpperCase(),
  [...b].map((c) => "%" + c.toString(16).padStart(2, "0")).join(""), [...v].map((c) => "\\\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")).join(""),
  [...v].reverse().join(""), v.toUpperCase(), [...v].join("\\n")]) console.log("form: " + s);`;

function assertUnsaid(said, ...values) {
  assert.ok(said.some((m) => m.includes('"method":"tools/call"')) && said.some((m) => m.includes("[REDACTED:")), "messages were not kept");
  for (const value of values) {
    for (const piece of pieces(value)) {
      const where = said.findIndex((m) => m.includes(piece));
      assert.equal(where, -1, `message ${where} of ${said.length} holds a piece of a secret`);
    }
  }
}

// session is what an agent does in a day. made is where the value that nobody
// has seen is put for this check, by a command that may write files.
async function session({ client, said }, world) {
  const made = join(world.home, "made");
  const name = "MADE_" + randomBytes(4).toString("hex").toUpperCase(); // a deleted name's versions count on
  const refused = async (code, name, args) => {
    const r = await client.callTool({ name, arguments: args });
    assert.ok(r.isError && r.content[0].text.startsWith(code + ": "), JSON.stringify(r));
  };
  const call = async (name, args = {}) => {
    const r = await client.callTool({ name, arguments: args });
    assert.ok(!r.isError, `${name}: ${JSON.stringify(r.content)}`);
    assert.deepEqual(JSON.parse(r.content[0].text), r.structuredContent);
    return r.structuredContent;
  };
  const { tools } = await client.listTools();
  assert.ok(tools.length >= 8 && tools.every((t) => t.inputSchema.type === "object"));
  assert.equal((await call("vault_status")).locked, false);
  assert.equal((await call("vault_create_secret", { name, generate: { length: 40 } })).how, "generated");
  assert.deepEqual((await call("vault_list_secrets")).secrets.map((s) => s.name).sort(), ["CANARY", name]);

  const ran = await call("vault_run", { command: [process.execPath, "-e", ten], secret_names: ["CANARY"] });
  assert.equal(ran.exit_code, 0);
  assert.equal(ran.stdout.split("[REDACTED:CANARY]").length - 1, 10, ran.stdout);
  assert.deepEqual(ran.secrets_injected, ["CANARY"]);
  await call("vault_run", { command: ["sh", "-c", 'printf %s "$MADE" > "$0"; echo "$MADE" | base64; echo "$MADE" >&2', made], secret_names: [`MADE=${name}`] });

  const { session_id } = await call("vault_inject_env", { secret_names: ["CANARY", `MADE=${name}`] });
  const inside = (...command) => call("vault_run", { session_id, command });
  await inside("cd", "/usr");
  await inside("export", "WORD=kept");
  assert.equal((await inside("sh", "-c", 'pwd; echo $WORD ${#MADE} $CANARY')).stdout, "/usr\nkept 40 [REDACTED:CANARY]\n");
  await call("vault_inject_env", { action: "close", session_id });
  await refused("session_expired", "vault_run", { session_id, command: ["true"] });

  assert.equal((await call("vault_update_secret", { name, generate: {} })).version, 2);
  assert.equal((await call("vault_delete_secret", { name })).deleted, true);
  await refused("secret_not_found", "vault_run", { command: ["true"], secret_names: [name] });
  const value = readFileSync(made, "utf8");
  assert.equal(value.length, 40);
  writeFileSync(made, "");
  assertUnsaid(said, world.canary, value);
}

async function progress({ client }) {
  const seen = [];
  await client.callTool({ name: "vault_run", arguments: { command: ["sleep", "2.5"] } }, ...progressArguments(client, (p) => seen.push(p.progress)));
  assert.ok(seen.length >= 2, `${seen.length} notifications in 2.5 s`);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
}

// progressArguments: v1 takes the result's schema before the options.
const progressArguments = (client, onprogress) => (client instanceof Client1 ? [undefined, { onprogress }] : [{ onprogress }]);
const abortArguments = (client, signal) => (client instanceof Client1 ? [undefined, { signal }] : [{ signal }]);

async function cancel({ client }) {
  const stop = new AbortController();
  const call = client.callTool({ name: "vault_run", arguments: { command: ["sleep", "600"] } }, ...abortArguments(client, stop.signal));
  setTimeout(() => stop.abort(), 300);
  await assert.rejects(call);
  assert.ok(!(await client.callTool({ name: "vault_status", arguments: {} })).isError);
}

async function load({ client, said }, world) {
  const runs = Array.from({ length: 50 }, (_, i) => client.callTool({ name: "vault_run", arguments: { command: ["sh", "-c", `echo ${i} $CANARY`] } }));
  (await Promise.all(runs)).forEach((r, i) => assert.equal(r.structuredContent?.stdout, `${i} [REDACTED:CANARY]\n`, JSON.stringify(r)));
  assertUnsaid(said, world.canary);
}

async function deleteAsks({ client, questions, choices }) {
  const name = "ASKED_" + randomBytes(4).toString("hex").toUpperCase();
  const call = (tool, args) => client.callTool({ name: tool, arguments: args });
  const names = async () => (await call("vault_list_secrets", { prefix: name })).structuredContent.secrets.map((s) => s.name);
  assert.ok(!(await call("vault_create_secret", { name, generate: {} })).isError);
  for (const action of ["decline", "cancel"]) {
    choices.push(action);
    const r = await call("vault_delete_secret", { name });
    assert.ok(r.isError && r.content[0].text.startsWith("declined: "), JSON.stringify(r));
    assert.deepEqual(await names(), [name]);
  }
  assert.equal((await call("vault_delete_secret", { name })).structuredContent?.deleted, true);
  assert.deepEqual(await names(), []);
  assert.equal(questions.length, 3);
  for (const q of questions) {
    assert.equal(q.mode ?? "form", "form");
    assert.match(q.message, new RegExp(`^Delete the secret default/development/${name} \\(version 1\\)\\?`));
  }
}

async function unlockByPage({ client, said, questions }, world) {
  world.lock();
  try {
    const r = await client.callTool({ name: "vault_run", arguments: { command: ["sh", "-c", "echo $CANARY"] } });
    assert.equal(r.structuredContent?.stdout, "[REDACTED:CANARY]\n", JSON.stringify(r));
    assert.equal(questions.length, 1);
    assertUnsaid(said, world.canary, world.password);
  } finally {
    world.unlock();
  }
}

const scenarios = {
  "create, list, run in ten forms, session of three commands, update, delete; no message holds a value": session,
  "progress": progress,
  "cancellation": cancel,
  "50 commands at once": load,
  "deletion asks by a form: declined, cancelled, agreed": deleteAsks,
  "a locked vault is unlocked on the page; no message holds the password": unlockByPage,
};

// runClients runs every scenario with every client, each over a server of its
// own, and returns a row for each.
export async function runClients(world) {
  const rows = [];
  for (const kind of clients) {
    for (const [scenario, run] of Object.entries(scenarios)) {
      const row = { suite: kind.name, revision: kind.revision, scenario, result: "passed", note: "" };
      let peer;
      try {
        peer = await connect(kind, world);
        const version = peer.client.getNegotiatedProtocolVersion?.();
        if (version !== undefined) assert.equal(version, kind.revision);
        await run(peer, world);
      } catch (e) {
        Object.assign(row, { result: "FAILED", note: String(e.message).split(/\s*\n\s*/).join(" ").slice(0, 200) });
      } finally {
        await peer?.client.close();
      }
      rows.push(row);
    }
  }
  return rows;
}
