package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

func (c *cli) shareAskCmd() *cobra.Command {
	var s serverFlags
	var id, name, owner string
	var text bool
	cmd := &cobra.Command{Use: "ask", Short: "Ask another person for an environment of their vault", Args: noArgs,
		Long: `Asks the owner of a vault for one environment of it. It gets a home of its own (--home FOLDER, or OV_HOME), and a password of
your own, which seals the keys that are made now. Two ways:

  ov --home FOLDER share ask --text                      prints a request, one line, to be sent by whatever way you have; what
                                                         comes back goes into "ov --home FOLDER share accept"
  ov --home FOLDER share ask --server URL --vault ID     leaves the request on the vault's server, and waits

Nothing secret is in the request. Tell the owner its words by voice. From then on "ov --home FOLDER run -- COMMAND" uses the environment.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			server, err := s.server()
			switch {
			case err != nil:
				return usage(cmd, err)
			case text && (server != nil || id != ""):
				return usage(cmd, errors.New("--text needs no server, and no vault"))
			case !text && (server == nil || id == ""):
				return usage(cmd, errors.New("whose? --server URL --vault ID; or --text"))
			}
			ask := agent.AskRequest{Server: server, Name: s.device}
			if name != "" {
				ask.Name = name
			}
			if server != nil {
				server.Vault = id
			}
			asked, err := client.ShareAsk(cmd.Context(), ask)
			if err != nil {
				return err
			}
			if text {
				return c.asked(&asked)
			}
			c.say("tell the vault's owner these words:  %s", asked.Words)
			c.say("hint: they run \"ov share APP/ENVIRONMENT --with WORDS --role read\"; the request is kept until %s", asked.Expires.Local().Format(time.TimeOnly))
			in, err := client.ShareAnswer(cmd.Context())
			if err != nil {
				return err
			}
			return c.accept(cmd, client, &in, owner)
		})}
	s.add(cmd, "the vault's server:")
	f := cmd.Flags()
	f.StringVar(&id, "vault", "", "the vault's `ID`, which its owner sees in \"ov vault status\"")
	f.BoolVar(&text, "text", false, "print the request instead of leaving it on a server")
	f.StringVar(&name, "name", "", "what you are called, if not as --device says")
	f.StringVar(&owner, "owner-words", "", "take the invitation only if a device of these `WORDS` signed it; else you are asked")
	return c.jsonFlag(cmd)
}

// asked prints a request.
func (c *cli) asked(a *agent.Asked) error {
	if c.json {
		return c.printJSON(a)
	}
	c.printf("%s\n", a.Text)
	c.say("send this line to the vault's owner, and tell them its words:  %s", a.Words)
	c.say("hint: they run \"ov share APP/ENVIRONMENT --with WORDS --role read --request TEXT\"; what that prints goes into \"ov share accept\" here")
	return nil
}

func (c *cli) shareAcceptCmd() *cobra.Command {
	var owner, server, ca string
	cmd := &cobra.Command{Use: "accept INVITATION", Short: "Take the environment that you asked for", Args: nArgs(1),
		Long: `Takes the environment that you asked for with "ov share ask --text". INVITATION is the line that came back, a file that holds
it, or - for stdin. It shows what was given, and the words of the device that signed it: compare them with those that the
vault's owner sees ("ov device list" there, and what "ov share" printed). Whoever saw your request could have sealed an invitation;
they cannot have these words.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			invitation, err := c.text(args[0])
			if err != nil {
				return usage(cmd, err)
			}
			at := agent.Server{Words: server}
			if at.CA, err = certificate(ca); err != nil {
				return usage(cmd, err)
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				in, err := client.ShareOpen(cmd.Context(), invitation, at)
				if err != nil {
					return err
				}
				return c.accept(cmd, client, &in, owner)
			})(cmd, nil)
		}}
	f := cmd.Flags()
	f.StringVar(&owner, "owner-words", "", "take it only if a device of these `WORDS` signed it; else you are asked")
	f.StringVar(&server, "server-words", "", "stop unless the server's key has these `WORDS`, which ov-server prints")
	f.StringVar(&ca, "ca", "", "trust the server's certificate by this `FILE` (PEM) instead of the system's roots")
	return c.jsonFlag(cmd)
}

// accept shows what an invitation gives, has its words compared, and takes it.
func (c *cli) accept(cmd *cobra.Command, client *agent.Client, in *agent.Shared, owner string) error {
	c.say("you are given: %s %s/%s, as %q, %s", may(in.Role), in.App, in.Env, exit.Clean(in.Name), ends(agent.Machine{NotAfter: in.NotAfter}))
	c.say("the server is %s; the words of its key: %s", exit.Clean(in.Server), in.ServerWords)
	c.say("the words of the device that invites: %s", in.OwnerWords)
	if owner == "" {
		ok, err := c.ask(fmt.Sprintf("Does the vault's owner see these words for their device?\n\n    %s\n\n", in.OwnerWords))
		if err != nil {
			return hinted{misuse{errors.New("share accept: nobody compared the words of the device that invites")},
				"ask the vault's owner for them (\"ov device list\" there), then add --owner-words WORDS"}
		}
		if !ok {
			return hinted{fmt.Errorf("share accept: nobody said yes: %w", agent.ErrDenied), "nothing was taken, and the server was not asked: whoever saw your request can have made this invitation"}
		}
		owner = in.OwnerWords
	}
	kept, err := client.ShareKeep(cmd.Context(), owner)
	if err != nil {
		return err
	}
	home, err := c.homeFolder()
	if err == nil {
		err = useShared(home, &kept)
	}
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(kept)
	}
	c.say("this home may %s %s/%s", may(kept.Role), kept.App, kept.Env)
	c.say("hint: %s run -- COMMAND", c.self())
	return nil
}

// useShared makes the shared environment the home's context, where nothing was
// chosen in it yet.
func useShared(home string, in *agent.Shared) error {
	cfg, err := config.Load(config.Options{Home: home, Dir: home, UserHome: home, Getenv: func(string) string { return "" }})
	if err != nil || cfg.App.Rung != config.FromDefault || cfg.Env.Rung != config.FromDefault {
		return err
	}
	if err := config.Use(home, "app", in.App); err != nil {
		return err
	}
	return config.Use(home, "environment", in.Env)
}

// self is how this home's ov is called.
func (c *cli) self() string {
	if c.home == "" {
		return "ov"
	}
	return "ov --home " + c.home
}
