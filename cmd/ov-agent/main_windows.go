// Command ov-agent holds the keys of a vault; not on Windows, see core/agent.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "ov-agent: vaults cannot be used on Windows; run ov in WSL")
	os.Exit(1)
}
