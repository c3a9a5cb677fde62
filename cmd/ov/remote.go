package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

// serverFlags say which server is meant.
type serverFlags struct{ url, ca, words, device string }

func (s *serverFlags) add(cmd *cobra.Command, use string) {
	f := cmd.Flags()
	f.StringVar(&s.url, "server", "", use+" `URL`, https://HOST[:PORT]")
	f.StringVar(&s.ca, "ca", "", "trust the server's certificate by this `FILE` (PEM) instead of the system's roots")
	f.StringVar(&s.device, "device", device(), "what this machine is `called` in the vault")
	f.StringVar(&s.words, "server-words", "", "stop unless the server's key has these `WORDS`, which ov-server prints")
}

// server returns nil when none is named.
func (s *serverFlags) server() (*agent.Server, error) {
	if s.url == "" {
		if s.ca != "" || s.words != "" {
			return nil, misuse{errors.New("--ca and --server-words go with --server")}
		}
		return nil, nil
	}
	out := &agent.Server{URL: s.url, Words: s.words, Name: s.device}
	var err error
	out.CA, err = certificate(s.ca)
	return out, err
}

// certificate reads the file of --ca, if one is named.
func certificate(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return "", misuse{err}
	}
	return string(pem), nil
}

// met tells the person which server was met.
func (c *cli) met(r *agent.RemoteStatus) {
	if r == nil {
		return
	}
	c.say("the key of %s is pinned; its words: %s", r.URL, r.Words)
	c.say("hint: compare them with those that ov-server printed when it started")
}

func (c *cli) joinCmd() *cobra.Command {
	var s serverFlags
	var kit, id string
	cmd := &cobra.Command{Use: "join", Short: "Make this machine a device of a vault on a server", Args: noArgs,
		Long: `Makes this machine a device of a vault on a server. Two ways:

  ov vault join --server URL               with the recovery kit and the master password
  ov vault join --server URL --vault ID    another device lets this one in: it shows words, "ov device approve"
                                           there takes them; the id is in "ov vault status" there`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			server, err := s.server()
			if err != nil || server == nil {
				return usage(cmd, errors.Join(err, errors.New("which server? --server URL")))
			}
			if id != "" {
				server.Vault = id
				return c.admission(cmd.Context(), client, *server)
			}
			file, err := openKit(kit)
			if err != nil {
				return usage(cmd, err)
			}
			if file != nil {
				defer file.Close()
			}
			r, err := client.Join(cmd.Context(), *server, file)
			if err != nil {
				return err
			}
			c.met(&r)
			c.say("this machine is a device of the vault now, called %q", s.device)
			return nil
		})}
	s.add(cmd, "the server:")
	cmd.Flags().StringVar(&kit, "kit", "", "read the Secret Key from this recovery kit `FILE`; else it is asked for")
	cmd.Flags().StringVar(&id, "vault", "", "the vault's `ID`: ask one of its devices to let this one in")
	return cmd
}

func openKit(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	return os.Open(path)
}

// admission asks another device, shows the words and waits.
func (c *cli) admission(ctx context.Context, client *agent.Client, server agent.Server) error {
	r, err := client.JoinAsk(ctx, server)
	if err != nil {
		return err
	}
	c.say("on a device of the vault, run:  ov device approve %s", r.Words)
	c.say("hint: both must show the same words; the request is kept until %s", r.Expires.Local().Format(time.TimeOnly))
	st, err := client.JoinWait(ctx)
	if err != nil {
		return err
	}
	c.met(&st)
	c.say("this machine is a device of the vault now, called %q", server.Name)
	c.say("hint: \"ov unlock\" opens it with the vault's master password")
	return nil
}

func (c *cli) pushCmd() *cobra.Command {
	var s serverFlags
	cmd := &cobra.Command{Use: "push", Short: "Put this machine's vault on a server, to share it between devices", Args: noArgs,
		Long: `Copies the vault of this machine, as it is sealed, to a server, and keeps it there from then on: every change goes to
the server first, and this machine keeps a copy for when the server cannot be reached. The vault, its password and its
recovery kit stay the same; other machines then "ov vault join".`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			server, err := s.server()
			if err != nil || server == nil {
				return usage(cmd, errors.Join(err, errors.New("which server? --server URL")))
			}
			r, err := client.Push(cmd.Context(), *server)
			if err != nil {
				return err
			}
			c.met(&r)
			c.say("the vault is on %s; the agent is locked", r.URL)
			return nil
		})}
	s.add(cmd, "the server:")
	return cmd
}

func (c *cli) syncCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "sync", Short: "Take over what is new on the vault's server, now", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			r, err := client.Sync(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(r)
			}
			if r.From == r.To {
				c.say("up to date with %s, at commit %d", r.Remote.URL, r.To)
			} else {
				c.say("took over commits %d to %d from %s", r.From+1, r.To, r.Remote.URL)
			}
			return nil
		})})
}

// remoteLine describes the server in one line of ov status.
func remoteLine(r *agent.RemoteStatus) (state, note string) {
	synced := "never reached"
	if !r.Synced.IsZero() {
		synced = "last reached " + r.Synced.Local().Format(time.DateTime)
	}
	switch r.State {
	case agent.RemoteOnline:
		state = "online"
		if note = synced; r.Synced.IsZero() {
			note = ""
		}
	case agent.RemoteOffline:
		state = "offline since " + r.Synced.Local().Format(time.DateTime)
		if r.Synced.IsZero() {
			state = "offline"
		}
		note = "the copy on this machine is read: " + r.Problem
	case agent.RemoteRefused:
		state, note = "refused", r.Problem
	default:
		state, note = "not asked: locked", synced
	}
	if r.Behind > 0 {
		state += fmt.Sprintf(", behind by %s", plural(int(r.Behind), "commit"))
	}
	return state, note
}

// put stores a value. On a terminal a person is asked when another device was
// faster; elsewhere that is an error.
func (c *cli) put(ctx context.Context, client *agent.Client, r agent.PutRequest) (agent.Info, error) {
	info, err := client.Put(ctx, r)
	if !errors.Is(err, agent.ErrConflict) || !isTerminal(c.in) || !isTerminal(c.err) {
		return info, err
	}
	if ok, asked := c.ask(fmt.Sprintf("%v.\nReplace it?", err)); asked != nil || !ok {
		return info, err
	}
	r.Overwrite = true
	return client.Put(ctx, r)
}
