package serve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaika/core/classify"
	"kaika/core/picture"
)

// perPhoto makes an engine take as long for each photo.
func perPhoto(d time.Duration) func(int) time.Duration {
	return func(photos int) time.Duration { return time.Duration(photos) * d }
}

// pass lets time go by, and what is due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// ask asks in the background and fails the test unless all is answered well.
func ask(t *testing.T, model *Model, pictures []picture.Encoded) {
	t.Helper()
	go func() {
		answers, err := model.Classify(t.Context(), pictures)
		if err == nil {
			err = check(model.Name, pictures, answers)
		}
		if err != nil {
			t.Errorf("%s: %v", pictures[0].Data, err)
		}
	}()
}

// queued runs a test with a fake engine in a bubble with its own time.
func queued(t *testing.T, c Config, test func(t *testing.T, f *fake, m *Models, model *Model)) {
	t.Helper()
	classifier() // Outside of the bubble.
	synctest.Test(t, func(t *testing.T) {
		f, m := newFake(t, c)
		test(t, f, m, f.only(m))
		synctest.Wait()
		m.Close()
		m.queue.unchanged(t)
	})
}

func TestIdleEngineGetsAPhotoAtOnce(t *testing.T) {
	o := &observed{}
	queued(t, Config{Observe: o}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = perPhoto(10 * time.Millisecond)
		began := time.Now()
		for range 3 {
			pictures := photos("one", 1)
			answers, err := model.Classify(t.Context(), pictures)
			if err := errors.Join(err, check("flowers", pictures, answers)); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 30*time.Millisecond {
			t.Errorf("three photos took %v instead of 30ms", took)
		}
		synctest.Wait()
		ten := 10 * time.Millisecond
		if !slices.Equal(o.batches, []int{1, 1, 1}) || !slices.Equal(o.waited, []time.Duration{0, 0, 0}) || !slices.Equal(o.took, []time.Duration{ten, ten, ten}) {
			t.Errorf("the observer saw %+v", o)
		}
		if !slices.Equal(o.queue, []int{1, 0, 1, 0, 1, 0}) {
			t.Errorf("the observer saw the queue as %v", o.queue)
		}
	})
}

