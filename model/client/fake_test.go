package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kaika/model/enginepb"
)

// role is set in the environment of a test program that is started anew as another program.
const role = "KAIKA_TEST_ROLE"

// roles are what the test program can be instead.
var roles = map[string]func(){
	"engine": serve,
	"chatty engine": func() {
		fmt.Fprintln(os.Stderr, "chatter at the start")
		serve()
	},
	"killed kaika": beKilled,
	// Programs that are no engine.
	"greeter": func() { fmt.Println("hello") },
	"silent":  func() {},
	"broken": func() {
		fmt.Fprintln(os.Stderr, "error while loading shared libraries: libtensorflow_cc.so.2: cannot open shared object file")
		os.Exit(127)
	},
	// One that never gets ready, and ends when it is abandoned.
	"slow": func() { _, _ = io.Copy(io.Discard, os.NewFile(enginepb.LifelineFD, "lifeline")) },
}

func TestMain(m *testing.M) {
	if play := roles[os.Getenv(role)]; play != nil {
		play()
		os.Exit(0)
	}
	code := m.Run()
	if program.dir != "" {
		if err := os.RemoveAll(program.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// serve is an engine without TensorFlow.
func serve() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: enginepb.Handshake(),
		Plugins:         plugin.PluginSet{enginepb.PluginName: &enginepb.Plugin{Engine: &fake{met: make(chan struct{}, 1)}}},
		GRPCServer:      func(options []grpc.ServerOption) *grpc.Server { return grpc.NewServer(options...) },
	})
}

// fake does with a picture what its bytes say.
type fake struct {
	enginepb.UnimplementedEngineServer

	met chan struct{}
}

// What pictures of a fake engine can say; all others are answered with their length.
const (
	kill       = "kill"       // The engine ends.
	killOnce   = "kill once " // The engine ends, if the file of that name is there, and removes it.
	killWhile  = "kill while "
	hang       = "hang"      // The request is answered when it is cancelled.
	fail       = "fail"      // The request fails.
	forget     = "forget"    // There is no answer for this picture.
	bad        = "bad"       // The picture is said to be bad.
	killLater  = "kill with" // As kill, but if another request comes soon, that is under way as well.
	takeTime   = "take time" // Is answered when a killLater has come, or does not come soon.
	badWords   = "is a broken picture"
	failWords  = "the network is broken"
	aShortTime = 300 * time.Millisecond
)

func (f *fake) answer(ctx context.Context, pictures []*enginepb.Picture) ([]*enginepb.Vector, error) {
	var vectors []*enginepb.Vector
	for _, p := range pictures {
		text := string(p.GetData())
		switch {
		case text == kill:
			os.Exit(1)
		case strings.HasPrefix(text, killOnce):
			if os.Remove(strings.TrimPrefix(text, killOnce)) == nil {
				os.Exit(1)
			}
		case strings.HasPrefix(text, killWhile):
			if _, err := os.Stat(strings.TrimPrefix(text, killWhile)); err == nil {
				os.Exit(1)
			}
		case text == killLater:
			select {
			case f.met <- struct{}{}: // Somebody takes time.
			case <-time.After(aShortTime):
			}
			os.Exit(1)
		case text == takeTime:
			select {
			case <-f.met:
				<-ctx.Done()
			case <-time.After(aShortTime):
			}
		case text == hang:
			<-ctx.Done()
			return nil, ctx.Err()
		case text == fail:
			return nil, errors.New(failWords)
		case text == forget:
			continue
		case text == bad:
			vectors = append(vectors, &enginepb.Vector{Error: badWords})
			continue
		}
		vectors = append(vectors, &enginepb.Vector{Values: []float32{float32(len(text)), float32(p.GetOrientation()), p.GetView().GetZoom()}})
	}
	return vectors, nil
}

func (f *fake) Embed(ctx context.Context, r *enginepb.EmbedRequest) (*enginepb.EmbedReply, error) {
	vectors, err := f.answer(ctx, r.GetPictures())
	return &enginepb.EmbedReply{Vectors: vectors}, err
}

func (f *fake) Classify(ctx context.Context, r *enginepb.ClassifyRequest) (*enginepb.ClassifyReply, error) {
	vectors, err := f.answer(ctx, r.GetPictures())
	return &enginepb.ClassifyReply{Scores: vectors}, err
}

func (f *fake) Describe(context.Context, *enginepb.DescribeRequest) (*enginepb.DescribeReply, error) {
	fmt.Fprintf(stderr(), "chatter with %d\nand half a line", 42)
	return &enginepb.DescribeReply{TensorflowVersion: "fake"}, nil
}

// stderr is the file that C code writes to; os.Stderr is go-plugin's here.
func stderr() io.Writer { return os.NewFile(2, "stderr") }

func (f *fake) Train(stream grpc.BidiStreamingServer[enginepb.TrainRequest, enginepb.TrainReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetSettings().GetOptimizer() == fail {
		return status.Error(codes.InvalidArgument, failWords) // Before all is read.
	}
	var got bytes.Buffer
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		if r.GetBegin() != nil {
			break
		}
		fmt.Fprintf(&got, "%d:%d ", r.GetSamples().GetSplit(), len(r.GetSamples().GetLabels()))
	}
	return status.Error(codes.Unknown, fmt.Sprintf("%v; %s", first.GetSettings(), &got))
}
