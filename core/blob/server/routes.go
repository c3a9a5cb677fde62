package server

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// may is a set of roles.
type may uint8

const (
	devices    may = 1 << channel.RoleDevice
	passwords  may = 1 << channel.RoleAuth
	principals may = 1 << channel.RolePrincipal
	newcomers  may = 1 << channel.RoleNew
)

func (m may) allow(r channel.Role) bool { return m&(1<<r) != 0 }

// A route is one thing that a server answers. Routes of a vault have a serve,
// and who may ask; the others an open, and anybody may.
type route struct {
	pattern string
	who     may
	// stranger: a device that the vault does not list may ask as well: with the
	// first commit of a vault, or the one by which it joins. Such a caller is
	// unknown, and serve has to verify it.
	stranger bool
	serve    func(*Server, http.ResponseWriter, *http.Request, *caller) error
	open     func(*Server, http.ResponseWriter, *http.Request) error
}

// routes lists them all; openapi.json describes the same ones.
func routes() []route {
	const v = "/v1/vaults/{vault}/"
	return []route{
		{pattern: "GET " + v + "head", who: devices | passwords | principals, serve: (*Server).getHead},
		{pattern: "GET " + v + "manifests/{seq}", who: devices | passwords | principals, serve: (*Server).getManifest},
		{pattern: "GET " + v + "changes", who: devices | passwords | principals, serve: (*Server).getChanges},
		{pattern: "POST " + v + "records", who: devices | passwords | principals, serve: (*Server).postRecords},
		{pattern: "GET " + v + "records/{kind}/{id}/{version}", who: devices | passwords | principals, serve: (*Server).getRecord},
		{pattern: "GET " + v + "usage", who: devices, serve: (*Server).getUsage},
		{pattern: "POST " + v + "commits", who: devices | passwords | principals, stranger: true, serve: (*Server).postCommit},
		{pattern: "PUT " + v + "uploads/{upload}/{part}", who: devices | principals, stranger: true, serve: (*Server).putPart},
		{pattern: "POST " + v + "requests", who: newcomers, serve: (*Server).postRequest},
		{pattern: "GET " + v + "requests", who: devices, serve: (*Server).getRequests},
		{pattern: "DELETE " + v + "requests/{request}", who: devices | newcomers, serve: (*Server).deleteRequest},
		{pattern: "PUT " + v + "requests/{request}/reply", who: devices, serve: (*Server).putReply},
		{pattern: "GET " + v + "requests/{request}/reply", who: newcomers, serve: (*Server).getReply},
		{pattern: "PUT " + v + "witness", who: devices, serve: (*Server).putWitness},
		{pattern: "GET " + v + "witness", who: devices, serve: (*Server).getWitness},
		{pattern: "GET " + wire.PathLocate + "{locator}", open: (*Server).getLocate},
		{pattern: "GET " + wire.PathKey, open: (*Server).getKey},
		{pattern: "POST " + wire.PathSealed, open: (*Server).postSealed},
		{pattern: "GET /healthz", open: (*Server).getHealth},
		{pattern: "GET /readyz", open: (*Server).getReady},
		{pattern: "GET /metrics", open: (*Server).getMetrics},
		{pattern: "GET /openapi.json", open: (*Server).getOpenAPI},
		{pattern: "GET /{$}", open: (*Server).getPage},
	}
}

// Routes returns the patterns of all routes, as package net/http writes them.
func Routes() []string {
	var out []string
	for _, r := range routes() {
		out = append(out, r.pattern)
	}
	return out
}

// sealedKey marks the context of a request that came sealed.
type sealedKey struct{}

func isSealed(ctx context.Context) bool { return ctx.Value(sealedKey{}) != nil }

func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.Handle(rt.pattern, s.watched(rt.pattern, s.bind(rt)))
	}
	mux.Handle("/", s.watched("none", func(http.ResponseWriter, *http.Request) error {
		return &problem{status: http.StatusNotFound, code: wire.CodeNotFound, text: "no such path or method"}
	}))
	return mux
}

// bind returns the handler of a route: for those of a vault it finds out first
// who asks.
func (s *Server) bind(rt route) handler {
	if rt.open != nil {
		return func(w http.ResponseWriter, r *http.Request) error { return rt.open(s, w, r) }
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.c.SealedOnly && !isSealed(r.Context()) {
			return sealedOnly()
		}
		var v depot.Vault
		if !unhex(v[:], r.PathValue("vault")) {
			return invalid("a vault's id is 32 hex digits")
		}
		c, err := s.authenticate(r, v, rt)
		if err != nil {
			return err
		}
		return rt.serve(s, w, r, c)
	}
}

// unhex fills dst with what s spells, in lower case.
func unhex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	n, err := hex.Decode(dst, []byte(s))
	return err == nil && hex.EncodeToString(dst[:n]) == s
}
