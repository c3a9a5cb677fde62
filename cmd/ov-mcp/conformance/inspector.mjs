// The protocol's inspector on its command line, in every era.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { here } from "./world.mjs";

const program = join(here, "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const eras = { legacy: "2025-11-25", auto: "2026-07-28", modern: "2026-07-28" };

function inspect(world, era, ...args) {
  const argv = [program, "--cli", world.server.command, ...world.server.args, "--protocol-era", era, "--format", "json", ...args];
  const r = spawnSync(process.execPath, argv, { env: world.env, cwd: world.home, encoding: "utf8", timeout: 60_000 });
  return { status: r.status, errors: r.stderr, result: JSON.parse(r.stdout || "{}").result };
}

const call = (command, ...more) => ["--method", "tools/call", "--tool-name", "vault_run", "--tool-args-json", JSON.stringify({ command }), ...more];

const scenarios = {
  "tools/list --strict, no warning"(world, era) {
    const r = inspect(world, era, "--method", "tools/list", "--strict");
    assert.equal(r.status, 0, r.errors);
    assert.ok(r.result.tools.length >= 8);
    assert.equal(r.errors, "");
  },
  "tools/call"(world, era) {
    const r = inspect(world, era, ...call(["sh", "-c", "echo $CANARY"]));
    assert.equal(r.status, 0, r.errors);
    assert.equal(r.result.structuredContent.stdout, "[REDACTED:CANARY]\n");
  },
  "tools/call that fails is an error of the tool"(world, era) {
    const r = inspect(world, era, ...call(["nonesuch"]));
    assert.equal(r.status, 5);
    assert.match(r.result.content[0].text, /^command_not_found: /);
  },
  "tools/call --load, 200 requests, 20 at once"(world, era) {
    const r = inspect(world, era, ...call(["true"], "--load", "--load-requests", "200", "--load-concurrency", "20"));
    assert.equal(r.status, 0, r.errors);
    assert.deepEqual([r.result.ok, r.result.toolErrors, r.result.errors], [200, 0, 0]);
    return `p50 ${Math.round(r.result.latencyMs.p50)} ms, p99 ${Math.round(r.result.latencyMs.p99)} ms`;
  },
};

// runInspector returns a row for each scenario in each era.
export function runInspector(world) {
  return Object.entries(eras).flatMap(([era, revision]) =>
    Object.entries(scenarios).map(([scenario, run]) => {
      const row = { suite: `Inspector --cli, ${era}`, revision, scenario, result: "passed", note: "" };
      try {
        row.note = run(world, era) ?? "";
      } catch (e) {
        Object.assign(row, { result: "FAILED", note: String(e.message).split(/\s*\n\s*/).join(" ").slice(0, 200) });
      }
      return row;
    }),
  );
}
