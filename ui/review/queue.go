package review

import "sync"

// queue runs functions one after the other, in the order in which they were added.
type queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	tasks  []func()
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

// add adds a function and does not wait. After close it does nothing, and says so.
func (q *queue) add(task func()) (added bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.tasks = append(q.tasks, task)
	q.more.Signal()
	return true
}

// close lets run return when all that was added has run.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

// run runs what is added until the queue is closed and empty.
func (q *queue) run() {
	for {
		q.mu.Lock()
		for len(q.tasks) == 0 && !q.closed {
			q.more.Wait()
		}
		if len(q.tasks) == 0 {
			q.mu.Unlock()
			return
		}
		task := q.tasks[0]
		q.tasks = q.tasks[1:]
		q.mu.Unlock()
		task()
	}
}
