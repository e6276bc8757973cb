// Package engine is the one place that holds TensorFlow. It answers the contract of package enginepb: it runs base
// networks over photos, trains softmax layers on their features, and joins both to graphs that other programs can run.
//
// It runs in a process of its own, kaika-engine, because libtensorflow exports LLVM symbols that break Mesa's drivers
// in a process that also draws a window, and so that a crash in TensorFlow ends a child only.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"

	"kaika/model/enginepb"
	"kaika/model/graph"
)

// Server answers the engine's contract. The zero value is ready; it is safe for concurrent use.
type Server struct {
	enginepb.UnimplementedEngineServer

	mu     sync.Mutex
	loaded []*slot // The networks in memory, the one used last at the end.
}

// slot is a network that is loaded, or being loaded.
type slot struct {
	key   string
	last  time.Time // When it was used last.
	ready sync.Once
	users sync.WaitGroup
	net   *network
	err   error
}

// Which networks stay loaded: the few that were used last, be it long ago, such as a base network and a trained model; and
// of those that were used of late some more, for who serves many models. So one that is no longer served does not stay. They
// are never more than enginepb.MostLoaded. An EfficientNet-Lite0 takes 60 MB.
const (
	keepFew = 3
	ofLate  = time.Minute
)

// surplus takes what need not stay loaded out of the list and gives it.
func (s *Server) surplus(now time.Time) []*slot {
	var old []*slot
	for len(s.loaded) > enginepb.MostLoaded || len(s.loaded) > keepFew && now.Sub(s.loaded[0].last) > ofLate {
		old = append(old, s.loaded[0])
		s.loaded = slices.Delete(s.loaded, 0, 1)
	}
	return old
}

// tidy gives back the memory of networks that were put away, and what it took to load one. It takes some milliseconds.
func tidy() {
	runtime.GC() // Finds graphs that nobody uses; their memory is C's, and finalizers free it.
	runtime.GC() // By its end, those have had the time to.
	trim()
}

// use gives a loaded network for the time of one call.
func (s *Server) use(key string, load func() (*network, error), do func(*network) error) error {
	now := time.Now()
	s.mu.Lock()
	var at *slot
	if i := slices.IndexFunc(s.loaded, func(l *slot) bool { return l.key == key }); i >= 0 {
		at = s.loaded[i]
		s.loaded = append(slices.Delete(s.loaded, i, i+1), at)
	} else {
		at = &slot{key: key}
		s.loaded = append(s.loaded, at)
	}
	at.last = now
	at.users.Add(1)
	surplus := s.surplus(now)
	s.mu.Unlock()
	defer at.users.Done()

	var closed error
	for _, old := range surplus {
		old.users.Wait()
		if old.net != nil {
			closed = errors.Join(closed, old.net.close())
			old.net = nil
		}
	}
	if len(surplus) > 0 {
		tidy()
	}
	at.ready.Do(func() {
		at.net, at.err = load()
		tidy()
	})
	if at.err != nil {
		s.mu.Lock()
		s.loaded = slices.DeleteFunc(s.loaded, func(l *slot) bool { return l == at })
		s.mu.Unlock()
		return at.err
	}
	return errors.Join(do(at.net), closed)
}

// base gives the network of a description, loaded.
func (s *Server) base(n *enginepb.Network, do func(*network) error) error {
	if n == nil {
		return errors.New("the request names no base network")
	}
	return s.use("base:"+n.String(), func() (*network, error) {
		extractor, err := extractor(n)
		if err != nil {
			return nil, err
		}
		return load(extractor, n.GetBottleneckTensor(), n.GetPrecision())
	}, do)
}

func extractor(n *enginepb.Network) (*graphpb.GraphDef, error) {
	base, err := graph.Load(n.GetGraphPath())
	if err != nil {
		return nil, fmt.Errorf("loading the base network: %w", err)
	}
	extractor, err := graph.Extractor(base, description(n))
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", n.GetGraphPath(), err)
	}
	return extractor, nil
}

