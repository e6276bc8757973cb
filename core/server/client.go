package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientOf gives the address that a request comes from. What a proxy says of it counts only if the proxy is trusted.
func (s *Server) clientOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) { // The nearest is the last.
		if !s.trusts(client) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		client = next.Unmap().WithZone("")
	}
	return client
}

func (s *Server) trusts(proxy netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(proxy) })
}

// household gives the key under which a client is counted: its address, or of IPv6 the network of 64 bits, of which
// everybody has as many addresses as they like.
func household(client netip.Addr) string {
	if client.Is6() {
		if p, err := client.Prefix(64); err == nil {
			return p.String()
		}
	}
	return client.String()
}

// nearby tells whether a request comes from somebody on this machine who means this machine. A browser can be brought to
// send requests of a foreign page here under the page's own name, and a proxy sends those of the whole world: neither
// counts.
func (s *Server) nearby(r *http.Request) bool {
	if !s.Local || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
