"""Reads a model of Kaika's with TensorFlow alone and prints what it says of photos, as JSON.

Arguments: the frozen graph, the SavedModel, the folder of summaries, photos.
"""

import json
import sys

import tensorflow as tf

graph_path, saved_model, summaries, *photos = sys.argv[1:]
contents = []
for path in photos:
    with open(path, "rb") as f:
        contents.append(f.read())
said = {}

# As a program of 2017 does it: two names of tensors and nothing else.
definition = tf.compat.v1.GraphDef()
with open(graph_path, "rb") as f:
    definition.ParseFromString(f.read())
with tf.Graph().as_default() as graph:
    tf.import_graph_def(definition, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        said["graph"] = [session.run("final_result:0", {"DecodeJpeg/contents:0": c})[0].tolist() for c in contents]

# As TensorFlow Serving does it: a batch of photos, each with a key.
loaded = tf.saved_model.load(saved_model)
keys = [f"key {i}" for i in range(len(contents))]
answer = loaded.signatures["serving_default"](image_bytes=tf.constant(contents), key=tf.constant(keys))
said["scores"] = answer["scores"].numpy().tolist()
said["prediction"] = answer["prediction"].numpy().tolist()
said["key"] = [k.decode() for k in answer["key"].numpy()]

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    pass
else:
    said["curves"] = {}
    for split in ("train", "validation"):
        events = EventAccumulator(f"{summaries}/{split}")
        events.Reload()
        said["curves"][split] = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

print(json.dumps(said))
