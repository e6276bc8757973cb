package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kaika/core/serve"
)

// Metrics are the server's figures for Prometheus, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry

	requests *prometheus.HistogramVec // Seconds, by route, method and status.
	inHand   prometheus.Gauge
	refusals *prometheus.CounterVec // By reason.
	photos   *prometheus.CounterVec // By what became of them.
	batches  prometheus.Histogram   // Photos a batch.
	computed prometheus.Histogram   // Seconds a batch.
	waits    prometheus.Histogram   // Seconds in the queue.
	queue    prometheus.Gauge       // Photos.
}

// NewMetrics makes them. The function engineRestarts tells how often the engine was started again after it had died; it
// may be nil.
func NewMetrics(version string, engineRestarts func() int) *Metrics {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 16) // 1 ms to 33 s.
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kaika_http_request_duration_seconds", Help: "Time from a request's headers to the end of its answer.", Buckets: seconds,
		}, []string{"route", "method", "status"}),
		inHand: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kaika_http_requests_in_hand", Help: "Requests that are being answered."}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kaika_http_refusals_total", Help: "Requests that were answered with an error, and connections that were refused, by reason.",
		}, []string{"reason"}),
		photos: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kaika_photos_total", Help: "Photos that were answered for: classified, or bad where they could not be read.",
		}, []string{"outcome"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kaika_batch_photos", Help: "Photos that went to the engine together.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		computed: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kaika_batch_duration_seconds", Help: "Time that the engine took for a batch.", Buckets: seconds,
		}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kaika_queue_wait_seconds", Help: "Time that the first photo of a batch waited for the engine.", Buckets: seconds,
		}),
		queue: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kaika_queue_photos", Help: "Photos that wait for the engine."}),
	}
	if engineRestarts == nil {
		engineRestarts = func() int { return 0 }
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kaika_build_info", Help: "1; the version of the program is the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.requests, m.inHand, m.refusals, m.photos, m.batches, m.computed, m.waits, m.queue, build,
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "kaika_engine_restarts_total", Help: "How often the engine was started again after it had died.",
		}, func() float64 { return float64(engineRestarts()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// handler serves them.
func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

var _ serve.Observer = (*Metrics)(nil)

// Batch implements serve.Observer.
func (m *Metrics) Batch(photos int, waited, took time.Duration) {
	m.batches.Observe(float64(photos))
	m.waits.Observe(waited.Seconds())
	m.computed.Observe(took.Seconds())
}

// Queue implements serve.Observer.
func (m *Metrics) Queue(photos int) { m.queue.Set(float64(photos)) }
