// Real coding agents, with a model that is none (model.mjs) in place of theirs:
// each is set up as a user would, starts `ov mcp serve` by itself, offers its
// tools to the model, makes the call that the model wants, and brings back what
// the command printed. Neither what the model is told, nor what the agent prints
// or writes to disk, may hold the secret.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { startModel } from "./model.mjs";
import { here, makeWorld, ov, pieces } from "./world.mjs";

const folder = join(here, "agents", "node_modules");
const platform = `${process.platform}-${process.arch}`;
const tools = ["create_secret", "delete_secret", "import", "inject_env", "list_secrets", "run", "scan", "status", "update_secret"].map((t) => "vault_" + t);

const node = (...parts) => [process.execPath, join(folder, ...parts)];
const write = (world, file, content) => {
  mkdirSync(dirname(join(world.home, file)), { recursive: true });
  writeFileSync(join(world.home, file), JSON.stringify(content));
};
const codex = (...more) => (url) => [...node("@openai/codex/bin/codex.js"), "exec", ...more, "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
  "-c", 'model_provider="mock"', "-c", `model_providers.mock={name="mock",base_url="${url}/v1",wire_api="responses",env_key="MOCK_KEY"}`, "run it"];

// The agents: what of theirs `ov mcp install` writes to, or else the file by
// hand; how each is started; and what points it at the model.
const agents = [
  {
    name: "Claude Code", package: "@anthropic-ai/claude-code", install: "claude",
    argv: () => [join(folder, `@anthropic-ai/claude-code-${platform}`, "claude"), "-p", "run it", "--allowedTools", "mcp__ov"],
    env: (url) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: "none", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1", ENABLE_TOOL_SEARCH: "false" }),
  },
  { name: "Codex", package: "@openai/codex", install: "codex", argv: codex("-m", "mock"), env: () => ({ MOCK_KEY: "none" }) },
  { name: "Codex, tools called from a script", package: "@openai/codex", install: "codex", argv: codex(), env: () => ({ MOCK_KEY: "none" }) },
  {
    name: "Gemini CLI", package: "@google/gemini-cli", install: "gemini",
    prepare: (world) => write(world, ".gemini/settings.json", { security: { auth: { selectedType: "gemini-api-key" } } }),
    argv: () => [...node("@google/gemini-cli/bundle/gemini.js"), "-p", "run it", "--approval-mode", "yolo", "-m", "gemini-2.5-flash"],
    env: (url) => ({ GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: url, GEMINI_CLI_TRUST_WORKSPACE: "true" }),
  },
  {
    name: "opencode", package: "opencode-ai",
    prepare: (world, url) => write(world, ".config/opencode/opencode.json", {
      mcp: { ov: { type: "local", command: [ov, "mcp", "serve"], enabled: true } },
      provider: { mock: { npm: "@ai-sdk/openai-compatible", options: { baseURL: url + "/v1", apiKey: "none" }, models: { mock: { name: "mock" } } } },
    }),
    argv: () => [join(folder, `opencode-${platform}`, "bin/opencode"), "run", "-m", "mock/mock", "run it"],
    env: () => ({}),
  },
  {
    name: "Qwen Code", package: "@qwen-code/qwen-code",
    prepare: (world) => write(world, ".qwen/settings.json", { mcpServers: { ov: { command: ov, args: ["mcp", "serve"] } }, security: { auth: { selectedType: "openai" } }, tools: { toolSearch: { enabled: false } } }),
    argv: () => [...node("@qwen-code/qwen-code/cli-entry.js"), "-p", "run it", "--approval-mode", "yolo"],
    env: (url) => ({ OPENAI_API_KEY: "none", OPENAI_BASE_URL: url + "/v1", OPENAI_MODEL: "mock" }),
  },
];

// absent are clients that `ov mcp install` knows and that cannot be had here.
const absent = { "Claude Desktop": "a desktop application, not on npm", Cursor: "a desktop application, not on npm", "VS Code": "a desktop application; its agent needs an account", Windsurf: "a desktop application, not on npm", Zed: "a desktop application, not on npm" };

// start runs the agent to its end; one that does not come to it is killed.
function start(argv, env, cwd) {
  const child = spawn(argv[0], argv.slice(1), { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (d) => (said += d));
  child.stderr.on("data", (d) => (said += d));
  const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", (status) => (clearTimeout(timer), done({ status, said })));
  });
}

// files are the texts of all files under a folder.
function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const st = lstatSync(path);
    if (st.isDirectory()) yield* files(path);
    else if (st.isFile()) yield [path, readFileSync(path, "latin1")];
  }
}

async function session(agent) {
  const world = makeWorld();
  const model = await startModel();
  try {
    agent.prepare?.(world, model.url);
    if (agent.install) execFileSync(ov, ["mcp", "install", agent.install], { env: world.env, cwd: world.home, stdio: "pipe" });
    const { status, said } = await start(agent.argv(model.url), { ...world.env, ...agent.env(model.url) }, world.home);
    const seen = model.seen;
    assert.equal(status, 0, said.slice(-300));
    const offered = seen.tools.join(" ") + " " + seen.result;
    assert.deepEqual(tools.filter((t) => !offered.includes(t)), [], "tools that the model was not offered");
    assert.ok(seen.result?.includes("key=[REDACTED:CANARY]"), `the model was told ${seen.result}`);
    assert.ok(said.includes("key=[REDACTED:CANARY]"), "the agent did not say what the model said");
    const texts = [...seen.requests.map((r, i) => [`request ${i} to the model`, r]), ["the agent's output", said], ...files(world.home)];
    for (const piece of pieces(world.canary)) {
      const where = texts.find(([, text]) => text.includes(piece));
      assert.equal(where?.[0], undefined, "a piece of the secret");
    }
    const [, client] = /ACCESSED .*client=(mcp:\S+)/.exec(execFileSync(ov, ["audit", "show"], { env: world.env }).toString());
    return `${texts.length} texts searched; ${client} in the audit log`;
  } finally {
    model.close();
    world.end();
  }
}

// runAgents returns a row for each agent.
export async function runAgents() {
  const scenario = "lists the tools, calls vault_run, passes the masked result on; no message, output or file holds the value";
  const rows = [];
  for (const agent of agents) {
    const at = join(folder, agent.package, "package.json");
    const row = { suite: "Agents, mock model", revision: "", scenario: `${agent.name}: ${scenario}`, result: "passed", note: "" };
    if (!existsSync(at)) {
      rows.push({ ...row, scenario: agent.name, result: "not run", note: "not installed (AGENTS=no)" });
      continue;
    }
    row.scenario = `${agent.name} ${JSON.parse(readFileSync(at, "utf8")).version}: ${scenario}`;
    try {
      row.note = await session(agent);
    } catch (e) {
      Object.assign(row, { result: "FAILED", note: String(e.message).split(/\s*\n\s*/).join(" ").slice(0, 300) });
    }
    rows.push(row);
  }
  for (const [name, why] of Object.entries(absent)) rows.push({ suite: "Agents, mock model", revision: "", scenario: name, result: "not run", note: why });
  return rows;
}
