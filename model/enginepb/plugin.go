// Package enginepb is the contract between kaika and kaika-engine: the messages of engine.proto, and how the two
// programs find each other through github.com/hashicorp/go-plugin.
package enginepb

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// PluginName is the name under which the engine is served.
const PluginName = "engine"

// LifelineFD is the file descriptor from which the engine reads until kaika ends, however it ends.
const LifelineFD = 3

// LifelineEnv is set in the engine's environment when it has a lifeline.
const LifelineEnv = "KAIKA_ENGINE_LIFELINE"

// MostLoaded is how many networks the engine keeps loaded at once.
const MostLoaded = 8

// Handshake makes sure that the program that was started is an engine of the same contract.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "KAIKA_ENGINE", MagicCookieValue: "kaika-engine"}
}

// Plugin serves an engine, or gives a client of one.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin

	Engine EngineServer // Set in the program that holds it.
}

var _ plugin.GRPCPlugin = (*Plugin)(nil)

// GRPCServer registers the engine with a server.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.Engine == nil {
		return errors.New("no engine to serve")
	}
	RegisterEngineServer(s, p.Engine)
	return nil
}

// GRPCClient gives an [EngineClient].
func (p *Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewEngineClient(c), nil
}
