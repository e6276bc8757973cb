package model

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kaika/model/graph"
)

// join installs a base model that is made of others, which are fetched first where they are missing.
func (s *Store) join(ctx context.Context, base Base, o FetchOptions) (Installed, error) {
	if o.From != "" {
		return Installed{}, fmt.Errorf("%s is made of %s: fetch those from files, one after the other, then %s without --from",
			base.Name, strings.Join(base.Source.Join, " and "), base.Name)
	}
	var parts []graph.Part
	var origins []string
	for _, name := range base.Source.Join {
		part, err := s.Fetch(ctx, name, o)
		if err != nil {
			return Installed{}, err
		}
		g, err := graph.Load(part.GraphPath)
		if err != nil {
			return Installed{}, fmt.Errorf("joining %s: %w", name, err)
		}
		parts = append(parts, graph.Part{Name: part.Name, Graph: g, Input: part.InputTensor, Bottleneck: part.BottleneckTensor})
		origins = append(origins, part.Origin)
	}
	o.say("joining " + strings.Join(base.Source.Join, " and "))
	made := record{Base: base, Origin: strings.Join(origins, ", "), AddedAt: time.Now().UTC().Truncate(time.Second)}
	return s.install(ctx, made, func(dir string, _ *Base) error {
		joined, err := graph.Join(parts...)
		if err != nil {
			return fmt.Errorf("making %s: %w", base.Name, err)
		}
		data, err := graph.Marshal(joined)
		if err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("making room for the graph: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, graphFile), data, 0o644); err != nil {
			return fmt.Errorf("writing the graph: %w", err)
		}
		return nil
	})
}
