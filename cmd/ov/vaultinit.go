package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) vaultInitCmd() *cobra.Command {
	var kit string
	var s serverFlags
	cmd := &cobra.Command{Use: "init", Short: "Make the vault and print its recovery kit", Args: noArgs,
		Long: `Makes the vault in the home folder (~/.ov, OV_HOME or --home) and shows its recovery kit: the Secret Key that, together
with the master password, opens a copy of the vault on another machine. Keep it on paper. On a terminal the password is
asked for twice; elsewhere it comes from OV_PASSWORD_FILE or --password-stdin, nothing is asked, and the kit goes to
stdout or to --kit FILE.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			server, err := s.server()
			if err != nil {
				return usage(cmd, err)
			}
			err = c.newFile(kit, "recovery kit", func(f *os.File) error {
				if kit == "" && c.password().Kind == agent.PasswordTTY {
					f = nil // the terminal that the password is typed on
				}
				return client.Init(cmd.Context(), agent.InitRequest{Kit: f, Device: s.device, Server: server})
			})
			if err != nil {
				return err
			}
			if server != nil {
				if st, err := client.Status(cmd.Context()); err == nil {
					c.met(st.Remote)
				}
			}
			c.say("the vault is ready")
			c.say("hint: \"ov unlock\" keeps it open; \"ov secret set NAME\" stores a first secret")
			return nil
		})}
	s.add(cmd, "keep the vault on this server:")
	cmd.Flags().StringVar(&kit, "kit", "", "write the recovery kit to a new `FILE`, mode 0600")
	return cmd
}
