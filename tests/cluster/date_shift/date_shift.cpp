// Takes the place of what tells the date, in a program that is started with LD_PRELOAD. The date is
// the true one plus so many seconds as a file says, of eight bytes, whose name is in
// DATE_SHIFT_FILE. Clocks that only go forward are left alone, and so are timers.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

using Seconds = std::atomic<std::int64_t>;
static_assert(Seconds::is_always_lock_free && sizeof(Seconds) == 8);

const Seconds& map_file() {
  const char* name = std::getenv("DATE_SHIFT_FILE");
  const int file = name == nullptr ? -1 : ::open(name, O_RDONLY | O_CLOEXEC);
  void* const memory =
      file < 0 ? MAP_FAILED : ::mmap(nullptr, sizeof(Seconds), PROT_READ, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    std::perror("DATE_SHIFT_FILE");
    std::abort();
  }
  ::close(file);
  return *static_cast<const Seconds*>(memory);
}

std::int64_t shift() {
  static const Seconds& seconds = map_file();
  return seconds.load(std::memory_order_relaxed);
}

int shifted_clock(clockid_t clock, timespec* now) {
  const long outcome = ::syscall(SYS_clock_gettime, clock, now);
  if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += shift();
  return static_cast<int>(outcome);
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, timespec* now) noexcept {
  return shifted_clock(clock, now);
}

__attribute__((visibility("default"))) int gettimeofday(timeval* now, void*) noexcept {
  timespec exact{};
  const int outcome = shifted_clock(CLOCK_REALTIME, &exact);
  *now = {.tv_sec = exact.tv_sec, .tv_usec = exact.tv_nsec / 1000};
  return outcome;
}

__attribute__((visibility("default"))) time_t time(time_t* out) noexcept {
  timespec exact{};
  shifted_clock(CLOCK_REALTIME, &exact);
  if (out != nullptr) *out = exact.tv_sec;
  return exact.tv_sec;
}

}  // extern "C"
