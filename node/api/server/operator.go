package server

import (
	"net/http"

	"github.com/weft-mesh/weft/node/api"
)

// What the operator asks for.

func (s *server) openRun(_ http.ResponseWriter, r *http.Request) (any, error) {
	var req api.RunRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.site.OpenRun(r.Context(), req)
}

func (s *server) consent(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var c api.Consent
	if err := decodeBody(r.Body, &c); err != nil {
		return nil, err
	}
	return struct{}{}, s.site.Consent(r.Context(), run, c.Accept)
}

func (s *server) stop(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var stop api.Stop
	if err := decodeBody(r.Body, &stop); err != nil {
		return nil, err
	}
	return struct{}{}, s.site.StopRun(r.Context(), run, stop.Reason)
}

func (s *server) evaluate(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var req api.EvaluateRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.site.Evaluate(r.Context(), run, req.Model)
}

func (s *server) generate(_ http.ResponseWriter, r *http.Request) (any, error) {
	run, err := pathCID(r, "run")
	if err != nil {
		return nil, err
	}
	var req api.GenerateRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.site.Generate(r.Context(), run, req)
}

func (s *server) roster(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.site.Roster(r.Context())
}

func (s *server) changeRoster(_ http.ResponseWriter, r *http.Request) (any, error) {
	var req api.ChangeRequest
	if err := decodeBody(r.Body, &req); err != nil {
		return nil, err
	}
	return s.site.ChangeRoster(r.Context(), req)
}
