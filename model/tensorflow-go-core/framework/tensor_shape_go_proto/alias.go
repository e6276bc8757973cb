// Package tensor_shape_go_proto stands where TensorFlow's Go binding looks for its generated tensor shapes.
// The binding's module is published without them; graft publishes the same messages.
package tensor_shape_go_proto //nolint:revive // the binding imports the package by this name.

import pb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"

// The messages that describe the shape of a tensor.
type (
	TensorShapeProto     = pb.TensorShapeProto
	TensorShapeProto_Dim = pb.TensorShapeProto_Dim //nolint:revive // the binding uses the type by this name.
)
