package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"kaika/core/classify"
	"kaika/core/experiment"
	"kaika/core/serve"
	"kaika/core/server"
	"kaika/model/enginepb"
)

// headlessFlags are those of kaika --headless.
type headlessFlags struct {
	on bool

	addr, authFile, tlsCert, tlsKey, datasets, precision string
	models, trustedProxies                               []string
	publicClassify                                       bool
	rate                                                 float64
	queue                                                int
	drainDelay                                           time.Duration

	uploads uploadFlags

	set *pflag.FlagSet // All but hash_password go with headless only.
}

// defaultRate is how many requests a second a client of the network may send, unless it is said.
const defaultRate = 20

func (f *headlessFlags) add(to *pflag.FlagSet) {
	to.BoolVar(&f.on, "headless", false, "serve over HTTP instead of opening a window; the flags below go with it")
	s := pflag.NewFlagSet("headless", pflag.ContinueOnError)
	s.SortFlags = false
	s.StringVar(&f.addr, "addr", "127.0.0.1:8080", "address to listen at; :8080 is for the whole network")
	s.StringArrayVar(&f.models, "model", nil,
		"folder of a model, or of its versions in folders named by numbers; served under the folder's name, or as NAME=FOLDER; may be repeated")
	s.StringVar(&f.precision, "precision", "", "arithmetic of the networks: float32, or bfloat16, which is faster on processors that have it (default as each was trained)")
	s.StringVar(&f.authFile, "auth_file", "", "file with lines NAME:HASH of who may do all (kaika --hash_password NAME makes them); needed for what changes something")
	s.BoolVar(&f.publicClassify, "public_classify", false, "let everybody classify who reaches the server")
	s.StringVar(&f.tlsCert, "tls_cert", "", "certificate for HTTPS, a PEM file; read again when it changes")
	s.StringVar(&f.tlsKey, "tls_key", "", "its key, a PEM file")
	s.StringVar(&f.datasets, "datasets", defaultDatasets(), "folder of the datasets that can be sent and trained with; \"\" for none")
	s.Float64Var(&f.rate, "rate", 0, fmt.Sprintf("requests a second that a client may send, twice as many at once; 0 for any number (default %d, but any number where only this machine reaches the server)", defaultRate))
	s.IntVar(&f.queue, "queue", 256, "photos that wait for the engine at most; then clients are told to come again")
	s.StringSliceVar(&f.trustedProxies, "trusted_proxies", nil, "networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8")
	s.DurationVar(&f.drainDelay, "drain_delay", 0, "how long to say not ready before stopping, for a load balancer")
	f.uploads.add(s)
	f.set = s
	to.AddFlagSet(s)
}

func defaultDatasets() string { return filepath.Join(xdg.DataHome, "kaika", "datasets") }

// check says what is wrong with the flags.
func (f *headlessFlags) check() error {
	if !f.on {
		var wrong error
		f.set.VisitAll(func(flag *pflag.Flag) {
			if flag.Changed && wrong == nil {
				wrong = usageError{fmt.Errorf("%s goes with --headless only", flag.Name)}
			}
		})
		return wrong
	}
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usageError{errors.New("tls_cert and tls_key go together: give both")}
	case f.rate < 0:
		return usageError{errors.New("rate must be 0 (any number) or more")}
	case f.queue < 1:
		return usageError{errors.New("queue must be 1 or more")}
	case f.drainDelay < 0:
		return usageError{errors.New("drain_delay must be 0 or more")}
	}
	if f.precision != "" {
		if err := checkPrecision(f.precision); err != nil {
			return err
		}
	}
	if err := f.uploads.check(); err != nil {
		return err
	}
	local, err := isLocal(f.addr)
	if err != nil {
		return usageError{err}
	}
	if !local && f.authFile == "" && !f.publicClassify {
		return usageError{fmt.Errorf("%s can be reached from other machines: give --auth_file for those who may use it, or --public_classify to let everybody classify", f.addr)}
	}
	return nil
}

// isLocal tells whether an address can be reached from this machine only.
func isLocal(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("addr must be HOST:PORT, such as 127.0.0.1:8080, not %q", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("addr must end in a port from 0 to 65535, not in %q", port)
	}
	if host == "localhost" {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback(), nil
}

// proxies reads the networks of trusted proxies. A single address is a network, too.
func proxies(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, usageError{fmt.Errorf("trusted_proxies must be networks such as 10.0.0.0/8, not %q", text)}
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		all = append(all, network.Masked())
	}
	return all, nil
}

