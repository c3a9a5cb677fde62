# The MCP server under the protocol's own suite, inspector and client libraries.
# They come from npm; where Node is older than they need, so does Node.
.PHONY: conformance
CONFORMANCE := cmd/ov-mcp/conformance
NODE_NPM := 24.21.0

conformance: build
	@cd $(CONFORMANCE) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@set -e; cd $(CONFORMANCE); node=node; \
	if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 22 || +a == 22 && +b >= 19 ? 0 : 1)'; then \
		name=node-$$(node -p 'process.platform + "-" + process.arch'); \
		npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix .cache $$name@$(NODE_NPM); \
		node=.cache/node_modules/$$name/bin/node; \
	fi; \
	$$node run.mjs ../../../docs/mcp-conformance.md
