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
		next, ok := parseHop(hop)
		if !ok {
			break
		}
		client = next
	}
	return client
}

// parseHop reads an address of X-Forwarded-For. Some proxies write the port, too, and IPv6 in brackets.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// unbounded tells whether a client has no limits of its own: one of a server that only its own machine reaches, and a proxy
// that is trusted, behind which there are many.
func (s *Server) unbounded(client netip.Addr) bool {
	return !client.IsValid() || client.IsLoopback() && s.Local || s.trusts(client)
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

// forwarded tells whether a proxy says that it hands on what somebody else asked.
func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// nearby tells whether a request comes from somebody on this machine who means this machine. A browser can be brought to
// send requests of a foreign page here under the page's own name, and a proxy sends those of the whole world: neither
// counts.
func (s *Server) nearby(r *http.Request) bool {
	if !s.Local || forwarded(r) {
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
