# Sources of events/, added to cppx_controller.
target_sources(
  cppx_controller PRIVATE events/event.cpp events/event_limits.cpp events/event_recorder.cpp
)
