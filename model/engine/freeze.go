package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	funcpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"kaika/model/enginepb"
	"kaika/model/graph"
)

// serveTag marks, in a SavedModel of several graphs, the one that is meant for use.
const serveTag = "serve"

// maxGraph bounds the size in bytes of a serialised graph: protocol buffers end there.
const maxGraph = 2<<30 - 1

// Freeze turns the variables of a SavedModel into constants, see the contract. Both kinds are understood: that of
// TensorFlow 1, with variables beside the operations that use them, and that of TensorFlow 2, where they are handed to functions.
func (s *Server) Freeze(ctx context.Context, r *enginepb.FreezeRequest) (_ *enginepb.FreezeReply, err error) {
	defer recoverTo(&err)
	dir := r.GetSavedModelDir()
	meta, err := readSavedModel(dir)
	if err != nil {
		return nil, err
	}
	reply := &enginepb.FreezeReply{}
	signature := meta.GetSignatureDef()[cmp.Or(r.GetSignature(), "serving_default")]
	if signature == nil && r.GetSignature() != "" {
		return nil, fmt.Errorf("the SavedModel in %s has no signature %q; it has %s", dir, r.GetSignature(), listed(meta.GetSignatureDef()))
	}
	if reply.InputTensor, err = endpoint("input", r.GetInputTensor(), signature.GetInputs()); err != nil {
		return nil, fmt.Errorf("the SavedModel in %s: %w", dir, err)
	}
	if reply.BottleneckTensor, err = endpoint("output", r.GetBottleneckTensor(), signature.GetOutputs()); err != nil {
		return nil, fmt.Errorf("the SavedModel in %s: %w", dir, err)
	}

	// The loader prefers the tags to be exactly those of the graph.
	options, err := loadOptions()
	if err != nil {
		return nil, err
	}
	saved, err := tf.LoadSavedModel(dir, meta.GetMetaInfoDef().GetTags(), options)
	if err != nil {
		return nil, fmt.Errorf("TensorFlow cannot load the SavedModel in %s: %s", dir, firstLine(err.Error()))
	}
	defer func() { err = errors.Join(err, saved.Session.Close()) }()
	f := &freezer{saved: saved, functions: map[string]*funcpb.FunctionDef{}, frozen: map[string]string{}}
	for _, fn := range meta.GetGraphDef().GetLibrary().GetFunction() {
		f.functions[fn.GetSignature().GetName()] = fn
	}
	g, err := f.freeze(ctx, meta.GetGraphDef(), reply.GetInputTensor(), reply.GetBottleneckTensor())
	if err != nil {
		return nil, fmt.Errorf("freezing the SavedModel in %s: %w", dir, err)
	}
	if proto.Size(g) > maxGraph {
		return nil, fmt.Errorf("the SavedModel in %s is too large: a frozen graph ends at 2 GB", dir)
	}
	if reply.Graph, err = graph.Marshal(g); err != nil {
		return nil, err
	}
	if err := tf.NewGraph().Import(reply.GetGraph(), ""); err != nil {
		return nil, fmt.Errorf("the SavedModel in %s cannot be frozen: %s", dir, firstLine(err.Error()))
	}
	return reply, nil
}

// loadOptions are for a session that only reads variables: optimising the graph would take longer than that.
func loadOptions() (*tf.SessionOptions, error) {
	c := config()
	c.AllowSoftPlacement = true // The graph may name a device that this machine lacks.
	c.GraphOptions.RewriteOptions.DisableMetaOptimizer = true
	return options(c)
}

// readSavedModel reads the graph that is meant for use, and its signatures.
func readSavedModel(dir string) (*corepb.MetaGraphDef, error) {
	path := filepath.Join(dir, "saved_model.pb")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder %s is no SavedModel: it holds no saved_model.pb", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the SavedModel: %w", err)
	}
	model := &corepb.SavedModel{}
	if err := proto.Unmarshal(data, model); err != nil {
		return nil, fmt.Errorf("%s does not hold a SavedModel: %w", path, err)
	}
	var best *corepb.MetaGraphDef
	for _, meta := range model.GetMetaGraphs() {
		tags := meta.GetMetaInfoDef().GetTags()
		if slices.Contains(tags, serveTag) && (best == nil || len(tags) < len(best.GetMetaInfoDef().GetTags())) {
			best = meta
		}
	}
	if best == nil {
		return nil, fmt.Errorf("the SavedModel in %s has no graph with the tag %q: export it for serving", dir, serveTag)
	}
	return best, nil
}

