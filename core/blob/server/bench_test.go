package server_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/channel"
)

// connections is how many clients the figures are for.
const connections = 16

// signedGet is a GET as it goes over the wire. The client's work, the signature
// above all, is done before the clock starts: it runs on another machine.
func signedGet(b *testing.B, host, path, query string, signer channel.Signer) []byte {
	b.Helper()
	auth, err := channel.Sign(channel.Request{Method: "GET", Host: host, Path: path, Query: query, Body: sha256.Sum256(nil)}, signer, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if query != "" {
		path += "?" + query
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", path, host, auth)
}

// hit sends requests over a connection each and returns how long each took.
func hit(b *testing.B, host string, requests [][]byte) []time.Duration {
	b.Helper()
	var next atomic.Int64
	took := make([]time.Duration, len(requests))
	var wg sync.WaitGroup
	for range connections {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				start := time.Now()
				if _, err := conn.Write(requests[i]); err != nil {
					b.Error(err)
					return
				}
				if err := discardAnswer(r); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return took
}

// discardAnswer reads one answer, which must be a 200.
func discardAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("%s", status)
	}
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, r, int64(n))
	return err
}

// report says how many requests a second were answered, how long the slowest
// but one in a hundred took, and how much processor time each cost, client
// included: what other work on the machine does not change.
func report(b *testing.B, took []time.Duration, cpu time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(cpu.Microseconds())/float64(len(took)), "cpu-us/req")
	b.ReportMetric(0, "ns/op")
}

// processor is the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchVault is a vault of n records of 1,000 bytes each, on a server that logs
// as it does when it serves.
func benchVault(b *testing.B, n int) *vault {
	b.Helper()
	rig := servertest.Start(b, server.Config{Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	v := newVault(b, rig)
	h, err := v.Store.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var put []blob.Record
	for i := range n {
		r := blobtest.Record(10+i, 1)
		r.Data = bytes.Repeat([]byte{byte(i)}, 1000)
		put = append(put, r)
	}
	c, err := v.On(h, put...)
	if err != nil {
		b.Fatal(err)
	}
	if err := v.Store.Commit(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	return v
}

func BenchmarkGetRecord(b *testing.B) {
	v := benchVault(b, 1000)
	host := v.rig.HTTP.Listener.Addr().String()
	requests := make([][]byte, b.N)
	for i := range requests {
		id := blobtest.Key(10+i%1000, 1).ID
		requests[i] = signedGet(b, host, v.path("records", "4", hex.EncodeToString(id[:]), "1"), "", v.dev)
	}
	before := processor(b)
	b.ResetTimer()
	took := hit(b, host, requests)
	b.StopTimer()
	report(b, took, processor(b)-before)
}

func BenchmarkGetHead(b *testing.B) {
	v := benchVault(b, 10)
	host := v.rig.HTTP.Listener.Addr().String()
	requests := make([][]byte, b.N)
	for i := range requests {
		requests[i] = signedGet(b, host, v.path("head"), "", v.dev)
	}
	before := processor(b)
	b.ResetTimer()
	took := hit(b, host, requests)
	b.StopTimer()
	report(b, took, processor(b)-before)
}

// BenchmarkChanges lists a vault of 10,000 records, as a client gets it.
func BenchmarkChanges10k(b *testing.B) {
	v := benchVault(b, 10_000)
	for b.Loop() {
		e, err := v.Store.Changes(b.Context(), 0)
		if err != nil || len(e) != 10_001 {
			b.Fatal(len(e), err)
		}
	}
}

// BenchmarkImport10k is one commit of 10,000 records, in parts, sealed.
func BenchmarkImport10k(b *testing.B) {
	for b.Loop() {
		benchVault(b, 10_000)
	}
}

// BenchmarkCommit is a commit of one record each, from 16 clients with a vault
// each, signed and checked: what an edit costs through the whole server.
func BenchmarkCommit(b *testing.B) {
	for name, c := range map[string]server.Config{"SQLite": {}} {
		b.Run(name, func(b *testing.B) {
			c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
			rig := servertest.Start(b, c)
			var vaults []*vault
			for range connections {
				v := newVault(b, rig)
				o := rig.Options(v.id, v.dev)
				o.ServerKey = nil
				v.Signed = servertest.NewSigned(servertest.Open(b, o), v.id, v.dev)
				vaults = append(vaults, v)
			}
			var next atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, v := range vaults {
				wg.Go(func() {
					h, err := v.Store.Head(b.Context())
					for i := 0; err == nil && next.Add(1) <= int64(b.N); i++ {
						var c blob.Commit
						if c, err = v.On(h, blobtest.Record(100+i, 1)); err == nil {
							err = v.Store.Commit(b.Context(), c)
						}
						h = blob.Head{Seq: c.Seq, Manifest: c.Manifest}
					}
					if err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
