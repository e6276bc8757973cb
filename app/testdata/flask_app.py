"""A web service as tutorials on retrain.py end with: Flask, the frozen graph, one session.run a request.

Usage: flask_app.py MODEL-FOLDER PORT threads|turns|sessions

POST / with the photo in the field "file" answers with labels and scores. With "threads", Flask answers each request in a
thread of its own and all share a session, which is the best that can be had this way; with "turns", it answers one after
the other, as was its default until version 1.0, when those tutorials were written; with "sessions", moreover each request
opens a session, as the tutorials' script for one photo (label_image.py) does.
"""

import os
import sys

import flask
import tensorflow as tf

folder, port, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(os.path.join(folder, "retrained_labels.txt"), encoding="utf-8") as f:
    labels = f.read().splitlines()
graph_def = tf.compat.v1.GraphDef()
with open(os.path.join(folder, "retrained_graph.pb"), "rb") as f:
    graph_def.ParseFromString(f.read())
graph = tf.Graph()
with graph.as_default():
    tf.import_graph_def(graph_def, name="")
session = tf.compat.v1.Session(graph=graph) if way != "sessions" else None
app = flask.Flask(__name__)


def run(session, photo):
    return session.run("final_result:0", {"DecodeJpeg/contents:0": photo})[0]


@app.post("/")
def classify():
    photo = flask.request.files["file"].read()
    if session:
        scores = run(session, photo)
    else:
        with tf.compat.v1.Session(graph=graph) as own:
            scores = run(own, photo)
    return flask.jsonify([{"label": labels[i], "score": float(scores[i])} for i in scores.argsort()[::-1]])


app.run(host="127.0.0.1", port=port, threaded=way == "threads")
