// Package types_go_proto stands where TensorFlow's Go binding looks for its generated DataType enumeration.
// The binding's module is published without it; graft publishes the same enumeration.
package types_go_proto

import pb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

// DataType is the element type of a tensor.
type DataType = pb.DataType
