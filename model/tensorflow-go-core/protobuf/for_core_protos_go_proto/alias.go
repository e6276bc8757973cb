// Package for_core_protos_go_proto stands where TensorFlow's Go binding looks for its generated MetaGraphDef
// messages. The binding's module is published without them; graft publishes the same messages.
package for_core_protos_go_proto

import pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

// MetaGraphDef is a graph with its signatures.
type MetaGraphDef = pb.MetaGraphDef

// SignatureDef names the inputs and outputs of a graph.
type SignatureDef = pb.SignatureDef

// TensorInfo describes a tensor of a signature.
type TensorInfo = pb.TensorInfo
