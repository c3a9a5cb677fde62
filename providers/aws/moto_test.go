package aws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// moto is a server that we did not write, holding what the suite puts into it.
type moto struct {
	url string
	sm  *secretsmanager.Client
	ssm *ssm.Client
}

// startMoto starts moto_server on a free loopback port. It is a Python program
// that cannot be installed from here: CI has it, a laptop may not.
func startMoto(t *testing.T) *moto {
	t.Helper()
	exe, err := exec.LookPath("moto_server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("moto_server is needed in CI: pip install 'moto[server]'")
		}
		t.Skip("no moto_server (pip install 'moto[server]'): AWS is tested against stubs alone")
	}
	for _, k := range environment() {
		if v, ok := os.LookupEnv(k); ok {
			t.Setenv(k, v) // restored afterwards
			os.Unsetenv(k)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(exe, "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	m := &moto{url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"), config.WithBaseEndpoint(m.url))
	if err != nil {
		t.Fatal(err)
	}
	m.sm, m.ssm = secretsmanager.NewFromConfig(cfg), ssm.NewFromConfig(cfg)
	for range 300 {
		if res, err := http.Get(m.url + "/moto-api/"); err == nil {
			res.Body.Close()
			return m
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("moto_server did not start")
	return nil
}

func (m *moto) config() provider.Config {
	return provider.Config{Settings: map[string]string{"region": "eu-central-1", "endpoint": m.url}}
}

type motoSecrets struct{ *moto }

func (m motoSecrets) Provider(testing.TB) (provider.Provider, provider.Config) {
	return NewSecretsManager(), m.config()
}

// Fill updates what is there and removes the rest, as a person would.
func (m motoSecrets) Fill(t testing.TB, secrets []providertest.Secret) {
	ctx := context.Background()
	want := map[string][]byte{}
	for _, s := range secrets {
		want[path.Join(s.Path, s.Name)] = s.Value
	}
	for _, name := range m.names(t) {
		v, ok := want[name]
		if !ok {
			m.Delete("", name)
			continue
		}
		delete(want, name)
		old, err := m.sm.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
		if err == nil && awssdk.ToString(old.SecretString) != string(v) {
			_, err = m.sm.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: awssdk.String(string(v))})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range want {
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: awssdk.String(string(v))}
		if strings.HasSuffix(name, "BYTES") {
			in.SecretString, in.SecretBinary = nil, v
		}
		if _, err := m.sm.CreateSecret(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
}

// names are all collected before anything is deleted, which would move the pages.
func (m motoSecrets) names(t testing.TB) (all []string) {
	pages := secretsmanager.NewListSecretsPaginator(m.sm, &secretsmanager.ListSecretsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.SecretList {
			all = append(all, *e.Name)
		}
	}
	return all
}

func (m motoSecrets) Delete(dir, name string) {
	m.sm.DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{
		SecretId: awssdk.String(path.Join(dir, name)), ForceDeleteWithoutRecovery: awssdk.Bool(true)})
}

type motoParameters struct{ *moto }

func (m motoParameters) Provider(testing.TB) (provider.Provider, provider.Config) {
	return NewParameterStore(), m.config()
}

func parameterName(dir, name string) string {
	if dir == "" {
		return name
	}
	return "/" + path.Join(dir, name)
}

func (m motoParameters) Fill(t testing.TB, secrets []providertest.Secret) {
	ctx := context.Background()
	want := map[string]string{}
	for _, s := range secrets {
		want[parameterName(s.Path, s.Name)] = string(s.Value)
	}
	for _, name := range m.names(t) {
		old, err := m.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: awssdk.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		v, ok := want[name]
		switch {
		case ok && awssdk.ToString(old.Parameter.Value) == v:
			delete(want, name)
		case !ok:
			m.remove(name)
		}
	}
	for name, v := range want {
		if _, err := m.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &v,
			Type: ssmtypes.ParameterTypeSecureString, Overwrite: awssdk.Bool(true)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (m motoParameters) names(t testing.TB) (all []string) {
	pages := ssm.NewDescribeParametersPaginator(m.ssm, &ssm.DescribeParametersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parameters {
			all = append(all, *p.Name)
		}
	}
	return all
}

func (m motoParameters) Delete(dir, name string) { m.remove(parameterName(dir, name)) }

func (m motoParameters) remove(name string) {
	m.ssm.DeleteParameter(context.Background(), &ssm.DeleteParameterInput{Name: &name})
}

func TestMoto(t *testing.T) {
	m := startMoto(t)
	t.Run("SecretsManager", func(t *testing.T) {
		providertest.Run(t, motoSecrets{m}, providertest.Traits{MaxValue: 64 << 10, NoEmpty: true})
	})
	t.Run("ParameterStore", func(t *testing.T) {
		providertest.Run(t, motoParameters{m}, providertest.Traits{MaxValue: 4096, NoEmpty: true, NoBinary: true})
	})
}
