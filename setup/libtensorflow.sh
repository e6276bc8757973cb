#!/usr/bin/env bash
# Puts libtensorflow into build/lib and its C headers into build/include. They come out of the wheel of TensorFlow's Python
# package, by exact version and digest; once they are out, neither Python nor that package is needed.
#
# KAIKA_LIBTENSORFLOW names a libtensorflow that is already on this machine (the file or its folder): then nothing is fetched
# to link with. Kaika reads the same variable when it runs; so once the library is here, this script leaves it alone.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

# These names are what Go's binding links with (-ltensorflow) and what the library itself asks for.
os=$(go env GOOS) arch=$(go env GOARCH) version=2.18.1
case $os in
darwin) libraries="libtensorflow_cc.2.dylib libtensorflow_framework.2.dylib" link=libtensorflow.dylib ;;
*) libraries="libtensorflow_cc.so.2 libtensorflow_framework.so.2" link=libtensorflow.so ;;
esac
case $os/$arch in
linux/amd64)
	package=tensorflow-cpu platform=manylinux_2_17_x86_64
	digest=8e0f27dbd92c6d380ae0ccfe73c7343f65c127b0aa98467c30c2e71eda7c76a4 ;;
linux/arm64) # untested
	package=tensorflow platform=manylinux_2_17_aarch64
	digest=1ba52b9c06ab8102b31e50acfaf56899b923171e603c8942f2bfeb181d6bb59e ;;
darwin/arm64) # untested
	package=tensorflow platform=macosx_12_0_arm64
	digest=98afa9c7f21481cdc6ccd09507a7878d533150fbb001840cc145e2132eb40942 ;;
*)
	if [ -z "${KAIKA_LIBTENSORFLOW:-}" ]; then
		say "there is no ready-made libtensorflow for $os/$arch. Build one, and name its folder in KAIKA_LIBTENSORFLOW."
		exit 1
	fi ;;
esac

# The stamp names what lies in build/lib, so that another version takes its place.
pinned="${package:-none} $version ${digest:-}"
wanted=${KAIKA_LIBTENSORFLOW:-$pinned}
origin=$(cat build/lib/.origin 2>/dev/null || true)
if [ -e "build/lib/$link" ] && { [ "$origin" = "$wanted" ] || [ "$origin" = "$pinned" ]; }; then
	exit 0
fi

mkdir -p build
new=$(mktemp -d build/libtensorflow.XXXXXX)
trap 'rm -rf "$new"' EXIT
mkdir "$new/lib" "$new/include" "$new/licenses"

if [ -n "${KAIKA_LIBTENSORFLOW:-}" ]; then
	say "taking libtensorflow from $KAIKA_LIBTENSORFLOW, as KAIKA_LIBTENSORFLOW says"
	folder=$KAIKA_LIBTENSORFLOW
	[ -d "$folder" ] || folder=$(dirname "$folder")
	folder=$(cd "$folder" 2>/dev/null && pwd) || folder=
	for file in "${folder:-/nowhere}"/libtensorflow*; do
		[ ! -f "$file" ] || ln -s "$file" "$new/lib/"
	done
	for name in libtensorflow_cc.so.2 libtensorflow.so.2 libtensorflow_cc.2.dylib libtensorflow.2.dylib; do
		[ -e "$new/lib/$link" ] || [ ! -e "$new/lib/$name" ] || ln -s "$name" "$new/lib/$link"
	done
	if [ ! -e "$new/lib/$link" ]; then
		say "there is no libtensorflow_cc and no libtensorflow in $KAIKA_LIBTENSORFLOW. Name the file or its folder, or unset KAIKA_LIBTENSORFLOW."
		exit 1
	fi
	# Without headers beside the library the compiler falls back on the older ones that come with Go's binding.
	for include in "$folder/include" "${folder%/*}/include"; do
		if [ -e "$include/tensorflow/c/c_api.h" ]; then
			rmdir "$new/include" && ln -s "$include" "$new/include"
			break
		fi
	done
else
	# Asking for a platform and a Python by name makes any pip at hand do, whatever Python it runs on.
	python3 -m pip --version >/dev/null 2>&1 || setup/packages.sh pip
	say "fetching libtensorflow $version for $os/$arch (230 MB, once)"
	echo "$package==$version --hash=sha256:$digest" >"$new/requirements.txt"
	if ! python3 -m pip --disable-pip-version-check download --no-deps --only-binary=:all: --implementation cp --python-version 3.12 \
		--platform "$platform" --dest "$new/wheel" --requirement "$new/requirements.txt" </dev/null >&2; then
		say "pip could not fetch $package $version; its reason is above. When the cause is gone (often: no network), try again."
		exit 1
	fi

	say "unpacking libtensorflow and its headers into build/"
	python3 - "$new" "$libraries" <<-'PYTHON'
		import pathlib, shutil, sys, zipfile

		new = pathlib.Path(sys.argv[1])
		libraries = sys.argv[2].split()
		# c_api.h and eager/c_api.h, which Go's binding includes, and all that they include.
		headers = """tensorflow/c/c_api.h tensorflow/c/c_api_macros.h tensorflow/c/eager/c_api.h tensorflow/c/tf_attrtype.h
		tensorflow/c/tf_buffer.h tensorflow/c/tf_datatype.h tensorflow/c/tf_status.h tensorflow/c/tf_tensor.h tensorflow/c/tf_tstring.h
		tensorflow/core/platform/ctstring.h tsl/platform/ctstring.h tsl/platform/ctstring_internal.h xla/tsl/c/tsl_status.h""".split()
		members = {"tensorflow/" + name: "lib/" + name for name in libraries}
		members.update({"tensorflow/include/" + name: "include/" + name for name in headers})
		members["tensorflow/include/LICENSE"] = "licenses/LICENSE"
		members["tensorflow/THIRD_PARTY_NOTICES.txt"] = "licenses/THIRD_PARTY_NOTICES.txt"
		with zipfile.ZipFile(next(new.glob("wheel/*.whl"))) as wheel:
		    for member, path in members.items():
		        (new / path).parent.mkdir(parents=True, exist_ok=True)
		        with wheel.open(member) as source, open(new / path, "wb") as target:
		            shutil.copyfileobj(source, target, 1 << 20)
	PYTHON

	if [ "$os" = linux ] && command -v strip >/dev/null; then
		say "taking the names for debuggers out of it (saves 190 MB)"
		for name in $libraries; do strip --strip-unneeded "$new/lib/$name"; done
	fi
	ln -s "${libraries%% *}" "$new/lib/$link"
fi

echo "$wanted" >"$new/lib/.origin"
rm -rf build/lib build/include build/licenses
mv "$new/lib" "$new/include" "$new/licenses" build/
