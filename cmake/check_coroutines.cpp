// Shapes of co_await in a condition that a correct compiler runs as written. Exit code 0: all
// right.
#include <coroutine>
#include <cstdlib>

struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

struct Yes {
  bool value;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  bool await_resume() const noexcept { return value; }
};

static int good = 0;

Task if_not() {
  if (!co_await Yes{true}) co_return;
  ++good;
}
Task if_plain() {
  if (co_await Yes{false}) co_return;
  ++good;
}
Task if_and() {
  if (co_await Yes{true} && co_await Yes{true}) ++good;
}
Task loop() {
  while (!co_await Yes{true}) co_return;
  ++good;
}
Task choose() {
  switch (co_await Yes{true}) {
    case true:
      ++good;
      break;
    default:
      break;
  }
}

int main() {
  if_not();
  if_plain();
  if_and();
  loop();
  choose();
  return good == 5 ? 0 : 1;
}
