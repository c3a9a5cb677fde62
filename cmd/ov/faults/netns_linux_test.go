package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/server/faulttest"
)

// deadline is what no command takes, whatever becomes of the network: two
// silences of 20 s, and what a loaded machine adds.
const deadline = 90 * time.Second

// A campus is two people, two replicas and PostgreSQL, each in a network
// namespace of their own, with the real programs in them.
type campus struct {
	*world
	net      *faulttest.Net
	replicas []*server
	homes    []*home
}

func newCampus(t *testing.T) *campus {
	t.Helper()
	n := faulttest.NewNet(t, 1, "desk", "laptop", "r0", "r1", "db")
	c := &campus{world: newWorld(t), net: n}
	dsn := c.database(suite.DSN(t))
	cert, key := c.certificate(n.IP("r0"), n.IP("r1"))
	for i, name := range []string{"r0", "r1"} {
		s := c.server(name, dsn)
		s.address, s.enter = n.IP(name)+":7443", n.Enter(name)
		s.args = append(s.args, "--tls-cert", cert, "--tls-key", key)
		if i > 0 {
			s.args = append(s.args, "--key", c.path("r0/server.key"))
		}
		s.ready = c.ready(name, s.address)
		s.start()
		c.replicas = append(c.replicas, s)
	}
	desk := c.home("desk")
	c.homes = []*home{desk, desk.another("laptop")}
	for i, h := range c.homes {
		h.enter = n.Enter(filepath.Base(h.dir))
		how := []string{"init", "--device", "desk"}
		if i == 1 {
			how = []string{"join", "--device", "laptop"}
		}
		h.must("", append([]string{"vault", how[0], "--server", "https://" + c.replicas[i].address, "--ca", cert, "--kit", c.path("kit")}, how[1:]...)...)
		h.must("", "unlock")
		t.Cleanup(func() { h.ov("", "agent", "stop") })
	}
	return c
}

// ready asks a replica on its own node whether it is, database and all.
func (c *campus) ready(node, address string) func() bool {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // nothing is believed of it
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return c.net.Dial(node, address, 5*time.Second)
		},
	}}
	return func() bool {
		resp, err := client.Get("https://" + address + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}

// database brings PostgreSQL, which listens on a socket, to the node "db".
func (c *campus) database(dsn string) string {
	c.t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := c.net.Listen("db", 5432)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
			if err != nil {
				c.t.Logf("database: %v", err)
				in.Close()
				continue
			}
			go func() { defer out.Close(); io.Copy(out, in) }()
			go func() { defer in.Close(); io.Copy(in, out) }()
		}
	}()
	return fmt.Sprintf("postgres://postgres@%s:5432%s?sslmode=disable", c.net.IP("db"), u.Path)
}