func description(n *enginepb.Network) graph.Network {
	return graph.Network{
		Input: n.GetInputTensor(), Bottleneck: n.GetBottleneckTensor(),
		Size: int(n.GetInputSize()), Mean: n.GetMean(), Scale: n.GetScale(),
	}
}

// Embed computes feature vectors, see the contract.
func (s *Server) Embed(ctx context.Context, r *enginepb.EmbedRequest) (*enginepb.EmbedReply, error) {
	reply := &enginepb.EmbedReply{}
	err := s.base(r.GetNetwork(), func(n *network) (err error) {
		reply.Vectors, err = n.runFull(ctx, r.GetPictures(), int(r.GetNetwork().GetBatchSize()))
		return err
	})
	return reply, err
}

// classifyBatch is how many photos pass through a trained model at once.
const classifyBatch = 2

// Classify computes scores, see the contract.
func (s *Server) Classify(ctx context.Context, r *enginepb.ClassifyRequest) (*enginepb.ClassifyReply, error) {
	key := fmt.Sprintf("model:%s\x00%s\x00%s\x00%s", r.GetGraphPath(), r.GetGraphDigest(), r.GetOutputTensor(), r.GetPrecision())
	reply := &enginepb.ClassifyReply{}
	err := s.use(key, func() (*network, error) {
		g, err := graph.Load(r.GetGraphPath())
		if err != nil {
			return nil, fmt.Errorf("loading the model: %w", err)
		}
		if err := checkDigest(r.GetGraphPath(), r.GetGraphDigest()); err != nil {
			return nil, err
		}
		n, err := load(g, r.GetOutputTensor(), r.GetPrecision())
		if err != nil {
			return nil, fmt.Errorf("loading %s: %w", r.GetGraphPath(), err)
		}
		return n, nil
	}, func(n *network) (err error) {
		reply.Scores, err = n.run(ctx, r.GetPictures(), classifyBatch)
		return err
	})
	return reply, err
}

// checkDigest refuses a file that another took the place of: its scores would be read as those of other labels. It is
// called after the file was read, so that none can come in between. No digest is that of any file.
func checkDigest(path, digest string) error {
	if digest == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("loading the model: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return fmt.Errorf("%s is another file than when the model was opened: open the model again", path)
	}
	return nil
}

// Describe tells about the library and a network, see the contract.
func (s *Server) Describe(ctx context.Context, r *enginepb.DescribeRequest) (_ *enginepb.DescribeReply, err error) {
	defer recoverTo(&err)
	reply := &enginepb.DescribeReply{
		TensorflowVersion: tf.Version(), LibraryPath: libraryPath(), CpuFeatures: cpuFeatures(),
	}
	if reply.Devices, err = devices(); err != nil {
		return nil, err
	}
	if r.GetNetwork() == nil {
		return reply, nil
	}
	err = s.base(r.GetNetwork(), func(n *network) error {
		length, err := n.length(ctx)
		reply.FeatureLength = int32(length) //nolint:gosec // a feature length is small.
		return err
	})
	return reply, err
}

// Export joins a base network and a head, see the contract.
func (s *Server) Export(_ context.Context, r *enginepb.ExportRequest) (*enginepb.ExportReply, error) {
	n := r.GetNetwork()
	head := graph.Head{Weights: r.GetHead().GetWeights(), Bias: r.GetHead().GetBias()}
	if r.GetSavedModel() {
		base, err := graph.Load(n.GetGraphPath())
		if err != nil {
			return nil, fmt.Errorf("loading the base network: %w", err)
		}
		saved, err := graph.SavedModel(base, description(n), head)
		if err != nil {
			return nil, fmt.Errorf("making the SavedModel: %w", err)
		}
		data, err := graph.Marshal(saved)
		return &enginepb.ExportReply{Data: data}, err
	}
	extractor, err := extractor(n)
	if err != nil {
		return nil, err
	}
	whole, err := graph.WithHead(extractor, n.GetBottleneckTensor(), head, r.GetFinalTensorName())
	if err != nil {
		return nil, err
	}
	data, err := graph.Marshal(whole)
	return &enginepb.ExportReply{Data: data}, err
}
