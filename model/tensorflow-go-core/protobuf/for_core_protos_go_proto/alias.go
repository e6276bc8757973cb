// Package for_core_protos_go_proto stands where TensorFlow's Go binding looks for its generated MetaGraphDef
// messages. The binding's module is published without them; graft publishes the same messages.
package for_core_protos_go_proto //nolint:revive // the binding imports the package by this name.

import pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

// The messages that the binding's SavedModel loader reads.
type (
	MetaGraphDef = pb.MetaGraphDef
	SignatureDef = pb.SignatureDef
	TensorInfo   = pb.TensorInfo
)
