package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// A watch counts. Its labels are routes, statuses and outcomes, never ids.
type watch struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	commits  *prometheus.CounterVec
	running  prometheus.Gauge
	panics   prometheus.Counter
}

func newWatch() *watch {
	w := &watch{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ov_requests_total", Help: "Requests answered."}, []string{"route", "status", "sealed"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ov_request_seconds", Help: "Time to answer.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route"}),
		bytes:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ov_bytes_total", Help: "Bytes of bodies."}, []string{"direction"}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ov_commits_total", Help: "Commits by outcome."}, []string{"outcome"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ov_requests_running", Help: "Requests being answered."}),
		panics:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ov_panics_total", Help: "Requests that ended in a panic."}),
	}
	w.registry.MustRegister(w.requests, w.seconds, w.bytes, w.commits, w.running, w.panics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return w
}

// commit counts a commit.
func (w *watch) commit(before bool, err error) {
	outcome := "stored"
	switch {
	case errors.Is(err, blob.ErrConflict):
		outcome = "conflict"
	case errors.Is(err, depot.ErrUnavailable):
		outcome = "unavailable"
	case err != nil:
		outcome = "refused"
	case before:
		outcome = "repeated"
	}
	w.commits.WithLabelValues(outcome).Inc()
}

// Watch serves /metrics, /healthz and /readyz, for a listener of their own.
func (s *Server) Watch() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics())
	mux.Handle("GET /healthz", s.watched("GET /healthz", s.getHealth))
	mux.Handle("GET /readyz", s.watched("GET /readyz", s.getReady))
	return mux
}

func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.watch.registry, promhttp.HandlerOpts{})
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	if s.c.NoMetrics {
		return blob.ErrNotFound
	}
	s.metrics().ServeHTTP(w, r)
	return nil
}

// A meter counts what goes out.
type meter struct {
	http.ResponseWriter
	status int
	n      int64
}

// WriteHeader implements http.ResponseWriter.
func (m *meter) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (m *meter) Write(b []byte) (int, error) {
	if m.status == 0 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(b)
	m.n += int64(n)
	return n, err
}

// Unwrap is for http.MaxBytesReader, which closes the connection of who sends too much.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// watched answers with h, tells its problems, and notes each request: the
// route, not the path; sizes, not bodies; why, not who.
func (s *Server) watched(pattern string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.c.Now()
		m := &meter{ResponseWriter: w}
		s.watch.running.Inc()
		err := s.protected(h, m, r)
		s.watch.running.Dec()
		var p *problem
		if err != nil {
			p = s.tell(m, err)
		}
		s.note(r, pattern, m, s.c.Now().Sub(start), p, err)
	})
}

// protected turns a panic of h into an error that says nothing of its value.
func (s *Server) protected(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.watch.panics.Inc()
			err = fmt.Errorf("panic of type %T at %s", v, places(debug.Stack()))
		}
	}()
	return h(w, r)
}

// places returns the functions of a stack, without their arguments: those are
// addresses, or data.
func places(stack []byte) string {
	var out []string
	for line := range strings.Lines(string(stack)) {
		if strings.HasPrefix(line, "\t") {
			path, _, _ := strings.Cut(strings.TrimSpace(line), " +0x")
			out = append(out, path[strings.LastIndexByte(path, '/')+1:])
		}
	}
	return strings.Join(out[:min(len(out), 12)], " < ")
}

func (s *Server) note(r *http.Request, pattern string, m *meter, took time.Duration, p *problem, err error) {
	sealed := isSealed(r.Context())
	if m.status == 0 {
		m.status = http.StatusOK
	}
	s.watch.requests.WithLabelValues(pattern, strconv.Itoa(m.status), strconv.FormatBool(sealed)).Inc()
	s.watch.seconds.WithLabelValues(pattern).Observe(took.Seconds())
	if !sealed {
		s.watch.bytes.WithLabelValues("in").Add(float64(max(r.ContentLength, 0)))
		s.watch.bytes.WithLabelValues("out").Add(float64(m.n))
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("route", pattern), slog.Int("status", m.status), slog.Bool("sealed", sealed),
		slog.Int64("in", max(r.ContentLength, 0)), slog.Int64("out", m.n), slog.Duration("took", took), slog.String("from", address(r)),
	}
	if p != nil {
		attrs = append(attrs, slog.String("code", p.code))
		if m.status >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.String("cause", err.Error()))
		}
	}
	s.c.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}
