package server

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/netutil"
)

// limitConnections bounds how many connections are open at once, all in all and from one client. All in all, further
// ones wait to be accepted; from one client, they are closed.
func (s *Server) limitConnections(l net.Listener) net.Listener {
	return &perClient{Listener: netutil.LimitListener(l, s.Limits.Connections), server: s, open: map[string]int{}}
}

type perClient struct {
	net.Listener

	server *Server
	mu     sync.Mutex
	open   map[string]int // By household.
}

// Accept implements net.Listener.
func (l *perClient) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		var client netip.Addr
		if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			client = tcp.AddrPort().Addr().Unmap()
		}
		if l.server.unbounded(client) {
			return c, nil
		}
		key := household(client)
		if l.enter(key) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(key) })}, nil
		}
		l.server.Metrics.refusals.WithLabelValues("connections").Inc()
		_ = c.Close() // It is of no use to anybody.
	}
}

func (l *perClient) enter(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client] >= l.server.Limits.ClientConnections {
		return false
	}
	l.open[client]++
	return true
}

func (l *perClient) leave(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// A counted connection tells when it is closed.
type counted struct {
	net.Conn

	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
