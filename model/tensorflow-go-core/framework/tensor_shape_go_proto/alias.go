// Package tensor_shape_go_proto stands where TensorFlow's Go binding looks for its generated tensor shapes.
// The binding's module is published without them; graft publishes the same messages.
package tensor_shape_go_proto

import pb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"

// TensorShapeProto is the shape of a tensor.
type TensorShapeProto = pb.TensorShapeProto

// TensorShapeProto_Dim is one dimension of a shape.
type TensorShapeProto_Dim = pb.TensorShapeProto_Dim //nolint:revive // the binding uses the type by this name.
