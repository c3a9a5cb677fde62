# The MCP server under the protocol's own suite, inspector and client libraries,
# and ov-agent's pages in a browser. They come from npm; where Node is older than
# they need, so does Node. The browser is the machine's own Chromium.
.PHONY: conformance browser
# The coding agents are 1.4 GB; AGENTS=no leaves them out.
AGENTS ?= yes
CONFORMANCE := cmd/ov-mcp/conformance
NODE_NPM := 24.21.0

conformance: build ## the MCP server under the protocol's own tools, and the pages in Chromium
	@[ $(AGENTS) = no ] || npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix $(CONFORMANCE)/agents
	@$(call with-node,run.mjs ../../../docs/mcp-conformance.md)

browser: build ## the pages of ov-agent in Chromium; SHOTS names a folder for the screenshots
	@$(call with-node,pages.mjs $(SHOTS))

define with-node
set -e; cd $(CONFORMANCE); npm ci --silent --ignore-scripts --no-audit --no-fund; node=node; \
	if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 22 || +a == 22 && +b >= 19 ? 0 : 1)'; then \
		name=node-$$(node -p 'process.platform + "-" + process.arch'); \
		npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix .cache $$name@$(NODE_NPM); \
		node=.cache/node_modules/$$name/bin/node; \
	fi; \
	$$node $(1)
endef
