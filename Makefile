# Set-up, build and checks of Kaika: `make help` lists them, docs/setup.md says what each step does and why.

MODELS := efficientnet_lite0 efficientnet_lite2

GOLANGCI_LINT := v2.15.0
GOVULNCHECK   := v1.9.0
BUF           := v1.75.0
PROTOC_GEN_GO      := v1.36.11
PROTOC_GEN_GO_GRPC := v1.6.0

VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOLS   = build/tools

# Programs look for the library beside themselves, so that they can be moved together with it.
ifeq ($(shell uname -s),Darwin)
RPATH := @loader_path/lib
LIBRARY_PATH_NAME := DYLD_LIBRARY_PATH
else
RPATH := $$ORIGIN/lib
LIBRARY_PATH_NAME := LD_LIBRARY_PATH
endif
export CGO_CFLAGS  := -O2 -g '-I$(CURDIR)/build/include'
export CGO_LDFLAGS := '-L$(CURDIR)/build/lib' -Wl,-rpath,$(RPATH)
# The same for build, vet, test and linters, so that they share what Go has compiled.
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false

# Tests run in folders of their own, where no library lies beside the program.
TEST_ENV = $(LIBRARY_PATH_NAME)='$(CURDIR)/build/lib'
# Tools are plain Go; Kaika's C flags are none of their business.
GO_INSTALL = env -u CGO_CFLAGS -u CGO_LDFLAGS CGO_ENABLED=0 GOBIN='$(CURDIR)/$(TOOLS)' go install

.PHONY: help run build programs setup test race lint vulnerabilities bench dist proto clean
.NOTPARALLEL:

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 24
	@echo '  For example: make run ARGS='\''classify --model ../flowers-model "my photo.jpg"'\'

# Nothing but the program writes to standard output here: `make run ARGS="... --json" | jq` must work.
run: build ## set up, build, and start kaika; ARGS="..." gives it arguments
	@build/kaika $(value ARGS)

build: programs build/models/.stamp ## set up, and leave the programs, the library and the base models in build/

setup:
	@setup/go.sh
	@setup/packages.sh build $(if $(filter test race,$(MAKECMDGOALS)),test)
	@setup/libtensorflow.sh

# With migrated_fynedo Fyne leaves out the check that each call to it comes from the right goroutine; tests run with it.
programs: setup
	@[ -x build/kaika-engine ] || echo 'setup: compiling kaika and kaika-engine (the first time takes minutes)' >&2
	@go build -tags migrated_fynedo -ldflags '-s -w -X kaika/app.version=$(VERSION)' -o build/ . ./model/kaika-engine >&2

# Our own code makes the graphs out of the published weights, so they are made anew when that code changes (the weights
# themselves stay in the user's cache). A copy among the user's own models would do for kaika, but not for dist: hence XDG_DATA_HOME.
build/models/.stamp: $(filter-out %_test.go,$(wildcard model/*.go model/efficientnet/*.go model/graph/*.go)) | programs
	@echo 'setup: making the base models $(MODELS) (40 MB to fetch, once)' >&2
	@rm -rf build/models
	@XDG_DATA_HOME='$(CURDIR)/build/nowhere' build/kaika models fetch $(MODELS) --model_dir build/models >&2 </dev/null
	@touch $@

test: build ## vet, and run every test with the race detector
	@setup/axe.sh
	go vet ./...
	$(TEST_ENV) go test -race -timeout 30m $(TESTFLAGS) ./...

race: build ## drive a window that was compiled with the race detector through its stories
	@mkdir -p build/race
	@go build -race -tags migrated_fynedo -o build/race/kaika . >&2
	@ln -sfn ../kaika-engine ../lib ../models build/race/
	$(TEST_ENV) KAIKA_TEST_PROGRAM='$(CURDIR)/build/race/kaika' go test -count=1 -timeout 60m $(TESTFLAGS) -run '^TestStory|^TestPaste$$' ./ui/story

lint: setup $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) vulnerabilities ## run the linters on Go and shell code
	$(TOOLS)/golangci-lint-$(GOLANGCI_LINT) run ./...
	cd model/tensorflow-go-core && '$(CURDIR)/$(TOOLS)'/golangci-lint-$(GOLANGCI_LINT) run ./...
	@command -v shellcheck >/dev/null || setup/packages.sh lint || echo 'lint: without shellcheck the shell scripts are not checked' >&2
	! command -v shellcheck >/dev/null || shellcheck setup/*.sh .ci/run deploy/gce/*.sh $(addprefix assets/packaging/debian/,postinst prerm postrm)

vulnerabilities: setup $(TOOLS)/govulncheck-$(GOVULNCHECK)
	setup/vulnerabilities.sh $(TOOLS)/govulncheck-$(GOVULNCHECK)

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT):
	@echo 'setup: compiling golangci-lint $(GOLANGCI_LINT) (takes minutes, once)' >&2
	@$(GO_INSTALL) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT) && mv $(TOOLS)/golangci-lint $@

$(TOOLS)/govulncheck-$(GOVULNCHECK):
	@echo 'setup: compiling govulncheck $(GOVULNCHECK) (once)' >&2
	@$(GO_INSTALL) golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) && mv $(TOOLS)/govulncheck $@

bench: build ## measure; docs/benchmarks.md explains the figures
	@setup/packages.sh bench
	@setup/flask.sh
	$(TEST_ENV) go test -run '^$$' -bench . -benchmem -timeout 0 $(BENCHFLAGS) ./...

dist: build ## gather programs, library, base models and licences in a folder under dist/ that runs wherever it is moved
	@setup/dist.sh '$(VERSION)'

proto: ## write the Go code of model/enginepb/engine.proto anew
	$(GO_INSTALL) github.com/bufbuild/buf/cmd/buf@$(BUF)
	$(GO_INSTALL) google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
	$(GO_INSTALL) google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC)
	cd model/enginepb && PATH="$(CURDIR)/$(TOOLS):$$PATH" buf generate --template '{"version":"v2","plugins":[{"local":"protoc-gen-go","out":".","opt":"paths=source_relative"},{"local":"protoc-gen-go-grpc","out":".","opt":"paths=source_relative"}]}'

clean: ## remove build/ and dist/
	rm -rf build dist

FYNE := v1.7.0

.PHONY: package screenshots deb

package: dist $(TOOLS)/fyne-$(FYNE) ## pack that for the desktops of Linux: Kaika-VERSION-OS-ARCH.tar.xz, with icon, menu entry and a Makefile that installs it
	@setup/package.sh '$(VERSION)' '$(CURDIR)/$(TOOLS)/fyne-$(FYNE)'

$(TOOLS)/fyne-$(FYNE):
	@echo 'setup: compiling fyne $(FYNE) (once)' >&2
	@$(GO_INSTALL) fyne.io/tools/cmd/fyne@$(FYNE) && mv $(TOOLS)/fyne $@

deb: dist ## pack kaika --headless for servers: dist/kaika_VERSION_ARCH.deb, with a systemd unit and the manual page
	@setup/deb.sh '$(VERSION)'

screenshots: build ## take docs/screenshots anew: each tab, in English and Japanese, light and dark
	@setup/screenshots.sh
