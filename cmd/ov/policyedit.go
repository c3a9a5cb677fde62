package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) policyEditCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "edit", Short: "Change the policy in an editor; needs the master password", Args: noArgs,
		Long: `Opens the policy in $VISUAL or $EDITOR. What it would change is shown before the master password is asked for and the
policy is stored, sealed. No file is read later on: the one in the editor is removed.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name := agent.Detect(os.Environ()); name != "" { // the agent looks for one as well
				return hinted{fmt.Errorf("edit policy: %w: a coding agent is running this (%s)", agent.ErrDenied, name), "use a terminal of your own, outside of it"}
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error { return c.editPolicy(cmd, client, file) })(cmd, nil)
		}}
	cmd.Flags().StringVar(&file, "file", "", "take the text of a `FILE` instead of opening an editor")
	return cmd
}

// editPolicy stores what the person wrote, in this order: text, syntax, effect,
// password. What is stored is what the effect was shown of, whatever becomes of
// the file meanwhile.
func (c *cli) editPolicy(cmd *cobra.Command, client *agent.Client, file string) error {
	old, _, err := client.Policy(cmd.Context())
	if err != nil {
		return err
	}
	var text string
	if file != "" {
		text, err = readPolicy(file)
	} else {
		text, err = c.inEditor(old)
	}
	if err != nil {
		return err
	}
	if text == old {
		c.say("nothing was changed")
		return nil
	}
	effect, err := client.CheckPolicy(cmd.Context(), text)
	if err != nil {
		return c.keepDraft(text, file, err)
	}
	showEffect(c.err, effect)
	if err := client.SetPolicy(cmd.Context(), text); err != nil {
		return c.keepDraft(text, file, err)
	}
	c.say("the policy is stored; what was approved under the old one is void")
	return nil
}

// inEditor has the person change text in a file that nobody else can read.
func (c *cli) inEditor(text string) (string, error) {
	dir, err := os.MkdirTemp("", "ov-policy-")
	if err != nil {
		return "", fmt.Errorf("edit policy: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "policy.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("edit policy: %w", err)
	}
	editor := firstOf(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	run := exec.Command("/bin/sh", "-c", editor+` "$1"`, "sh", path)
	run.Stdin, run.Stdout, run.Stderr = c.in, c.out, c.err
	if err := run.Run(); err != nil {
		return "", hinted{fmt.Errorf("edit policy: editor %q: %w", editor, err), "set EDITOR, or use --file"}
	}
	return readPolicy(path)
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// keepDraft keeps what was typed when it cannot be stored, and says where.
func (c *cli) keepDraft(text, file string, cause error) error {
	if file != "" {
		return cause
	}
	f, err := os.CreateTemp("", "ov-policy-*.toml") // mode 0600
	if err != nil {
		return errors.Join(cause, err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(cause, err)
	}
	return hinted{cause, fmt.Sprintf("your text is in %s: mend it, then \"ov policy edit --file %s\"", f.Name(), f.Name())}
}
