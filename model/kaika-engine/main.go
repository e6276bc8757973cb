// Command kaika-engine holds TensorFlow for kaika. It is started by kaika, never by hand, and ends with it.
package main

import (
	"io"
	"math"
	"os"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"kaika/model/engine"
	"kaika/model/enginepb"
)

func main() {
	engine.LimitArenas()
	if os.Getenv(enginepb.LifelineEnv) != "" {
		go endWithParent()
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: enginepb.Handshake(),
		Plugins:         plugin.PluginSet{enginepb.PluginName: &enginepb.Plugin{Engine: &engine.Server{}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32))...)
		},
	})
}

// endWithParent ends the program when kaika is gone: then the other end of the lifeline is closed, even if kaika was
// killed and could say nothing.
func endWithParent() {
	lifeline := os.NewFile(enginepb.LifelineFD, "lifeline")
	_, _ = io.Copy(io.Discard, lifeline)                 // Whatever ends the reading, kaika is not there any more.
	_ = os.RemoveAll(os.Getenv(plugin.EnvUnixSocketDir)) //nolint:gosec // go-plugin made it for this engine; kaika would have removed it.
	os.Exit(1)
}
