package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// limitConnections bounds how many connections are open at once, all in all and from one client. All in all, a further one takes
// the place of that which has been idle the longest, or waits where all are busy; from one client, it is closed.
func (s *Server) limitConnections(l net.Listener) *gate {
	g := &gate{
		Listener: l, server: s, places: make(chan struct{}, s.Limits.Connections), closed: make(chan struct{}), open: map[string]int{}, idle: list.New(),
	}
	g.close = sync.OnceFunc(func() { close(g.closed) })
	return g
}

// A gate is a listener that knows which of its connections are idle.
type gate struct {
	net.Listener

	server *Server
	places chan struct{} // Holds a value for each connection that is open.
	closed chan struct{}
	close  func()

	mu      sync.Mutex
	open    map[string]int // By household.
	idle    *list.List     // Of *guest, the one that is so the longest in front.
	waiting bool           // A connection waits for a place.
}

// A guest is a connection that was let in.
type guest struct {
	net.Conn

	leave   func()
	patient bool // It is a trusted proxy's, which keeps connections for whoever comes next.

	// Held by the gate's lock.
	place *list.Element // Among the idle ones; nil for one that is not.
	timer *time.Timer   // Ends it when it has been idle for long.
}

// peerOf gives the address at the other end, the zero value where that has none.
func peerOf(c net.Conn) netip.Addr {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !g.wait() {
			_ = c.Close()
			return nil, net.ErrClosed
		}
		client, key := peerOf(c), ""
		if !g.server.unbounded(client) {
			key = household(client)
		}
		if g.enter(key) {
			one := &guest{Conn: c, patient: g.server.trusts(client)}
			one.leave = sync.OnceFunc(func() { g.left(one, key) })
			return one, nil
		}
		<-g.places
		g.server.Metrics.refusals.WithLabelValues("connections").Inc()
		_ = c.Close() // It is of no use to anybody.
	}
}

// wait waits for a place, which the longest idle connection has to make. It is false when the gate was closed.
func (g *gate) wait() bool {
	select {
	case g.places <- struct{}{}:
		return true
	default:
	}
	g.mu.Lock()
	g.waiting = true
	var longest *guest
	if first := g.idle.Front(); first != nil {
		longest, _ = first.Value.(*guest)
	}
	g.mu.Unlock()
	if longest != nil {
		_ = longest.Close()
	}
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.waiting = false
	}()
	select {
	case g.places <- struct{}{}:
		return true
	case <-g.closed:
		return false
	}
}

// Close implements net.Listener.
func (g *gate) Close() error {
	g.close()
	return g.Listener.Close()
}

// enter counts a connection of a client. Nobody counts those of "".
func (g *gate) enter(client string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if client == "" {
		return true
	}
	if g.open[client] >= g.server.Limits.ClientConnections {
		return false
	}
	g.open[client]++
	return true
}

// left forgets a connection that was closed.
func (g *gate) left(one *guest, client string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy(one)
	if client != "" {
		if g.open[client]--; g.open[client] == 0 {
			delete(g.open, client)
		}
	}
	<-g.places
}

// busy takes a connection out of the idle ones, for who holds the lock.
func (g *gate) busy(one *guest) {
	if one.place == nil {
		return
	}
	g.idle.Remove(one.place)
	one.timer.Stop()
	one.place = nil
}

// changed is told by net/http when a connection becomes idle or busy (http.Server.ConnState).
func (g *gate) changed(c net.Conn, state http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	one, ok := c.(*guest)
	if !ok {
		return
	}
	g.mu.Lock()
	g.busy(one)
	full := false
	if state == http.StateIdle {
		if full = g.waiting; !full {
			patience := g.server.Limits.IdleTime
			if one.patient {
				patience = g.server.Limits.ProxyIdleTime
			}
			one.place = g.idle.PushBack(one)
			one.timer = time.AfterFunc(patience, func() { _ = one.Close() })
		}
	}
	g.mu.Unlock()
	if full { // Somebody waits for its place.
		_ = one.Close()
	}
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.leave()
	return c.Conn.Close()
}
