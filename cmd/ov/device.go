package main

import (
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) deviceCmd() *cobra.Command {
	return noun("device", "Who may read and write the vault on its server", c.deviceListCmd(), c.deviceApproveCmd(), c.deviceRevokeCmd())
}

// deviceView is `ov device list --json`: these names stay.
type deviceView struct {
	Devices  []agent.Device        `json:"devices"`
	Requests []agent.DeviceRequest `json:"requests"` // who asks to be let in
}

func (c *cli) deviceListCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "list", Short: "List the devices, and those that ask to be let in", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			v := deviceView{Requests: []agent.DeviceRequest{}}
			var err error
			if v.Devices, err = client.Devices(cmd.Context()); err != nil {
				return err
			}
			asks, err := client.DeviceRequests(cmd.Context())
			if err == nil {
				v.Requests = append(v.Requests, asks...)
			} else if !errors.Is(err, agent.ErrUsage) { // a vault on this machine alone has none
				c.say("who asks to be let in cannot be seen: %v", err)
			}
			if c.json {
				return c.printJSON(v)
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tID\tADDED\tWORDS\t")
			for _, d := range v.Devices {
				fmt.Fprintf(w, "%s\t%.8s\t%s\t%s\t%s\n", exit.Clean(d.Name), d.ID, date(d.Added), d.Words, map[bool]string{true: "this one"}[d.This])
			}
			for _, r := range v.Requests {
				what := `asks to be let in: "ov device approve"`
				if r.Member {
					what = `asks for an environment: "ov share APP/ENVIRONMENT --with WORDS"`
				}
				fmt.Fprintf(w, "%s\t\t\t%s\t%s\n", exit.Clean(r.Name), r.Words, what)
			}
			return w.Flush()
		})})
}

func date(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.Local().Format(time.DateOnly)
}

func (c *cli) deviceApproveCmd() *cobra.Command {
	return &cobra.Command{Use: "approve [WORDS]", Short: "Let in a device that shows the same words; needs the master password", Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				words, err := c.whichDevice(cmd, client, args)
				if err != nil {
					return err
				}
				d, err := client.ApproveDevice(cmd.Context(), words)
				if err != nil {
					return err
				}
				c.say("let in the device %q", exit.Clean(d.Name))
				return nil
			})(cmd, args)
		}}
}

// whichDevice returns the words of the device that is meant. Without an argument
// a person at a terminal compares them.
func (c *cli) whichDevice(cmd *cobra.Command, client *agent.Client, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	asks, err := client.DeviceRequests(cmd.Context())
	if err != nil {
		return "", err
	}
	asks = slices.DeleteFunc(asks, func(r agent.DeviceRequest) bool { return r.Member })
	if len(asks) == 0 {
		return "", hinted{fmt.Errorf("approve device: %w: no device asks", agent.ErrNotFound), `on the new one: "ov vault join --server URL --vault ID"`}
	}
	for _, r := range asks {
		if ok, err := c.ask(fmt.Sprintf("The device %q asks to be let in. Does it show these words?\n\n    %s\n\n", r.Name, r.Words)); err != nil {
			return "", usage(cmd, errors.New("give the words that the device shows"))
		} else if ok {
			return r.Words, nil
		}
	}
	return "", fmt.Errorf("approve device: nobody said yes")
}

func (c *cli) deviceRevokeCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "revoke DEVICE", Short: "Take a device, by name or id, out of the vault; needs the master password", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				if err := c.sure(yes, cmd, fmt.Sprintf("Take %q out of the vault?", args[0])); err != nil {
					return err
				}
				d, err := client.RevokeDevice(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				c.say("the device %q reads and writes nothing any more", exit.Clean(d.Name))
				c.say("hint: what it had read it has; if it is in wrong hands: \"ov vault rotate\", and new values for its secrets (\"ov audit exposed\")")
				return nil
			})(cmd, args)
		}}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
