package server

import (
	"cmp"
	"time"
)

// Limits bound what clients may ask of the server. A zero field takes the value of [DefaultLimits].
type Limits struct {
	HeaderTime time.Duration // For all headers of a request.
	ReadTime   time.Duration // For each read of a body; it begins anew when something comes.
	ReadRate   int64         // Bytes a second that a body must bring on average, once ReadTime is over.
	WriteTime  time.Duration // For each write of an answer.
	IdleTime   time.Duration // Between two requests on a connection.
	// ProxyIdleTime is IdleTime for proxies that are trusted. One that closes a connection later than the server would send a request
	// into nothing; Google's load balancers keep them for 600 s.
	ProxyIdleTime time.Duration
	AnswerTime    time.Duration // For the engine, with the time in its queue.
	StopTime      time.Duration // For the requests in hand when the server stops.
	HeaderBytes   int           // Of all headers of a request.

	Connections       int // At once.
	ClientConnections int // At once from one client's address; machines of their own and proxies that are trusted are exempt.

	Rate  float64 // Requests a second that a client may send; 0 for any number.
	Burst int     // Requests that a client may send at once; 0 for twice the rate.

	Photos   int   // A request.
	Body     int64 // Bytes of a request with photos, however they are encoded.
	InFlight int64 // Bytes of photos in memory, over all requests.
}

// DefaultLimits are those of a server on the internet. They set no rate.
func DefaultLimits() Limits {
	return Limits{
		HeaderTime: 10 * time.Second, ReadTime: 30 * time.Second, ReadRate: 1 << 10, WriteTime: 30 * time.Second,
		IdleTime: 2 * time.Minute, ProxyIdleTime: 620 * time.Second, AnswerTime: time.Minute, StopTime: 20 * time.Second, HeaderBytes: 64 << 10,
		Connections: 1024, ClientConnections: 128,
		Photos: 256, Body: 128 << 20, InFlight: 512 << 20,
	}
}

// orDefault fills in what is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	return Limits{
		HeaderTime: cmp.Or(l.HeaderTime, d.HeaderTime), ReadTime: cmp.Or(l.ReadTime, d.ReadTime), ReadRate: cmp.Or(l.ReadRate, d.ReadRate),
		WriteTime: cmp.Or(l.WriteTime, d.WriteTime), IdleTime: cmp.Or(l.IdleTime, d.IdleTime), ProxyIdleTime: cmp.Or(l.ProxyIdleTime, d.ProxyIdleTime), AnswerTime: cmp.Or(l.AnswerTime, d.AnswerTime),
		StopTime: cmp.Or(l.StopTime, d.StopTime), HeaderBytes: cmp.Or(l.HeaderBytes, d.HeaderBytes),
		Connections: cmp.Or(l.Connections, d.Connections), ClientConnections: cmp.Or(l.ClientConnections, d.ClientConnections),
		Rate: l.Rate, Burst: cmp.Or(l.Burst, int(2*l.Rate), 1),
		Photos: cmp.Or(l.Photos, d.Photos), Body: cmp.Or(l.Body, d.Body), InFlight: cmp.Or(l.InFlight, d.InFlight),
	}
}
