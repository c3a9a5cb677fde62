package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

// maxPolicy is more than anybody writes, and less than a request may hold.
const maxPolicy = 256 << 10

var errNoID = errors.New("which request? \"ov approve\" lists them")

// waiting adds what to do when nothing waits under an id.
func waiting(err error) error {
	if errors.Is(err, agent.ErrNotFound) {
		return hinted{err, `"ov approve" lists what waits; a request waits for three minutes`}
	}
	return err
}

func (c *cli) policyCmd() *cobra.Command {
	return noun("policy", "Who may use which secret for what", c.policyShowCmd(), c.policyEditCmd(), c.policyExplainCmd(), c.policySimulateCmd(), c.policyPINCmd())
}

func (c *cli) policyShowCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "show", Short: "Print the vault's policy", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			text, own, err := client.Policy(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(agent.PolicyText{Text: text, Own: own})
			}
			if !own {
				c.say("the vault has no policy of its own; this is the default")
			}
			c.printf("%s", text)
			return nil
		})})
}

func (c *cli) policySimulateCmd() *cobra.Command {
	var last int
	cmd := c.jsonFlag(&cobra.Command{Use: "simulate FILE", Short: "Say what a policy would change, and store nothing", Args: nArgs(1),
		Long: `Says what the policy in FILE would change for the secrets that are there, and what it would have said to the uses that the audit log
holds. The log has no commands in it: where a rule names a program, a folder or variables, the answer is that it depends.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				text, err := readPolicy(args[0])
				if err != nil {
					return err
				}
				e, err := client.CheckPolicy(cmd.Context(), text)
				if err != nil {
					return err
				}
				uses, err := client.Replay(cmd.Context(), agent.ReplayRequest{Policy: text, Last: last})
				if err != nil {
					return err
				}
				if c.json {
					return c.printJSON(simulation{e, uses})
				}
				showEffect(c.out, e)
				showReplay(c.out, uses)
				return nil
			})(cmd, nil)
		}})
	cmd.Flags().IntVar(&last, "last", 10_000, "look at the last `N` lines of the audit log")
	return cmd
}

// A simulation is what simulate prints as JSON.
type simulation struct {
	agent.Effect
	Uses []agent.Replayed `json:"uses"`
}

// showReplay writes what a policy would have said to the uses in the log.
func showReplay(w io.Writer, uses []agent.Replayed) {
	if len(uses) == 0 {
		fmt.Fprintln(w, "the audit log holds no uses")
		return
	}
	fmt.Fprintln(w, "uses in the audit log:")
	for _, u := range uses {
		fmt.Fprintf(w, "%6d x %-8s by %s of %s: %s -> %s (rule %s)\n", u.Times, u.Verb, exit.Clean(u.Client), exit.Clean(u.Space), u.Was, u.Would, exit.Clean(u.Rule))
	}
}

func readPolicy(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read policy: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err == nil && len(b) > maxPolicy {
		err = fmt.Errorf("longer than %d bytes", maxPolicy)
	}
	if err != nil {
		return "", fmt.Errorf("read policy: %w", err)
	}
	return string(b), nil
}

// showEffect writes an effect for people, a line each.
func showEffect(w io.Writer, e agent.Effect) {
	for _, line := range e.Loosens {
		fmt.Fprintf(w, "LOOSENS: %s\n", exit.Clean(line))
	}
	for _, ch := range e.Changes {
		names := strings.Join(ch.Secrets[:min(len(ch.Secrets), 5)], ", ")
		if more := len(ch.Secrets) - 5; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		client, _, _ := strings.Cut(ch.Client, ":")
		fmt.Fprintf(w, "%-12s by %-8s of %s: %s -> %s (%s)\n", ch.Verb, client, exit.Clean(ch.Space), ch.Before, ch.After, exit.Clean(names))
	}
	if len(e.Loosens)+len(e.Changes) == 0 {
		fmt.Fprintln(w, "nothing changes for the secrets that are there, but for rules that name programs, arguments or folders")
	}
}

// explainFlags describe the use that is asked about.
type explainFlags struct {
	verb, client, deliver, reason string
	pristine                      bool
}

func (c *cli) policyExplainCmd() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{Use: "explain REF [-- COMMAND [ARG...]]", Short: "Say which rule decides about a use, and why",
		Long: `Goes through the rules for one secret, up to the one that decides. Nothing is decrypted and nothing is run.
With COMMAND the use is "ov run -- COMMAND" in this folder with this environment.`,
		Example: `  ov policy explain production/API_KEY -- ./deploy --now
  ov policy explain API_KEY --client mcp:claude-code --verb update`,
		Args: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); len(args) == 0 || at == 0 || at < 0 && len(args) > 1 || at > 1 {
				return usage(cmd, errors.New("want one REF, and the command behind --"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error { return c.explain(cmd, client, f, args) })(cmd, nil)
		}}
	fl := cmd.Flags()
	fl.StringVar(&f.verb, "verb", "run", "what is done: run, session, mask, reveal, create, update, delete, import, from_file or from_command")
	fl.StringVar(&f.client, "client", "", "who asks: cli, mcp:`NAME` or machine:NAME (default: this command)")
	fl.StringVar(&f.deliver, "deliver", "", "how the value gets there: env, file, stdin or fd")
	fl.StringVar(&f.reason, "reason", "", "the reason that would be given")
	fl.BoolVar(&f.pristine, "pristine", false, "with an empty environment")
	return c.jsonFlag(cmd)
}

func (c *cli) explain(cmd *cobra.Command, client *agent.Client, f explainFlags, args []string) error {
	_, ref, err := c.ref(args[0])
	if err != nil {
		return err
	}
	q, err := f.request(ref, args[1:])
	if err != nil {
		return err
	}
	all, err := client.Explain(cmd.Context(), q)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(all)
	}
	for _, e := range all {
		answer := "denied"
		switch {
		case e.Allow && e.Approval == "never":
			answer = "allowed"
		case e.Allow:
			answer = "asked (" + e.Approval + ")"
		}
		c.printf("%s: %s\n", e.Ref, answer)
		for _, s := range e.Steps {
			mark := " "
			if s.Fits {
				mark = "*"
			}
			c.printf("  %s %-28s %s\n", mark, exit.Clean(s.Rule), exit.Clean(s.Why))
		}
	}
	return nil
}

// request declares what ov run would declare.
func (f *explainFlags) request(ref secret.Ref, argv []string) (q agent.ExplainRequest, err error) {
	if f.client != "" && f.client != "cli" && !strings.HasPrefix(f.client, "mcp") && !strings.HasPrefix(f.client, "machine:") {
		return q, misuse{fmt.Errorf("--client %q: want cli, mcp:NAME or machine:NAME", f.client)}
	}
	if all := []string{"run", "session", "mask", "reveal", "create", "update", "delete", "import", "from_file", "from_command"}; !slices.Contains(all, f.verb) {
		return q, misuse{fmt.Errorf("--verb %q: want one of %s", f.verb, strings.Join(all, ", "))}
	}
	q = agent.ExplainRequest{Verb: f.verb, Client: f.client}
	q.Grant = agent.GrantRequest{Kind: agent.GrantKind(f.verb), Refs: []secret.Ref{ref}, Argv: argv, Reason: f.reason}
	if q.Grant.Dir, err = os.Getwd(); err != nil {
		return q, fmt.Errorf("find working directory: %w", err)
	}
	if f.deliver != "" {
		q.Grant.Delivery = map[string]string{ref.String(): f.deliver}
	}
	if !f.pristine {
		q.Grant.Inherited = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "OV_") })
	}
	if len(argv) > 0 {
		q.Grant.Executable, err = proc.Resolve(argv[0], q.Grant.Dir, os.Environ())
	}
	return q, err
}