// certificate writes one for some addresses, and its key.
func (c *campus) certificate(ips ...string) (cert, key string) {
	c.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, ip := range ips {
		tmpl.IPAddresses = append(tmpl.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, private.Public(), private)
	if err != nil {
		c.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, key = c.path("cert.pem"), c.path("key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	return cert, key
}

// A tally is what came of writes, each of a secret of its own.
type tally struct {
	mu      sync.Mutex
	said    map[string]bool // whether ov said that it is stored
	longest time.Duration
	refused int
}

// write stores n secrets from every home at once; those that fail have to say
// why, and in time.
func (c *campus) write(what string, n int, sum *tally) {
	c.t.Helper()
	var wg sync.WaitGroup
	for _, h := range c.homes {
		wg.Go(func() {
			for i := range n {
				name := strings.ToUpper(fmt.Sprintf("%s_%s_%d", filepath.Base(h.dir), what, i))
				sum.note(c.t, name, h.set(name, "value-of-"+name))
			}
		})
	}
	wg.Wait()
}

func (s *tally) note(t *testing.T, name string, r result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[name] = r.code == 0
	s.longest = max(s.longest, r.took)
	if r.took > deadline {
		t.Errorf("%s: %s", name, r)
	}
	if r.code != 0 {
		s.refused++
		if !strings.Contains(r.stderr, "server cannot be reached") {
			t.Errorf("%s: does not say why: %s", name, r)
		}
	}
}

// settle looks at what is stored: all that was acknowledged, each once, with its
// value; it returns how many are there although nobody was told.
func (c *campus) settle(sum *tally) (late int) {
	c.t.Helper()
	for _, h := range c.homes {
		h.must("", "sync")
		var list []struct {
			Name    string
			Version int
		}
		if err := json.Unmarshal([]byte(h.must("", "secret", "list", "--app", "shop", "--env", "development", "--json").stdout), &list); err != nil {
			c.t.Fatal(err)
		}
		there := map[string]int{}
		for _, s := range list {
			there[s.Name] = s.Version
		}
		late = 0
		var check strings.Builder
		for name, said := range sum.said {
			switch n := there[name]; {
			case n > 1:
				c.t.Errorf("%s was written %d times", name, n)
			case said && n == 0:
				c.t.Errorf("%s was acknowledged, and is lost", name)
			case !said && n == 1:
				late++
			}
			if there[name] > 0 {
				fmt.Fprintf(&check, `test "$(printf %%s "$%s" | sha256sum)" = "$(printf %%s value-of-%s | sha256sum)" || exit 77; `, name, name)
			}
		}
		if len(sum.said) == 0 {
			c.t.Error("nothing was written")
		}
		if r := h.ov("", "run", "--app", "shop", "--env", "development", "--", "sh", "-c", check.String()); r.code != 0 {
			c.t.Errorf("values at %s: %s", filepath.Base(h.dir), r)
		}
	}
	return late
}

// worse is what takes minutes, since every deadline is waited for: answers that
// are lost, a replica without its database, and all of it coming and going.
func (c *campus) worse(part func(what string, writes int) int, each int) {
	c.t.Helper()
	desk, laptop, n := c.homes[0], c.homes[1], c.net
	// One way alone: the server hears, and its answers are lost.
	n.Way("r0", "desk", faulttest.Line{Cut: true})
	part("oneway", 1)
	n.All(faulttest.Line{})
	desk.must("", "sync")

	// A replica is cut off from the database: its device is told, the other goes on.
	n.Between("r1", "db", faulttest.Line{Cut: true})
	if got := part("nodb", 1); got != 1 {
		c.t.Errorf("%d of 2 writes refused, one of the replicas has no database", got)
	}
	if r := laptop.holds("DESK_FAIR_0", "value-of-DESK_FAIR_0"); r.code != 0 || !strings.Contains(r.stderr, "this is the copy of ") {
		c.t.Errorf("a read without a database: %s", r)
	}
	n.All(faulttest.Line{})
	laptop.must("", "sync")

	// It comes and goes while both write.
	over := make(chan struct{})
	var weather sync.WaitGroup
	weather.Go(func() {
		lines := []faulttest.Line{{}, {Cut: true}, {Loss: 0.3, Jitter: 50 * time.Millisecond}, {}}
		ends := [][2]string{{"desk", "r0"}, {"r0", "db"}, {"laptop", "r1"}, {"r1", "db"}}
		for i := 0; ; i++ {
			e := ends[i%len(ends)]
			n.Between(e[0], e[1], lines[i/2%len(lines)])
			select {
			case <-over:
				n.All(faulttest.Line{})
				return
			case <-time.After(700 * time.Millisecond):
			}
		}
	})
	part("changing", each)
	close(over)
	weather.Wait()
}

// 1 of the faults: delay, loss and partition of packets between two devices, two
// replicas and PostgreSQL, the real programs over TLS. Writers go on or say why;
// what was acknowledged is there, once; reads come from the copy, which says how
// old it is; nothing hangs; and afterwards all is as before.
func TestFaultNetwork(t *testing.T) {
	c := newCampus(t)
	desk := c.homes[0]
	n, each := c.net, 3
	if campaign() {
		each = 20
	}
	sum := &tally{said: map[string]bool{}}
	figures := map[string]time.Duration{}
	part := func(what string, writes int) (refused int) {
		t.Helper()
		before := sum.refused
		sum.longest = 0
		c.write(what, writes, sum)
		figures[what] = sum.longest
		return sum.refused - before
	}
	if part("fair", each) > 0 {
		t.Error("refused on a good day")
	}
	n.All(faulttest.Line{Delay: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.03})
	lossy := part("lossy", each)

	// The desk is cut off from its replica; the laptop is not.
	n.All(faulttest.Line{})
	n.Between("desk", "r0", faulttest.Line{Cut: true})
	time.Sleep(2 * time.Second) // what was asked a second ago is not asked again
	if st := desk.ov("", "status"); !strings.Contains(st.stdout, "offline since ") || st.took > deadline/2 {
		t.Errorf("status in a partition: %s", st) // it asks: the last answer is seconds old
	}
	r := desk.holds("DESK_FAIR_0", "value-of-DESK_FAIR_0")
	if figures["read"] = r.took; r.code != 0 || !strings.Contains(r.stderr, "this is the copy of ") || r.took > deadline/2 {
		t.Errorf("a read in a partition: %s", r)
	}
	if got := part("cut", 1); got != 1 {
		t.Errorf("%d of 2 writes refused, one of the devices is cut off", got)
	}
	n.Between("desk", "r0", faulttest.Line{})
	desk.must("", "sync")
	if campaign() {
		c.worse(part, each)
	}
	if part("after", each) > 0 {
		t.Error("refused when all was good again")
	}
	late := c.settle(sum)
	passed, lost := n.Packets()
	if t.Failed() {
		return
	}
	fmt.Printf("fault network, real programs in 5 namespaces: %d packets, %d lost; %d writes, %d refused with the reason (%d of them in 3 %% loss), %d of those made after all; none lost, none doubled\n", passed, lost, len(sum.said), sum.refused, lossy, late)
	for _, what := range []string{"fair", "lossy", "cut", "oneway", "nodb", "changing", "after", "read"} {
		if took := figures[what]; took > 0 {
			fmt.Printf("fault network: the longest command, %s: %s\n", what, took.Round(time.Millisecond))
		}
	}
}
