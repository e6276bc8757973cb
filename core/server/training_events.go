package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kaika/core/train"
)

// How a training is followed.
const (
	eventInterval = 100 * time.Millisecond // The least time between two events to one client.
	heartbeat     = 15 * time.Second       // A line is sent at least so often, so that the end of a connection is noticed.
	maxCurve      = 1000                   // Points of a curve that are sent at once.
)

// endMark stands for the step of an event's ID when the training has ended.
const endMark = "end"

// trainingEvent is what is sent of a training that goes on: how it stands, and the points of its curves since the last event.
type trainingEvent struct {
	trainingState

	Points []train.Point `json:"points"`
}

// followTraining sends a training as it goes on, by Server-Sent Events (WHATWG HTML, 9.2): "progress" with the state and the
// new points of the curves, beginning with all there are, and "done", "failed" or "cancelled" at the end. The ID of an event
// is that of the run with the step of its newest point, so that a client whose connection broke goes on from there.
func (s *Server) followTraining(w http.ResponseWriter, r *http.Request) error {
	t := s.trainings.last()
	if t == nil {
		w.WriteHeader(http.StatusNoContent) // By which a browser knows not to ask again.
		return nil
	}
	seen, over := resume(t.run.ID, r.Header.Get("Last-Event-ID"))
	if over {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // Proxies are not to hold it back.
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	f := follower{w: w, control: http.NewResponseController(w), id: t.run.ID, seen: seen}
	if err := f.follow(r, t, s.stopping); err != nil && r.Context().Err() == nil {
		s.Log.InfoContext(r.Context(), "somebody who followed a training was lost", "error", err)
	}
	return nil
}

// resume reads the ID of the last event that a client has seen: the step of its newest point, and whether it was the end.
func resume(run, id string) (seen int, over bool) {
	step, same := strings.CutPrefix(id, run+"/")
	if !same {
		return 0, false
	}
	if step == endMark {
		return 0, true
	}
	seen, err := strconv.Atoi(step)
	if err != nil {
		return 0, false
	}
	return seen, false
}

// follower is a client that follows a training.
type follower struct {
	w       http.ResponseWriter
	control *http.ResponseController
	id      string // Of the run.
	seen    int    // Step of the newest point that was sent.
}

// follow sends events until the training or the client has ended, or the server is about to stop. The error is that of sending.
func (f *follower) follow(r *http.Request, t *training, stopping <-chan struct{}) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	pace := time.NewTimer(eventInterval)
	defer pace.Stop()
	for {
		state, points, changed := t.snapshot()
		if err := f.send(state, points); err != nil || state.State != stateRunning {
			return err
		}
		beat.Reset(heartbeat)
		pace.Reset(eventInterval)
		select {
		case <-pace.C:
		case <-r.Context().Done():
			return nil
		case <-stopping:
			return nil
		}
		for waiting := true; waiting; {
			select {
			case <-changed:
				waiting = false
			case <-beat.C:
				if err := f.write(": the connection is alive\n\n"); err != nil {
					return err
				}
			case <-r.Context().Done():
				return nil
			case <-stopping:
				return nil
			}
		}
	}
}

// send sends how a training stands.
func (f *follower) send(state trainingState, points []train.Point) error {
	points = thinned(after(points, f.seen), maxCurve)
	name, step := "progress", strconv.Itoa(f.seen)
	if n := len(points); n > 0 {
		f.seen = points[n-1].Step
		step = strconv.Itoa(f.seen)
	}
	if state.State != stateRunning {
		name, step = state.State, endMark
	}
	data, err := json.Marshal(trainingEvent{state, points})
	if err != nil {
		return fmt.Errorf("describing a training: %w", err)
	}
	return f.write(fmt.Sprintf("event: %s\nid: %s/%s\ndata: %s\n\n", name, f.id, step, data))
}

func (f *follower) write(text string) error {
	if _, err := f.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	if err := f.control.Flush(); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	return nil
}

// after gives the points behind a step. Their steps rise.
func after(points []train.Point, step int) []train.Point {
	first := len(points)
	for first > 0 && points[first-1].Step > step {
		first--
	}
	return points[first:]
}

// thinned gives at most so many of the points of a curve, evenly spread, the first and the last among them; never nil.
func thinned(points []train.Point, most int) []train.Point {
	if len(points) <= most {
		return append([]train.Point{}, points...)
	}
	thin := make([]train.Point, most)
	for i := range thin {
		thin[i] = points[i*(len(points)-1)/(most-1)]
	}
	return thin
}
