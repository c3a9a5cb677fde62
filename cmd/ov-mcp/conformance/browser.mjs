// ov-agent's pages in Chromium, as a person meets them: the client library gets
// the address as a question, the page is answered with the keyboard alone, and
// no script runs. Each page is seen light, dark, and 500 pixels wide.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import axe from "axe-core";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { chromium } from "playwright-core";

const looks = {
  light: { colorScheme: "light", viewport: { width: 1000, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1000, height: 800 } },
  "500 px, light": { colorScheme: "light", viewport: { width: 500, height: 800 } },
  "500 px, dark": { colorScheme: "dark", viewport: { width: 500, height: 800 } },
};

const value = 'typed "value" <with> Ünï & 50%+more\nand a second line';

// findBrowser returns the Chromium of this machine, or undefined.
export function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("sh", ["-c", 'command -v "$0"', name]).toString().trim();
    } catch {} // the next one
  }
}

// visit opens the page of a question and lets act answer it. It returns what
// the page says in the end.
async function visit(browser, look, { url, message }, folder, name, act) {
  const context = await browser.newContext({ ...looks[look], javaScriptEnabled: false });
  const complaints = [];
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("request", (r) => new URL(r.url()).host !== new URL(url).host && complaints.push(`asked ${r.url()}`));
  const shoot = async (what) => {
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= room, `${what}: ${wide} px of page in ${room} px of window`);
    await page.screenshot({ path: join(folder, `${name}, ${what}, ${look}.png`), fullPage: true });
  };
  try {
    await page.goto(url);
    assert.ok((await page.innerText("body")).includes(/code (\d{6})/.exec(message)[1]), "the page shows another code");
    await shoot("asked");
    await accessible(browser, look, url);
    await act(page, shoot);
    await page.waitForSelector("[role=status]");
    await shoot("answered");
    const said = await page.innerText("[role=status]");
    assert.equal(await page.locator("input, textarea, button").count(), 0);
    // An address is good for one answer: what comes after finds nothing.
    const again = await page.goto(url).then((r) => r.status(), () => 404); // a server without pages is gone
    assert.equal(again, 404);
    assert.deepEqual(complaints.filter((c) => !/status of 40[34]/.test(c)), []);
    return said;
  } finally {
    await context.close();
  }
}

// accessible wants no complaint of the accessibility checker about the page. The
// checker is a script, so it gets a window of its own.
async function accessible(browser, look, url) {
  const context = await browser.newContext(looks[look]);
  try {
    const page = await context.newPage();
    await page.goto(url);
    const { violations } = await page.evaluate(`${axe.source}; axe.run(document, { resultTypes: ["violations"] })`);
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
  } finally {
    await context.close();
  }
}

const focused = (page) => page.evaluate(() => document.activeElement.name || document.activeElement.tagName);

// type writes into the field that has the keyboard, which must be the named one.
async function type(page, field, text) {
  assert.equal(await focused(page), field);
  await page.keyboard.insertText(text);
}

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

