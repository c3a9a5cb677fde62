package server

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openapi []byte

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi)
	return nil
}

func (s *Server) getPage(w http.ResponseWriter, _ *http.Request) error {
	return nil
}
