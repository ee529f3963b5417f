# Sources of admission/, added to cppx_controller.
target_sources(
  cppx_controller
  PRIVATE admission/review.cpp admission/small_store.cpp
)