func TestBatchesGatherWhatComesMeanwhile(t *testing.T) {
	o := &observed{}
	queued(t, Config{Observe: o}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = func(int) time.Duration { return time.Second }
		for i := range 80 {
			time.Sleep(time.Millisecond)
			ask(t, model, photos(fmt.Sprint("photo of ", i), 1))
		}
		pass(time.Minute)
		if got := f.batches(); !slices.Equal(got, []int{1, 1, 32, 32, 14}) || f.most != 2 {
			t.Errorf("the batches are %v, at most %d at once", got, f.most)
		}
		if got := o.waited[2]; got != 998*time.Millisecond { // The third of them, until the first was answered.
			t.Errorf("the observer was told that the first of a batch waited %v", got)
		}
	})
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	const mega = 1 << 20
	big := make([]byte, 20*mega)
	tests := []struct {
		name  string
		sizes []int
		want  []int // Photos in each batch.
	}{
		{"three would be too many", []int{6 * mega, 6 * mega, 6 * mega, 6 * mega}, []int{2, 2}},
		{"just so many", []int{8 * mega, 8 * mega, 1}, []int{1, 2}},
		{"one alone is too large", []int{1, 20 * mega, 1, 1}, []int{1, 1, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			queued(t, Config{}, func(t *testing.T, f *fake, _ *Models, model *Model) {
				t.Helper()
				var pictures []picture.Encoded
				for _, size := range test.sizes {
					pictures = append(pictures, picture.Encoded{Data: big[:size]})
				}
				ask(t, model, pictures)
				pass(time.Minute)
				if got := f.batches(); !slices.Equal(slices.Sorted(slices.Values(got)), test.want) { // Two begin at the same time.
					t.Errorf("the batches are %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A request of many photos holds up neither those of one photo nor other models.
func TestFairness(t *testing.T) {
	queued(t, Config{}, func(t *testing.T, f *fake, m *Models, model *Model) {
		t.Helper()
		if err := m.Serve(t.Context(), "other", f.model("other", "none")); err != nil {
			t.Fatal(err)
		}
		other := served(t, m, "other")
		f.took = perPhoto(10 * time.Millisecond)
		ask(t, model, photos("first", 1000))
		ask(t, model, photos("second", 1000))
		for i := range 10 {
			time.Sleep(90 * time.Millisecond)
			for _, single := range []*Model{model, other} {
				began := time.Now()
				pictures := photos(fmt.Sprint("single ", i), 1)
				answers, err := single.Classify(t.Context(), pictures)
				if err := errors.Join(err, check(single.Name, pictures, answers)); err != nil {
					t.Fatal(err)
				}
				// A lane gets free, which takes a batch; there may be one of the other model; then its own.
				if waited := time.Since(began); waited > 3*320*time.Millisecond {
					t.Errorf("a single photo for %s waited %v", single.Name, waited)
				}
			}
		}
		pass(time.Minute)
		// The two of many photos went side by side.
		f.mu.Lock()
		defer f.mu.Unlock()
		first, second := 0, 0
		for _, c := range f.calls {
			for _, p := range c.photos {
				switch {
				case strings.HasPrefix(p, "first"):
					first++
				case strings.HasPrefix(p, "second"):
					second++
				}
			}
			// The first batches were of whichever came first.
			if max(first, second) < 950 && (first-second > 66 || second-first > 66) {
				t.Fatalf("%d photos of the first and %d of the second are computed", first, second)
			}
		}
		if first != 1000 || second != 1000 {
			t.Errorf("%d photos of the first and %d of the second were computed", first, second)
		}
	})
}

func TestCancelledPhotosLeaveTheQueue(t *testing.T) {
	o := &observed{}
	queued(t, Config{Observe: o}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = func(int) time.Duration { return time.Second }
		ask(t, model, photos("before", 1))
		ask(t, model, photos("before too", 1))
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			_, err := model.Classify(ctx, photos("cancelled", 100))
			ended <- err
		}()
		synctest.Wait()
		ask(t, model, photos("after", 3))
		synctest.Wait()
		if got := o.waiting(); got != 103 {
			t.Errorf("%d photos wait", got)
		}
		cancel(errors.New("hung up"))
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("who hung up got the error %v", err)
		}
		if got := o.waiting(); got != 3 {
			t.Errorf("%d photos wait", got)
		}
		pass(time.Minute)
		if got := f.batches(); !slices.Equal(got, []int{1, 1, 3}) {
			t.Errorf("the batches are %v", got)
		}
		if _, err := model.Classify(ctx, photos("late", 1)); !errors.Is(err, context.Canceled) || len(f.batches()) != 3 {
			t.Errorf("who had hung up before got the error %v", err)
		}
	})
}

// A batch that nobody waits for any more is broken off; one that somebody waits for is not.
func TestCancelledBatch(t *testing.T) {
	queued(t, Config{}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = func(int) time.Duration { return time.Hour } // It hangs.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 2 {
			go model.Classify(ctx, photos("hanging", 1)) //nolint:errcheck // It is looked at below what becomes of it.
		}
		synctest.Wait()
		ask(t, model, photos("patient", 1))
		shorter, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		go model.Classify(shorter, photos("impatient", 1)) //nolint:errcheck // As above.
		pass(2 * time.Minute)
		if got := f.batches(); !slices.Equal(got, []int{1, 1, 1}) {
			t.Errorf("the batches are %v: the engine was not freed, or works for nobody", got)
		}
		pass(2 * time.Hour)
	})
	queued(t, Config{}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = func(int) time.Duration { return time.Second }
		ask(t, model, photos("1", 1))
		ask(t, model, photos("2", 1))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // In the middle of the batch.
		defer cancel()
		ask(t, model, photos("stays", 1))
		go model.Classify(ctx, photos("goes", 1)) //nolint:errcheck // As above.
		pass(time.Minute)
		if got := f.batches(); !slices.Equal(got, []int{1, 1, 2}) {
			t.Errorf("the batches are %v", got)
		}
	})
}

func TestFullQueue(t *testing.T) {
	const mega = 1 << 20
	tests := []struct {
		name   string
		config Config
		size   int // Of a photo.
		room   int // So many single photos may wait.
	}{
		{"photos", Config{MaxQueue: 12}, 1, 12},
		{"bytes", Config{MaxQueueBytes: 12 * mega}, 3 * mega, 4},
		{"the smallest", Config{MaxQueue: 1}, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			queued(t, test.config, func(t *testing.T, f *fake, _ *Models, model *Model) {
				t.Helper()
				f.took = perPhoto(time.Second)
				// So the speed is known. Two batches at once make it two photos a second.
				ask(t, model, photos("a", 1))
				ask(t, model, photos("b", 1))
				time.Sleep(time.Second)
				single := []picture.Encoded{{Data: make([]byte, test.size)}}
				for range 2 + test.room { // Two are computed at once.
					ask(t, model, single)
					synctest.Wait()
				}
				began := time.Now()
				_, err := model.Classify(t.Context(), single)
				var busy *BusyError
				if !errors.As(err, &busy) || !strings.Contains(err.Error(), "try again in") {
					t.Fatalf("a full queue gave the error %v", err)
				}
				if busy.RetryAfter < time.Second || busy.RetryAfter > 3*time.Second {
					t.Errorf("there is to be room after %v, and two photos are computed a second", busy.RetryAfter)
				}
				time.Sleep(busy.RetryAfter)
				if _, err := model.Classify(t.Context(), single); err != nil {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// What a full queue says is when there is room, as far as it can be known.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name        string
		waiting     []int         // Photos of requests that wait.
		least, most time.Duration // For another request of one photo.
	}{
		{"many small ones", slices.Repeat([]int{1}, 40), time.Second, 10 * time.Second},
		{"large ones", []int{100, 200, 200, 200}, 20 * time.Second, time.Minute},
		{"as large as it gets", []int{10000, 10000, 10000, 10000}, time.Minute, time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			queued(t, Config{MaxQueue: 40}, func(t *testing.T, f *fake, _ *Models, model *Model) {
				t.Helper()
				f.took = perPhoto(200 * time.Millisecond) // Ten photos a second, as there are two batches at once.
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for _, n := range append([]int{32, 32}, test.waiting...) {
					go model.Classify(ctx, photos("waiting", n)) //nolint:errcheck // It ends with ctx.
					synctest.Wait()
				}
				if _, err := model.Classify(ctx, photos("one", 1)); err == nil {
					t.Fatal("there is room")
				} else if busy := (*BusyError)(nil); !errors.As(err, &busy) || busy.RetryAfter != time.Second {
					t.Errorf("before anything is known: %v", err)
				}
				pass(6400 * time.Millisecond) // The first two batches are answered.
				// Full again.
				for i := 0; ; i++ {
					if _, err := func() (any, error) {
						soon, stop := context.WithTimeout(ctx, time.Nanosecond)
						defer stop()
						return model.Classify(soon, photos("one", 1))
					}(); errors.As(err, new(*BusyError)) {
						break
					}
					if i > 100 {
						t.Fatal("there is room all the time")
					}
					go model.Classify(ctx, photos("more", 1)) //nolint:errcheck // It ends with ctx.
					synctest.Wait()
				}
				began := time.Now()
				_, err := model.Classify(ctx, photos("one", 1))
				var busy *BusyError
				if !errors.As(err, &busy) {
					t.Fatal(err)
				}
				if busy.RetryAfter < test.least || busy.RetryAfter > test.most {
					t.Errorf("room is promised after %v, want %v to %v", busy.RetryAfter, test.least, test.most)
				}
				if busy.RetryAfter == mostRetry {
					return
				}
				if busy.RetryAfter > 2*time.Second {
					time.Sleep(busy.RetryAfter / 3)
					if _, err := model.Classify(ctx, photos("one", 1)); !errors.As(err, new(*BusyError)) {
						t.Errorf("there is room after a third of %v, error %v", busy.RetryAfter, err)
					}
				}
				time.Sleep(time.Until(began.Add(busy.RetryAfter)))
				if _, err := model.Classify(ctx, photos("one", 1)); err != nil {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestRequestLargerThanTheQueue(t *testing.T) {
	queued(t, Config{MaxQueue: 8, MaxQueueBytes: 100}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		f.took = perPhoto(time.Millisecond)
		ask(t, model, photos("large", 1000))
		for i := range 20 { // There is room for others meanwhile.
			pictures := photos(fmt.Sprint("small ", i), 1)
			answers, err := model.Classify(t.Context(), pictures)
			if err := errors.Join(err, check("flowers", pictures, answers)); err != nil {
				t.Fatal(err)
			}
		}
		if answers, err := model.Classify(t.Context(), nil); err != nil || len(answers) != 0 {
			t.Errorf("no photos gave %v, error %v", answers, err)
		}
		pass(time.Minute)
	})
}

func TestCloseWaits(t *testing.T) {
	queued(t, Config{}, func(t *testing.T, f *fake, m *Models, model *Model) {
		t.Helper()
		f.took = perPhoto(time.Second)
		var answered atomic.Int64
		for i := range 50 {
			go func() {
				pictures := photos(fmt.Sprint("photo ", i), 2)
				answers, err := model.Classify(t.Context(), pictures)
				if err := errors.Join(err, check("flowers", pictures, answers)); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			}()
		}
		synctest.Wait()
		var closing sync.WaitGroup
		for range 2 {
			closing.Go(m.Close)
		}
		synctest.Wait()
		if _, err := model.Classify(t.Context(), photos("late", 1)); !errors.Is(err, ErrClosed) {
			t.Errorf("who came too late got the error %v", err)
		}
		if _, err := m.Activate(t.Context(), "flowers", f.root); !errors.Is(err, ErrClosed) {
			t.Errorf("a late activation gave the error %v", err)
		}
		if m.Ready() {
			t.Error("it is said to be ready")
		}
		closing.Wait()
		synctest.Wait() // Without any more time.
		if answered.Load() != 50 {
			t.Errorf("%d of 50 requests were answered", answered.Load())
		}
	})
}

func TestEngineErrors(t *testing.T) {
	died := fmt.Errorf("the engine died: %w", classify.ErrUnavailable)
	broken := errors.New("the network is broken")
	tests := []struct {
		name  string
		fails func(data [][]byte) error
		want  map[string]error // By the word with which a request begins.
		calls int              // Beside those that hold the engine.
	}{
		{"it is away", func([][]byte) error { return died }, map[string]error{"good": classify.ErrUnavailable, "better": classify.ErrUnavailable, "bad": classify.ErrUnavailable}, 1},
		{"a photo that it cannot compute", func(data [][]byte) error {
			if slices.ContainsFunc(data, func(d []byte) bool { return strings.HasPrefix(string(d), "bad") }) {
				return broken
			}
			return nil
		}, map[string]error{"good": nil, "better": nil, "bad": broken}, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			queued(t, Config{}, func(t *testing.T, f *fake, _ *Models, model *Model) {
				t.Helper()
				f.before = func(_ context.Context, _ int, data [][]byte) error {
					if string(data[0][:4]) == "hold" {
						time.Sleep(time.Second)
						return nil
					}
					return test.fails(data)
				}
				ask(t, model, photos("hold", 1))
				ask(t, model, photos("hold", 1))
				synctest.Wait()
				for word, want := range test.want {
					go func() {
						pictures := photos(word, 3)
						answers, err := model.Classify(t.Context(), pictures)
						switch {
						case !errors.Is(err, want):
							t.Errorf("%s got the error %v, want %v", word, err, want)
						case want == nil:
							if err := check("flowers", pictures, answers); err != nil {
								t.Error(err)
							}
						case answers != nil:
							t.Errorf("%s got answers and an error", word)
						}
					}()
				}
				pass(time.Minute)
				if got := len(f.batches()) - 2; got != test.calls {
					t.Errorf("the engine was asked %d times, want %d", got, test.calls)
				}
			})
		})
	}
}

// One bad photo is an answer, and what else a request of many batches waits for leaves the queue with an error.
func TestFailedRequestLeaves(t *testing.T) {
	queued(t, Config{}, func(t *testing.T, f *fake, _ *Models, model *Model) {
		t.Helper()
		ask(t, model, append(photos("damaged", 2), photos("good", 2)...))
		synctest.Wait()
		f.took = func(int) time.Duration { return time.Second }
		f.before = func(_ context.Context, call int, _ [][]byte) error {
			if call == 3 {
				return errors.New("it fails")
			}
			return nil
		}
		answers, err := model.Classify(t.Context(), photos("many", 1000))
		if err == nil || !strings.Contains(err.Error(), "it fails") || answers != nil {
			t.Errorf("got %d answers, error %v", len(answers), err)
		}
		pass(time.Minute)
		if got := f.batches(); len(got) != 3 {
			t.Errorf("%d batches were computed", len(got))
		}
	})
}

// Whatever comes, goes and is broken off at random, all is answered rightly or with its own error, and nothing is left.
func TestQueueAtRandom(t *testing.T) {
	for seed := range uint64(20) {
		queued(t, Config{MaxQueue: 50, MaxQueueBytes: 5000}, func(t *testing.T, f *fake, m *Models, model *Model) {
			t.Helper()
			random := rand.New(rand.NewPCG(seed, 1))
			if err := m.Serve(t.Context(), "other", f.model("other", "none")); err != nil {
				t.Fatal(err)
			}
			models := []*Model{model, served(t, m, "other")}
			f.took = perPhoto(7 * time.Millisecond)
			f.before = func(_ context.Context, call int, _ [][]byte) error {
				switch {
				case call%17 == 0:
					return fmt.Errorf("died: %w", classify.ErrUnavailable)
				case call%23 == 0:
					return errors.New("it fails")
				}
				return nil
			}
			answered, busy := 0, 0
			var mu sync.Mutex
			for i := range 300 {
				time.Sleep(time.Duration(random.IntN(25)) * time.Millisecond)
				n, by := 1+random.IntN(5), models[random.IntN(2)]
				if random.IntN(20) == 0 {
					n = 150
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(1000))*time.Millisecond)
				go func() {
					defer cancel()
					pictures := photos(fmt.Sprint("photo ", i), n)
					answers, err := by.Classify(ctx, pictures)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						answered++
						if err := check(by.Name, pictures, answers); err != nil {
							t.Error(err)
						}
					case errors.As(err, new(*BusyError)):
						busy++
					case errors.Is(err, context.DeadlineExceeded), errors.Is(err, classify.ErrUnavailable), strings.Contains(err.Error(), "it fails"):
					default:
						t.Error(err)
					}
				}()
			}
			pass(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if answered < 50 || busy == 0 {
				t.Errorf("%d were answered, %d found no room: the test has lost its sense", answered, busy)
			}
			m.queue.unchanged(t)
		})
	}
}