// The pages: what brings each up, and how it is answered.
const pages = {
  async unlock(see, world) {
    world.lock();
    const r = await see("vault_run", { command: ["sh", "-c", "echo $CANARY"] }, async (page, shoot) => {
      await type(page, "password", "not the password");
      await press(page, "Enter");
      await page.waitForSelector("[role=alert]");
      assert.match(await page.innerText("[role=alert]"), /wrong password, \d+ more tries/i);
      await shoot("wrong password");
      await type(page, "password", world.password);
      await press(page, "Enter");
    });
    assert.equal(r.structuredContent?.stdout, "[REDACTED:CANARY]\n", JSON.stringify(r));
    assert.match(r.page, /^The vault is unlocked\./);
  },
  async value(see, world, n) {
    const r = await see("vault_create_secret", { name: `TYPED_${n}` }, async (page, shoot) => {
      await type(page, "value", value);
      await shoot("typed");
      await press(page, "Tab", "Enter");
    });
    assert.equal(r.structuredContent?.how, "person", JSON.stringify(r));
    await same(see, `TYPED_${n}`);
  },
  async "value, production"(see, world, n) {
    const r = await see("vault_create_secret", { name: `production/TYPED_${n}` }, async (page) => {
      await type(page, "value", value);
      await press(page, "Tab");
      await type(page, "password", world.password);
      await press(page, "Enter");
    });
    assert.equal(r.structuredContent?.how, "person", JSON.stringify(r));
    assert.match(r.page, /^Stored\./);
  },
  async approval(see, world) {
    world.lock();
    world.unlock(); // what was approved is so no more
    const command = ["sh", "-c", "# " + "a long command line, ".repeat(12) + '\necho "key=$DEPLOY_KEY"'];
    const r = await see("vault_run", { command, environment: "production", secret_names: ["DEPLOY_KEY"], reason: "deploy the shop" }, async (page) => {
      await type(page, "password", world.password);
      await press(page, "Tab", "Enter");
    });
    assert.equal(r.structuredContent?.stdout, "key=[REDACTED:DEPLOY_KEY]\n", JSON.stringify(r));
  },
  async refusal(see, world) {
    world.lock();
    world.unlock();
    const r = await see("vault_run", { command: ["env"], environment: "production", secret_names: ["DEPLOY_KEY"] }, async (page) => {
      assert.equal(await focused(page), "password");
      await press(page, "Tab", "Tab", "Enter"); // the second button, without a password
    });
    assert.match(r.content[0].text, /^declined: /);
    assert.match(r.page, /^Refused\./);
  },
};

// same: the value arrived byte for byte, line ends and all.
async function same(see, name) {
  const r = await see("vault_run", { command: ["sh", "-c", 'printf %s "$V" | sha256sum'], secret_names: [`V=${name}`] });
  const { createHash } = await import("node:crypto");
  assert.ok(r.structuredContent.stdout.startsWith(createHash("sha256").update(value).digest("hex")), "another value was stored");
}

// runBrowser answers every page in every look and returns a row for each. The
// screenshots are in folder.
export async function runBrowser(world, folder) {
  const path = findBrowser();
  const suite = "Pages in Chromium";
  if (!path) return Object.keys(pages).map((scenario) => ({ suite, revision: "2026-07-28", scenario, result: "not run", note: "no Chromium here: install it, or name it in CHROMIUM" }));
  mkdirSync(folder, { recursive: true });
  world.create("production/DEPLOY_KEY", "a-deploy-key-of-production-4711");
  const browser = await chromium.launch({ executablePath: path, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  const rows = [];
  let n = 0;
  for (const look of Object.keys(looks)) {
    for (const [name, run] of Object.entries(pages)) {
      const row = { suite: `${suite} ${browser.version().split(".")[0]}, ${look}`, revision: "2026-07-28", scenario: name, result: "passed", note: "" };
      const client = new Client({ name: "browser", version: "1" }, { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode: "auto" } });
      let act, said, problem;
      client.setRequestHandler("elicitation/create", async ({ params }) => {
        try {
          said = await visit(browser, look, params, folder, name, act);
        } catch (e) {
          problem = e; // the library would answer for us, and hide it
        }
        return { action: "accept" };
      });
      try {
        await client.connect(new StdioClientTransport({ ...world.server, stderr: "pipe" }));
        await run(
          async (tool, args, answer) => {
            act = answer;
            const r = await client.callTool({ name: tool, arguments: args });
            if (problem) throw problem;
            return { ...r, page: said };
          },
          world,
          n++,
        );
      } catch (e) {
        Object.assign(row, { result: "FAILED", note: String((problem ?? e).message).split(/\s*\n\s*/).join(" ").slice(0, 300) });
      } finally {
        await client.close();
      }
      rows.push(row);
    }
  }
  await browser.close();
  return rows;
}