// endpoint gives the name of the tensor that is meant by name: a key of the signature, the name of a tensor, or "" for the only
// tensor of the signature.
func endpoint(kind, name string, signature map[string]*corepb.TensorInfo) (string, error) {
	if name == "" {
		if len(signature) != 1 {
			return "", fmt.Errorf("name the %s to use; its signature has %s", kind, listed(signature))
		}
		for key := range signature {
			name = key
		}
	}
	info, ok := signature[name]
	switch {
	case !ok && strings.Contains(name, ":"):
		return name, nil
	case !ok:
		return "", fmt.Errorf(`%q is neither an %s of its signature, which has %s, nor the name of a tensor, such as "name:0"`, name, kind, listed(signature))
	case info.GetName() == "":
		return "", fmt.Errorf("the %s %q is no plain tensor", kind, name)
	}
	return info.GetName(), nil
}

// listed gives the keys of a map in words.
func listed[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// freezer turns the variables of one graph into constants.
type freezer struct {
	saved     *tf.SavedModel
	functions map[string]*funcpb.FunctionDef // The library, by name.
	frozen    map[string]string              // Names of functions that were rewritten, by their name and the arguments that changed.
}

// freeze gives a graph of what the bottleneck needs, from the input on.
func (f *freezer) freeze(ctx context.Context, g *graphpb.GraphDef, input, bottleneck string) (*graphpb.GraphDef, error) {
	for kind, name := range map[string]string{"input": input, "bottleneck": bottleneck} {
		at, err := tensor(f.saved.Graph, name)
		if err != nil {
			return nil, err
		}
		if at.DataType() != tf.Float {
			return nil, fmt.Errorf("the %s %s holds %v instead of float32: export the network so that it takes and gives float32", kind, name, enumerated(at.DataType()))
		}
	}
	nodes, err := between(g, input, bottleneck)
	if err != nil {
		return nil, err
	}
	var variables []*nodepb.NodeDef
	for _, n := range nodes {
		if isVariable(n) {
			variables = append(variables, n)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values := carried{}
	if err := f.read(variables, values); err != nil {
		return nil, err
	}
	if _, err := f.rewrite(nodes, values); err != nil {
		return nil, err
	}
	if err := f.refuseState(nodes, values); err != nil {
		return nil, err
	}
	frozen := &graphpb.GraphDef{Node: nodes, Versions: g.GetVersions()}
	if used := f.used(nodes); len(used) > 0 {
		frozen.Library = &funcpb.FunctionDefLibrary{Function: used}
	}
	return frozen, nil
}

// between gives copies of the nodes that the bottleneck needs, with a placeholder for the input.
func between(g *graphpb.GraphDef, input, bottleneck string) ([]*nodepb.NodeDef, error) {
	first, index, _ := strings.Cut(input, ":")
	if index != "" && index != "0" {
		return nil, fmt.Errorf("the input %s is not the first output of its node: name another", input)
	}
	byName := map[string]*nodepb.NodeDef{}
	for _, n := range g.GetNode() {
		byName[n.GetName()] = n
	}
	last, _, _ := strings.Cut(bottleneck, ":")
	needed := map[string]bool{}
	for todo := []string{last}; len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if needed[name] {
			continue
		}
		n := byName[name]
		if n == nil {
			return nil, fmt.Errorf("it refers to a node %q that it does not have", name)
		}
		needed[name] = true
		if name == first || isVariable(n) {
			continue
		}
		for _, in := range n.GetInput() {
			in, _, _ = strings.Cut(strings.TrimPrefix(in, "^"), ":")
			todo = append(todo, in)
		}
	}
	if !needed[first] || first == last {
		return nil, fmt.Errorf("the bottleneck %s does not depend on the input %s", bottleneck, input)
	}
	var nodes []*nodepb.NodeDef
	for _, original := range g.GetNode() {
		if !needed[original.GetName()] {
			continue
		}
		n, ok := proto.Clone(original).(*nodepb.NodeDef)
		if !ok {
			return nil, errors.New("copying a node failed")
		}
		// Beside which other node it ran once does not matter, and that node may be gone.
		delete(n.GetAttr(), "_class")
		if n.GetName() == first && n.GetOp() != "Placeholder" {
			n.Op, n.Input = "Placeholder", nil
			n.Attr = graph.Attrs{"dtype": graph.Type(typespb.DataType_DT_FLOAT)}
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func isVariable(n *nodepb.NodeDef) bool {
	return slices.Contains([]string{"Variable", "VariableV2", "VarHandleOp"}, n.GetOp())
}

// read turns variables of the loaded graph into constants, and notes in values those that were handles. They are read at once, since
// TensorFlow prepares the graph anew for each other set of outputs.
func (f *freezer) read(variables []*nodepb.NodeDef, values carried) error {
	var outputs []tf.Output
	for _, n := range variables {
		op := f.saved.Graph.Operation(n.GetName())
		if op == nil {
			return fmt.Errorf("TensorFlow left the variable %q out when it loaded the graph", n.GetName())
		}
		if n.GetOp() != "VarHandleOp" {
			outputs = append(outputs, op.Output(0))
			continue
		}
		reader, err := f.saved.Graph.AddOperation(tf.OpSpec{
			Type: "ReadVariableOp", Name: "kaika_freeze/" + n.GetName(), Input: []tf.Input{op.Output(0)},
			Attrs: map[string]any{"dtype": tf.DataType(n.GetAttr()["dtype"].GetType())}, //nolint:gosec // both are the enumeration of types.proto.
		})
		if err != nil {
			return fmt.Errorf("asking for the value of the variable %q: %w", n.GetName(), err)
		}
		outputs = append(outputs, reader.Output(0))
		values[n.GetName()] = n.GetAttr()["dtype"].GetType()
	}
	if len(outputs) == 0 {
		return nil
	}
	read, err := f.saved.Session.Run(nil, outputs, nil)
	if err != nil {
		return fmt.Errorf("reading its variables, whose values belong in its folder named variables: %s", firstLine(err.Error()))
	}
	for i, n := range variables {
		value, err := constant(read[i])
		if err != nil {
			return fmt.Errorf("the variable %q holds %v, which cannot be frozen", n.GetName(), enumerated(read[i].DataType()))
		}
		n.Op, n.Input = "Const", nil
		n.Attr = graph.Attrs{"dtype": graph.Type(value.GetDtype()), "value": {Value: &attrpb.AttrValue_Tensor{Tensor: value}}}
	}
	return nil
}

func constant(t *tf.Tensor) (*tensorpb.TensorProto, error) {
	var content bytes.Buffer
	if _, err := t.WriteContentsTo(&content); err != nil {
		return nil, fmt.Errorf("copying a tensor: %w", err)
	}
	shape := &shapepb.TensorShapeProto{}
	for _, d := range t.Shape() {
		shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
	}
	return &tensorpb.TensorProto{Dtype: enumerated(t.DataType()), TensorShape: shape, TensorContent: content.Bytes()}, nil
}

// enumerated gives a type of the binding as the protocol buffers have it; both are the enumeration of types.proto.
func enumerated(t tf.DataType) typespb.DataType {
	return typespb.DataType(t) //nolint:gosec // there are some dozens of types.
}

// carried holds what used to be the handle of a variable and is now the variable's value: the outputs of nodes and the arguments of
// a function, as a node's input refers to them, with the type of the value.
type carried map[string]typespb.DataType

// reference gives an input as carried has it. The first output of a graph's node has two names; those of a function's nodes have
// two colons, and one name.
func reference(input string) string {
	if strings.Count(input, ":") == 1 {
		return strings.TrimSuffix(input, ":0")
	}
	return input
}

// of tells which inputs of a node are carried, by position.
func (c carried) of(n *nodepb.NodeDef) map[int]typespb.DataType {
	at := map[int]typespb.DataType{}
	for i, in := range n.GetInput() {
		if t, ok := c[reference(in)]; ok {
			at[i] = t
		}
	}
	return at
}

// rewrite makes the nodes take values where they took handles. It extends values, and returns how outputs of a function's nodes are
// called now whose name changed.
func (f *freezer) rewrite(nodes []*nodepb.NodeDef, values carried) (renamed map[string]string, err error) {
	renamed = map[string]string{}
	done := map[string]bool{}
	// A handle may be passed on through nodes that stand before it in the list.
	for changed := true; changed; {
		changed = false
		for _, n := range nodes {
			at := values.of(n)
			if len(at) == 0 || done[n.GetName()] {
				continue
			}
			done[n.GetName()], changed = true, true
			switch n.GetOp() {
			case "ReadVariableOp":
				n.Op = "Identity"
				n.Attr = graph.Attrs{"T": graph.Type(at[0])}
				renamed[n.GetName()+":value:0"] = n.GetName() + ":output:0"
			case "Identity":
				n.Attr = graph.Attrs{"T": graph.Type(at[0])}
				values[n.GetName()] = at[0]             // As a graph refers to it,
				values[n.GetName()+":output:0"] = at[0] // and as a function does.
			case "PartitionedCall", "StatefulPartitionedCall":
				if err := f.call(n, at); err != nil {
					return nil, err
				}
			default:
				return nil, fmt.Errorf("the node %q uses a variable in an operation %s, which cannot be frozen: export the network for inference only", n.GetName(), n.GetOp())
			}
		}
	}
	for _, n := range nodes {
		for i, in := range n.GetInput() {
			if now, ok := renamed[in]; ok {
				n.Input[i] = now
			}
		}
	}
	return renamed, nil
}

// call makes a node call a function that takes values at some of its arguments.
func (f *freezer) call(n *nodepb.NodeDef, at map[int]typespb.DataType) error {
	target := n.GetAttr()["f"].GetFunc()
	name, err := f.specialise(target.GetName(), at)
	if err != nil {
		return err
	}
	types := n.GetAttr()["Tin"].GetList().GetType()
	for i, t := range at {
		if i >= len(types) {
			return fmt.Errorf("the node %q has more inputs than types", n.GetName())
		}
		types[i] = t
	}
	target.Name = name
	delete(n.GetAttr(), "_read_only_resource_inputs")
	return nil
}

// specialise gives the name of a function that does what the named one does and takes values at some of its arguments.
func (f *freezer) specialise(name string, at map[int]typespb.DataType) (string, error) {
	original := f.functions[name]
	if original == nil {
		return "", fmt.Errorf("the graph has no function %q", name)
	}
	key := fmt.Sprint(name, at) // Maps are printed in order.
	if done, ok := f.frozen[key]; ok {
		return done, nil
	}
	fn, ok := proto.Clone(original).(*funcpb.FunctionDef)
	if !ok {
		return "", fmt.Errorf("copying the function %q failed", name)
	}
	fresh := name + "_frozen"
	for f.functions[fresh] != nil {
		fresh += "_"
	}
	fn.Signature.Name = fresh
	f.functions[fresh], f.frozen[key] = fn, fresh // Before its nodes are looked at: it may call itself.
	values := carried{}
	arguments := fn.GetSignature().GetInputArg()
	for i, t := range at {
		if i >= len(arguments) || arguments[i].GetType() != typespb.DataType_DT_RESOURCE {
			return "", fmt.Errorf("the function %q takes no variable as its argument %d", name, i)
		}
		arguments[i].Type, arguments[i].HandleData, arguments[i].ExperimentalFullType = t, nil, nil
		values[arguments[i].GetName()] = t
		delete(fn.GetArgAttr(), uint32(i)) //nolint:gosec // the position of an argument.
	}
	// What is known of the arguments is not true any more, or of no use.
	fn.ResourceArgUniqueId = nil
	for _, stale := range []string{"_input_shapes", "forward_function_name", "backward_function_name"} {
		delete(fn.GetAttr(), stale)
	}
	renamed, err := f.rewrite(fn.GetNodeDef(), values)
	if err != nil {
		return "", err
	}
	for out, from := range fn.GetRet() {
		if _, ok := values[reference(from)]; ok {
			return "", fmt.Errorf("the function %q hands a variable back, which cannot be frozen", name)
		}
		if now, ok := renamed[from]; ok {
			fn.Ret[out] = now
		}
	}
	return fresh, nil
}

// refuseState tells what is left in the graph that needs more than constants: tables, queues, references to variables.
func (f *freezer) refuseState(nodes []*nodepb.NodeDef, values carried) error {
	const references = 100 // DataType: a reference to a type is the type plus this.
	for _, n := range nodes {
		op := f.saved.Graph.Operation(n.GetName())
		if _, ok := values[n.GetName()]; ok || op == nil || n.GetOp() == "Const" || n.GetOp() == "Placeholder" {
			continue
		}
		for i := range op.NumOutputs() {
			if t := enumerated(op.Output(i).DataType()); t == typespb.DataType_DT_RESOURCE || t > references {
				return fmt.Errorf("the bottleneck needs %q, an operation %s whose state cannot be frozen: export the network without it, "+
					"or name an earlier bottleneck or a later input", n.GetName(), n.GetOp())
			}
		}
	}
	return nil
}

// used gives the functions that the nodes need, directly or by others, by name.
func (f *freezer) used(nodes []*nodepb.NodeDef) []*funcpb.FunctionDef {
	found := map[string]*funcpb.FunctionDef{}
	for todo := slices.Clone(nodes); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n.Device = ""                // Where the network ran once does not matter here.
		names := []string{n.GetOp()} // Graphs of TensorFlow 1 call a function by an operation of its name.
		for _, a := range n.GetAttr() {
			names = append(names, a.GetFunc().GetName())
			for _, each := range a.GetList().GetFunc() {
				names = append(names, each.GetName())
			}
		}
		for _, name := range names {
			if fn := f.functions[name]; fn != nil && found[name] == nil {
				found[name] = fn
				todo = append(todo, fn.GetNodeDef()...)
			}
		}
	}
	var used []*funcpb.FunctionDef
	for _, name := range slices.Sorted(maps.Keys(found)) {
		used = append(used, found[name])
	}
	return used
}
