# What a newcomer types: make run, make test. The rest is listed by 'make help'.

export DOTNET_CLI_TELEMETRY_OPTOUT = 1
export DOTNET_NOLOGO = 1
export MSBUILDDISABLENODEREUSE = 1

.PHONY: help run test test-vm soak bench bench-hot build standalone killswitch install uninstall deb clean
.PHONY: check-format sdk
.PHONY: deps-run deps-test deps-vm deps-bench deps-deb

help:
	@echo 'make run           build, and mount a software TPM at /run/tpmfs until Ctrl-C; not root: in $$XDG_RUNTIME_DIR'
	@echo 'make test          build, and run every test; as root, since the tests mount'
	@echo 'make test-vm       build, and test in virtual machines: beside /dev/tpmrm0 of a kernel, and the Debian package'
	@echo '                   from its installation over boots and an upgrade to its purge; about 10 minutes'
	@echo 'make soak          what takes long: the resource manager against its model for SOAK_SECONDS (600), and all'
	@echo '                   sessions of a real TPM'
	@echo 'make bench         build, and measure beside tpm2-abrmd and others; as root, 25 minutes; QUICK=1: 6 minutes'
	@echo 'make bench-hot     of those, only the steps inside, with the memory that they allocate; 1 minute'
	@echo 'make build         leave a runnable out/tpmfs'
	@echo 'make install       build, and install what needs no .NET below DESTDIR, in PREFIX (/usr/local)'
	@echo 'make uninstall     remove that'
	@echo 'make deb           build, and leave a Debian package in out/'
	@echo 'make check-format  fail where dotnet format would change something, or a line is longer than 120 columns'
	@echo 'make clean         remove what the others made'

run: sdk deps-run build
	@exec out/tpmfs mount --tpm embedded

TESTS := $(filter-out tests/Vm/,$(sort $(dir $(wildcard tests/*/*.Tests.csproj))))

# On real mounts runs what is installed.
test: sdk deps-test build standalone killswitch
	@dotnet build TpmFs.sln --verbosity quiet
	@TPMFS_PROGRAM=$(CURDIR)/$(STANDALONE)/tpmfs build/run-tests $(TESTS)

test-vm: sdk deps-vm build deb
	@dotnet build tests/Vm --verbosity quiet
	@cd bench && /usr/bin/python3 -c 'import processes; processes.build()'
	@build/run-tests tests/Vm/

# The model with new seeds, which are printed, for SOAK_SECONDS; then the full counts on a real mount, and two hours of
# daemons that are killed.
SOAK_SECONDS ?= 600

soak: sdk deps-test build killswitch
	@dotnet build TpmFs.sln --verbosity quiet
	@TPMFS_SOAK_SECONDS=$(SOAK_SECONDS) dotnet test tests/Rm --no-build \
		--filter FullyQualifiedName~SoakTests --logger 'console;verbosity=detailed'
	@TPMFS_SOAK=1 dotnet test tests/Integration --no-build \
		--filter 'FullyQualifiedName~Tests.ResourceManager|FullyQualifiedName~KillTests' \
		--logger 'console;verbosity=detailed'

bench: deps-bench build standalone
	@/usr/bin/python3 bench/run.py $(if $(QUICK),--quick) $(BENCH)

bench-hot: deps-bench build
	@/usr/bin/python3 bench/run.py --only inside

build: sdk
	@dotnet publish src/TpmFs/tpmfs.csproj --configuration Release --output out --verbosity quiet

# What is installed: runs where there is no .NET.
STANDALONE := out/standalone
RUNTIME := linux-$(if $(filter aarch64,$(shell uname --machine)),arm64,x64)

# From nothing each time: a program's list of its parts (tpmfs.deps.json) is not made anew when trimming leaves another
# part of .NET in.
standalone: sdk
	@rm -rf $(STANDALONE) src/TpmFs/obj/Release/net*/$(RUNTIME)
	@dotnet publish src/TpmFs/tpmfs.csproj --configuration Release --runtime $(RUNTIME) --self-contained \
		--output $(STANDALONE) --verbosity quiet

# A build that can kill itself after a write to the memory that outlives it, for tests.
killswitch: sdk
	@dotnet publish src/TpmFs/tpmfs.csproj --configuration KillSwitch --output out/killswitch --verbosity quiet

export DESTDIR PREFIX SYSCONFDIR SYSTEMDDIR UDEVDIR SLEEPDIR

install: standalone
	@build/install $(STANDALONE)

uninstall:
	@build/install --remove $(STANDALONE)

deb: deps-deb standalone
	@build/deb out

# All, even if the first fails. Names of fields and references of comments are errors of the build.
check-format: sdk
	@status=0; build/check-lines || status=1; \
	dotnet build TpmFs.sln --verbosity quiet || status=1; \
	dotnet format TpmFs.sln --verify-no-changes --no-restore || status=1; \
	exit $$status

clean:
	rm -rf out bench/bin bench/Hot/bin bench/Hot/obj TestResults src/*/bin src/*/obj tests/*/bin tests/*/obj

sdk:
	@dotnet --version >/dev/null \
		|| { echo 'TpmFs needs the .NET 10 SDK: https://dotnet.microsoft.com/download' >&2; exit 1; }

deps-run:
	@build/install-deps run

deps-test:
	@build/install-deps run test

deps-vm:
	@build/install-deps run test vm

deps-bench:
	@build/install-deps run bench

deps-deb:
	@build/install-deps deb
