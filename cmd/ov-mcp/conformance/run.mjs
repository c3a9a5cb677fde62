// Runs the protocol's own tools against the built server, prints what passed,
// and writes it to the file that is named. Exit status 1: something failed that
// has no stated reason.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runAgents } from "./agents.mjs";
import { startBridge } from "./bridge.mjs";
import { runBrowser } from "./browser.mjs";
import { runClients } from "./clients.mjs";
import { runInspector } from "./inspector.mjs";
import { runSuite } from "./suite.mjs";
import { here, makeWorld } from "./world.mjs";

const packages = ["@modelcontextprotocol/conformance", "conformance-next", "@modelcontextprotocol/inspector", "@modelcontextprotocol/sdk", "@modelcontextprotocol/client", "playwright-core", "axe-core"];
const results = ["passed", "in part", "not served", "nothing checked", "not run", "FAILED"];

function installed(name) {
  const p = JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8"));
  return `${p.name} ${p.version}`;
}

async function everything(world) {
  const rows = await runClients(world);
  rows.push(...runInspector(world));
  rows.push(...(await runBrowser(world, mkdtempSync(join(tmpdir(), "ov-pages-")))));
  rows.push(...(await runAgents()));
  const bridge = await startBridge(world.server);
  try {
    rows.push(...(await runSuite(bridge.url)));
  } finally {
    await bridge.close();
  }
  return rows;
}

const cell = (s) => String(s ?? "").replaceAll("|", "\\|");
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((r) => `| ${r.map(cell).join(" | ")} |`).join("\n");

function summary(rows) {
  const groups = Map.groupBy(rows, (r) => `${r.suite}\t${r.revision}`);
  return table(["what", "revision", ...results], [...groups].map(([key, of]) => [...key.split("\t"), ...results.map((k) => of.filter((r) => r.result === k).length)]));
}

function report(rows) {
  return `# The MCP server under the protocol's own tools

Written by \`make conformance\`, which runs:

${packages.map((p) => `- ${installed(p)}`).join("\n")}
- on Node ${process.version}

The official suite speaks HTTP only; \`cmd/ov-mcp/conformance/bridge.mjs\` carries its messages to the stdio server. What it checks of
HTTP itself (sessions, streams, headers, Host and Origin) it checks of that bridge. It is made for SDKs: most of its scenarios call
tools, resources and prompts of an example server. Those are listed as "not served" (or "in part", where it also checks
what we have), each with its reason; what they are about is
covered by the clients' scenarios where we have it (results, errors, progress, questions to the user). ov serves no resources, prompts,
completions, logging, sampling, roots or tasks, on purpose. "Next" is the suite's coming release, the first that knows 2026-07-28.

${summary(rows)}

## Each scenario

${table(["what", "revision", "scenario", "result", "checks", "note"], rows.map((r) => [r.suite, r.revision, r.scenario, r.result, r.checked, r.note]))}
`;
}

const world = makeWorld();
try {
  const rows = await everything(world);
  const failed = rows.filter((r) => r.result === "FAILED");
  writeFileSync(process.argv[2], report(rows));
  console.log(summary(rows));
  for (const r of failed) console.log(`FAILED ${r.suite} ${r.revision} ${r.scenario}: ${r.note}`);
  process.exitCode = failed.length ? 1 : 0;
} finally {
  world.end();
}
