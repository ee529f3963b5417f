# Sources of explain/, added to cppx_controller.
target_sources(
  cppx_controller
  PRIVATE explain/bypassed.cpp explain/explanation.cpp explain/explanation_json.cpp explain/listing.cpp explain/request.cpp
)
