# Sources of status/, added to cppx_controller.
target_sources(
  cppx_controller PRIVATE status/addresses.cpp status/address_source.cpp status/status_writer.cpp
)