// A namedModel is a model that is to be served.
type namedModel struct {
	name string
	dirs []string
}

// namedModels reads the flags --model. A name may be there several times: then its folders are versions.
func namedModels(flags []string) ([]namedModel, error) {
	var all []namedModel
	given := map[string]bool{} // Names, and whether they were said.
	for _, flag := range flags {
		name, dir, said := strings.Cut(flag, "=")
		if _, err := os.Stat(flag); err == nil || !said || strings.ContainsAny(name, `/\`) {
			absolute, err := filepath.Abs(flag)
			if err != nil {
				return nil, fmt.Errorf("finding the model %s: %w", flag, err)
			}
			name, dir, said = filepath.Base(absolute), absolute, false
		}
		if err := serve.CheckName(name); err != nil {
			return nil, usageError{fmt.Errorf("model %s: %w; a name is given as NAME=FOLDER", flag, err)}
		}
		before, twice := given[name]
		switch {
		case twice && (!before || !said):
			return nil, usageError{fmt.Errorf("two models would be served as %q: give one of them another name, --model NAME=%s", name, dir)}
		case twice:
			i := slices.IndexFunc(all, func(m namedModel) bool { return m.name == name })
			all[i].dirs = append(all[i].dirs, dir)
		default:
			all = append(all, namedModel{name, []string{dir}})
		}
		given[name] = said
	}
	return all, nil
}

// headless serves until ctx is done.
func (e *environment) headless(ctx context.Context, flags *headlessFlags, rateGiven bool) (err error) {
	asked := ctx
	defer func() { // Who reads the log as JSON looks for the reason there, and not in a line for people.
		if err != nil && asked.Err() == nil {
			e.log.ErrorContext(asked, "the server ends", "error", err)
		}
	}()
	named, err := namedModels(flags.models)
	if err != nil {
		return err
	}
	config, err := e.serverConfig(flags, rateGiven)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.addr)
	if err != nil {
		return fmt.Errorf("listening at %s: %w. Another address is chosen by --addr", flags.addr, err)
	}
	defer listener.Close() //nolint:errcheck // Serve has closed it, or an error is on its way already.
	loaded := make(chan struct{})
	config.Loaded = loaded
	models := serve.New(serve.Config{
		Open: func(ctx context.Context, dir string) (*classify.Classifier, error) {
			return classify.Open(ctx, dir, flags.precision, e.engine)
		},
		State: stateFile(listener.Addr(), flags.addr), Log: e.log, MaxQueue: flags.queue, Observe: config.Metrics,
	})
	defer models.Close()
	config.Models = models
	if config.Uploads, err = flags.uploads.open(ctx, e.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeUploads(ctx, config.Uploads)) }()
	s, err := server.New(config) //nolint:contextcheck // Its datasets and jobs end with Close.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	scheme := "http"
	if config.TLS != nil {
		scheme = "https"
	}
	e.log.InfoContext(ctx, "listening", "address", scheme+"://"+listener.Addr().String(), "version", version)
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return s.Serve(ctx, listener) })
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP) // From now on, so that one that comes early does not end the program.
	defer signal.Stop(again)
	work.Go(func() error {
		err := e.whileLoading(ctx, func() error { return e.load(ctx, models, named) })
		if err != nil {
			return err
		}
		close(loaded)
		e.log.InfoContext(ctx, "ready", "models", len(models.List()))
		e.tell(daemon.SdNotifyReady)
		e.rescan(ctx, models, again)
		return nil
	})
	work.Go(func() error {
		e.watchdog(ctx, models)
		e.tell(daemon.SdNotifyStopping)
		return nil
	})
	return work.Wait()
}

// serverConfig makes the server's configuration, but for its models.
func (e *environment) serverConfig(flags *headlessFlags, rateGiven bool) (server.Config, error) {
	local, err := isLocal(flags.addr)
	if err != nil {
		return server.Config{}, err
	}
	trusted, err := proxies(flags.trustedProxies)
	if err != nil {
		return server.Config{}, err
	}
	c := server.Config{
		Version: version, Log: e.log, Local: local, PublicClassify: flags.publicClassify, TrustedProxies: trusted, DrainDelay: flags.drainDelay,
		Received: filepath.Join(xdg.DataHome, "kaika", "received"),
		Metrics:  server.NewMetrics(version, e.engine.Restarts),
		Training: server.Training{
			Datasets: flags.datasets, Trainer: serverTrainer{e}, Runs: &experiment.Store{Dir: filepath.Join(xdg.DataHome, "kaika", "runs"), Log: e.log},
		},
	}
	c.Limits.Rate = flags.rate
	if !rateGiven && (!local || len(trusted) > 0) {
		c.Limits.Rate = defaultRate
	}
	if flags.authFile != "" {
		if c.Auth, err = server.OpenAuth(flags.authFile, e.log); err != nil {
			return server.Config{}, err
		}
	}
	if flags.tlsCert != "" {
		files := &certificateFiles{cert: flags.tlsCert, key: flags.tlsKey, log: e.log}
		if err := files.load(); err != nil {
			return server.Config{}, err
		}
		c.TLS = &tls.Config{GetCertificate: files.get, MinVersion: tls.VersionTLS12}
	}
	return c, nil
}

// stateFile gives the file that remembers which models are active at an address; two servers of a user have two ports. At
// a port that the system chooses, nothing is remembered.
func stateFile(at net.Addr, asked string) string {
	if strings.HasSuffix(asked, ":0") {
		return ""
	}
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return ""
	}
	return filepath.Join(xdg.StateHome, "kaika", "served-"+port+".json")
}

// load loads the models that were asked for, and those that were activated over HTTP earlier. An error of the first ends
// the program: who asks for a model wants that one.
func (e *environment) load(ctx context.Context, models *serve.Models, named []namedModel) error {
	for _, m := range named {
		began := time.Now()
		err := models.Serve(ctx, m.name, m.dirs...)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Stopped while it was loaded.
		}
		if err != nil {
			return err
		}
		e.log.InfoContext(ctx, "a model is served", "model", m.name, "seconds", time.Since(began).Seconds())
	}
	if err := e.restore(ctx, models); err != nil && ctx.Err() == nil {
		e.log.ErrorContext(ctx, "a model that was activated earlier cannot be served; SIGHUP tries again", "error", err)
	}
	if n := len(models.List()); n > enginepb.MostLoaded {
		e.log.WarnContext(ctx, "more models are served than stay loaded at once: when all are asked for, each has to be loaded again and again",
			"models", n, "loaded", enginepb.MostLoaded)
	}
	if len(models.List()) == 0 {
		e.log.WarnContext(ctx, "there is no model yet: give one by --model, or train and activate one over HTTP")
	}
	return nil
}

// restore serves what was activated over HTTP earlier. An engine that does not start, on a machine that has just done so, say,
// gets another chance or two.
func (e *environment) restore(ctx context.Context, models *serve.Models) error {
	const tries, pause = 3, 5 * time.Second
	for try := 1; ; try++ {
		err := models.Restore(ctx)
		if !errors.Is(err, classify.ErrUnavailable) || try == tries {
			return err
		}
		e.log.WarnContext(ctx, "the engine does not start; it is tried again", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// whileLoading asks systemd for more time to start, as long as models are loaded: how long that takes is theirs to say.
func (e *environment) whileLoading(ctx context.Context, load func() error) error {
	const every = 10 * time.Second
	more := "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt((6*every).Microseconds(), 10)
	ctx, loaded := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() {
		again := time.NewTicker(every)
		defer again.Stop()
		for {
			e.tell(more)
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	})
	defer telling.Wait()
	defer loaded()
	return load()
}

// rescan looks for new versions of the models whenever it is asked to, until ctx is done.
func (e *environment) rescan(ctx context.Context, models *serve.Models, asked <-chan os.Signal) {
	for {
		select {
		case <-asked:
			e.log.InfoContext(ctx, "looking for new versions of the models")
			if err := errors.Join(models.Rescan(ctx), models.Restore(ctx)); err != nil && ctx.Err() == nil {
				e.log.ErrorContext(ctx, "a new version of a model cannot be used, what was served stays", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// tell tells systemd how the program is, if that has started it.
func (e *environment) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		e.log.Warn("systemd cannot be told how the server is", "error", err)
	}
}

// watchdog tells systemd regularly that the program is alive, if it wants to know, until ctx is done.
func (e *environment) watchdog(ctx context.Context, models *serve.Models) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		e.log.WarnContext(ctx, "systemd's watchdog cannot be served", "error", err)
	}
	if every <= 0 {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(every / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			models.Ready() // Takes the locks that every request takes.
			e.tell(daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			return
		}
	}
}
