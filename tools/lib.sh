# Shared by the scripts of the project: progress, plain failures, the choice of a compiler.
# Sourced by bash scripts, with the root of the repository as the working directory.

started_at=$SECONDS
log_folder=build/logs

# "75" → "1 min 15 s"
duration() {
  if [ "$1" -ge 60 ]; then echo "$(($1 / 60)) min $(($1 % 60)) s"; else echo "$1 s"; fi
}

say() { printf '%s\n' "$*"; }

# One line that says what is wrong, and the end. Exit code 2: the environment, not the project.
fail() {
  printf '%s: %s\n' "${program:-$(basename "$0")}" "$*" >&2
  exit 2
}

# step NAME COMMAND...: runs the command with its output in a log file, shows that it goes on and
# how long it took. On failure shows the end of the log and returns the command's exit code.
step() {
  local name=$1 log begin=$SECONDS pid code=0 shown=0
  shift
  mkdir -p "$log_folder"
  log=$log_folder/$(printf '%s' "$name" | tr -c 'A-Za-z0-9\n' '-').log
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ -t 1 ]; then
      printf '\r\033[K%s ... %s  %.60s' "$name" "$(duration $((SECONDS - begin)))" "$(last_line "$log")"
    elif [ $((SECONDS - begin - shown)) -ge 30 ]; then
      shown=$((SECONDS - begin))
      printf '%s ... %s  %.100s\n' "$name" "$(duration $shown)" "$(last_line "$log")"
    fi
  done
  wait "$pid" || code=$?
  trap - INT TERM
  if [ -t 1 ]; then printf '\r\033[K'; fi
  if [ "$code" -eq 0 ]; then
    say "$name: done in $(duration $((SECONDS - begin)))"
  else
    tail -n 60 "$log"
    say "$name: FAILED after $(duration $((SECONDS - begin))), whole output in $log"
  fi
  return "$code"
}

last_line() { tail -n 1 "$1" 2>/dev/null | tr -d '\r\033' | cut -c 1-100; }

# Sets CC and CXX to the first compiler that is new enough, the preferred one first.
choose_compiler() {
  local version
  for version in 19 20 21 18 17 16; do
    if command -v "clang++-$version" >/dev/null; then
      CC=clang-$version CXX=clang++-$version
      return 0
    fi
  done
  for version in 15 14 13; do
    if command -v "g++-$version" >/dev/null; then
      CC=gcc-$version CXX=g++-$version
      return 0
    fi
  done
  return 1
}

check_build_tools() {
  command -v cmake >/dev/null || fail "cmake is missing, and so is apt-get to install it"
  command -v ninja >/dev/null || fail "ninja is missing, and so is apt-get to install it"
  choose_compiler || fail "no compiler: Clang 16 or later, or GCC 13 or later, is needed"
}

# configure PRESET [OPTION...]: makes build/PRESET, or changes it.
configure() {
  local preset=$1 arguments=()
  shift
  check_build_tools
  if [ "$CXX" != clang++-19 ]; then
    arguments=(-DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX")
    case $CXX in
      clang*) arguments+=(-DCMAKE_EXE_LINKER_FLAGS="-fuse-ld=lld-${CXX##*-}") ;;
      *) arguments+=(-DCMAKE_EXE_LINKER_FLAGS=) ;;
    esac
  fi
  step "configure $preset" cmake --preset "$preset" "${arguments[@]}" "$@"
}

# build PRESET [TARGET...]: configures when needed and builds, in build/PRESET.
build() {
  local preset=$1
  shift
  check_build_tools
  if [ ! -f "build/$preset/build.ninja" ]; then
    configure "$preset" || return
  fi
  step "build $preset" ninja -C "build/$preset" "$@"
}
